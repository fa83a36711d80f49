"""Finished runs as the row of a table: means over seeds, intervals, slices, time, machine, the learning curve."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from aisle.evaluate.compare import compare
from aisle.experiment.run import Run
from benchmarks.quality.question import Question, Row
from benchmarks.quality.runs import recipe_sha256

_DIGITS = 5


def row_result(question: Question, row: Row, runs: Mapping[int, Run]) -> dict[str, Any]:
    """Summarise the finished runs of a row.

    Args:
        question: the dataset that the row belongs to.
        row: which.
        runs: by seed (or fold), at least one.
    """
    numbers = sorted(runs)
    done = [runs[number] for number in numbers]
    tests = [run.metrics["test"] for run in done]
    shown = [name for name in question.metrics if name in tests[0]["metrics"]]
    return {
        "recipe": row.recipe,
        "recipe_sha256": recipe_sha256(row),
        "model": done[0].name,
        question.vary: numbers,
        "metrics": {name: _metric(tests, name) for name in shown},
        "slices": _slices(tests, row, shown),
        "counts": tests[0]["counts"],
        "protocol": tests[0]["protocol"],
        "train_seconds": spread([run.metrics["train_seconds"] for run in done], digits=1),
        "epochs": [run.metrics["epochs"] for run in done],
        "best_epoch": [run.metrics["best_epoch"] for run in done],
        "curve": _curve(done[0]),
        "device": done[0].metrics["device"],
        "machine": _machine(done[0]),
    }


def spread(values: Sequence[float], *, digits: int = _DIGITS) -> dict[str, Any]:
    """Return mean, standard deviation over runs (null for one run), and the values."""
    sd = round(statistics.stdev(values), digits) if len(values) > 1 else None
    return {"mean": round(statistics.mean(values), digits), "sd": sd, "values": [round(value, digits) for value in values]}


def difference(question: Question, a: Run, b: Run) -> dict[str, Any]:
    """Compare the runs of two rows case by case: b - a with its paired interval.

    Raises:
        AisleError: E703 when they answered different questions.
    """
    compared = compare(a.evaluation(), b.evaluation())
    return {
        "cases": compared.cases,
        "metrics": {
            line.metric: {
                "difference": round(line.difference, _DIGITS),
                "interval": [round(end, _DIGITS) for end in line.interval],
                "verdict": line.verdict,
            }
            for line in compared.rows
            if line.metric in question.metrics
        },
    }


def _metric(tests: Sequence[Mapping[str, Any]], name: str) -> dict[str, Any]:
    interval = tests[0]["metrics"][name]["ci"]
    summary = spread([test["metrics"][name]["mean"] for test in tests])
    return {**summary, "interval": None if interval is None else [round(end, _DIGITS) for end in interval]}


def _slices(tests: Sequence[Mapping[str, Any]], row: Row, shown: Sequence[str]) -> dict[str, Any]:
    """Return the wanted slices: cases, and each metric with the interval of the first run."""
    kept: dict[str, Any] = {}
    for part in tests[0]["slices"]:
        if not part["name"].startswith(row.slices or ("\0",)):
            continue
        same = [other for test in tests for other in test["slices"] if other["name"] == part["name"]]
        metrics = {name: _metric(same, name) for name in shown if name in part["metrics"]}
        kept[part["name"]] = {"cases": part["cases"], "metrics": metrics}
    return kept


def _curve(run: Run) -> dict[str, Any] | None:
    """Return validation and loss by epoch of the phase that chooses, None for a model without epochs."""
    file = run.folder / "epochs.json"
    if not file.exists():
        return None
    records = [record for record in json.loads(file.read_text()) if record["phase"] == "choose"]
    return {
        "loss": [round(record["loss"], _DIGITS) for record in records],
        "validation": [record["validation"] and round(record["validation"], _DIGITS) for record in records],
    }


def _machine(run: Run) -> str:
    facts = json.loads((run.folder / "environment.json").read_text())
    cpu = facts["cpu"]
    return f"{cpu['name']}, {cpu['cores']} cores; Python {facts['python']}, torch {facts['packages']['torch']}"
