"""Is a promise kept? The best of the rows that it names, held against its figures or against the rows it must beat."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aisle.evaluate.rating import LOWER_IS_BETTER
from benchmarks.quality.question import Bar, Question

NOT_MEASURED = "not measured"


@dataclass(frozen=True)
class Judged:
    """A bar, the row held against it, its figures in words, and "goal reached", "reached", "missed" or "not measured"."""

    bar: Bar
    row: str
    figures: str
    verdict: str


def judge(bar: Bar, question: Question, results: Mapping[str, Any]) -> Judged:
    """Hold the best measured row against a bar."""
    measured = [
        key for key in bar.rows if key in results["rows"] and (not bar.part or bar.part in results["rows"][key]["slices"])
    ]
    if not measured:
        return Judged(bar, "", "", f"{NOT_MEASURED} on a GPU" if bar.gpu else NOT_MEASURED)
    deciding = bar.level_with[0] if bar.level_with else next(iter(bar.least), question.metrics[0])
    sign = -1 if deciding in LOWER_IS_BETTER else 1
    best = max(measured, key=lambda key: sign * mean_of(results, key, deciding, bar.part))
    if bar.level_with:
        return _level_with(bar, best, bar.level_with, results)
    return _against_rows(bar, best, question, results) if bar.ahead_of else _against_figures(bar, best, question, results)


def mean_of(results: Mapping[str, Any], key: str, metric: str, part: str = "") -> float:
    """Return the mean of a measured row, or of one of its slices."""
    row = results["rows"][key]
    return float((row["slices"][part] if part else row)["metrics"][metric]["mean"])


def _against_figures(bar: Bar, best: str, question: Question, results: Mapping[str, Any]) -> Judged:
    means = {metric: mean_of(results, best, metric, bar.part) for metric in bar.least}
    figures = ", ".join(f"{metric} {value:.4f}" for metric, value in means.items())

    def reaches(wanted: Mapping[str, float]) -> bool:
        return all((means[name] <= least if name in LOWER_IS_BETTER else means[name] >= least) for name, least in wanted.items())

    if bar.goal and reaches(bar.goal):
        return Judged(bar, best, figures, "goal reached")
    return Judged(bar, best, figures, "reached" if reaches(bar.least) else "missed")


def _level_with(bar: Bar, best: str, other: tuple[str, str], results: Mapping[str, Any]) -> Judged:
    metric, row = other
    ours = mean_of(results, best, metric)
    if row not in results["rows"]:
        return Judged(bar, best, f"{metric} {ours:.4f}; {row}: {NOT_MEASURED}", NOT_MEASURED)
    theirs = mean_of(results, row, metric)
    return Judged(bar, best, f"{metric} {ours:.4f}; {row}: {theirs:.4f}", "reached" if ours >= theirs else "missed")


def _against_rows(bar: Bar, best: str, question: Question, results: Mapping[str, Any]) -> Judged:
    """Every paired interval of the deciding metric must lie on the better side of zero."""
    metric, found, verdicts = question.metrics[0], [], []
    for other in bar.ahead_of:
        entry = next((entry for entry in results["differences"] if (entry["a"], entry["b"]) == (other, best)), None)
        if entry is None:
            verdicts.append(NOT_MEASURED)
            found.append(f"{other}: {NOT_MEASURED}")
            continue
        low, high = entry["metrics"][metric]["interval"]
        verdicts.append("reached" if (high < 0 if metric in LOWER_IS_BETTER else low > 0) else "missed")
        found.append(f"{entry['metrics'][metric]['difference']:+.4f} [{low:+.4f}, {high:+.4f}] against {other}")
    order = ("missed", NOT_MEASURED, "reached")
    return Judged(bar, best, f"{metric} " + "; ".join(found), min(verdicts, key=order.index))
