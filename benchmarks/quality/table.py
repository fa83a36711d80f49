"""Results as Markdown: a page a dataset beside its JSON, and docs/results.md with all of them.

python -m benchmarks.quality.table      # writes every page anew from the committed JSON
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from aisle.storage.atomic import write_atomic
from benchmarks.quality.bars import Judged, judge
from benchmarks.quality.curves import write_curves
from benchmarks.quality.published import PUBLISHED
from benchmarks.quality.question import Question, Row
from benchmarks.quality.results import FOLDER, load_results, results_file, stale_rows
from benchmarks.quality.rows import QUESTIONS

PAGE = Path(__file__).parents[2] / "docs" / "results.md"
_HEAD = """# Results

Every model on every public log that it is measured on, beside published figures. Written by `python -m benchmarks.quality.table`
from `benchmarks/quality/*.json`; a row is measured again by `python -m benchmarks.quality.run DATASET --rows NAME`.

Settings and epochs are chosen on validation data; the test part is looked at once a run. A figure is the mean over seeds (or
folds) ± their standard deviation, with the 95% bootstrap interval over cases of the first one in brackets. Differences are
paired, case by case, of the first seed. Seconds are those of training alone, as they came: other work may have run beside it.
Published figures: [V] read in the named source, [M] from memory of the paper.
"""


def write_tables(question: Question, results: Mapping[str, Any], folder: Path = FOLDER) -> None:
    """Write a dataset's page and picture, and docs/results.md where `folder` is the one of the committed results."""
    write_curves(question, results, folder)
    text = dataset_page(question, results, folder)
    write_atomic(results_file(question, folder).with_suffix(".md"), text)
    if folder == FOLDER:
        write_atomic(PAGE, results_page())


def dataset_page(question: Question, results: Mapping[str, Any], folder: Path = FOLDER) -> str:
    """Return the page that stands beside a dataset's JSON."""
    return "# " + "\n".join(section(question, results, "", folder)) + "\n"


def results_page(folder: Path = FOLDER) -> str:
    """Return docs/results.md."""
    parts = [_HEAD, *_bar_summary(folder)]
    for question in QUESTIONS.values():
        parts += ["", "## " + "\n".join(section(question, load_results(question, folder), "../benchmarks/quality/", folder))]
    return "\n".join(parts) + "\n"


def section(question: Question, results: Mapping[str, Any], prefix: str, folder: Path) -> Iterator[str]:
    """Yield the lines about one dataset, the heading's text first."""
    yield from (question.name, "", f"{question.protocol[0].upper()}{question.protocol[1:]}.", "")
    yield from _rows_table(question, results)
    yield from _machines(results)
    yield from _published_table(question)
    yield from _slices_table(question, results)
    yield from _latency_table(results)
    yield from _differences_table(question, results)
    yield from _bars_table(question, results)
    if results_file(question, folder).with_suffix(".png").exists():
        yield from ("", f"![validation by epoch]({prefix}{question.name}.png)")


def _rows_table(question: Question, results: Mapping[str, Any]) -> Iterator[str]:
    over = question.vary.removeprefix("train.").removeprefix("split.") + "s"
    yield from _table(["row", *question.metrics, over, "train s", "best epoch"], _row_cells(question, results))


def _row_cells(question: Question, results: Mapping[str, Any]) -> Iterator[list[str]]:
    stale = stale_rows(question, results)
    for row in question.rows:
        measured = results["rows"].get(row.key)
        if measured is None:
            yield [row.key, "not measured", *[""] * (len(question.metrics) + 2)]
            continue
        metrics = [_cell(measured["metrics"].get(name)) for name in question.metrics]
        seconds, epochs = measured["train_seconds"]["mean"], measured["best_epoch"]
        kept = "" if epochs[0] is None else ", ".join(str(epoch) for epoch in epochs)
        name = row.key + (" (STALE: the recipe was changed since)" if row.key in stale else "")
        yield [name, *metrics, _count(question, row, measured), f"{seconds:,.0f}" if seconds >= 10 else f"{seconds:.1f}", kept]


def _count(question: Question, row: Row, measured: Mapping[str, Any]) -> str:
    done, wanted = len(measured[question.vary]), len(question.numbers(row))
    if row.one_seed:
        return "1 (a run takes over 40 minutes)"
    if question.vary == "train.seed" and not row.draws:
        return "1 (draws nothing)"
    return str(done) if done == wanted else f"{done} of {wanted}"


def _machines(results: Mapping[str, Any]) -> Iterator[str]:
    machines = sorted({f"{measured['machine']}; {measured['device']}" for measured in results["rows"].values()})
    for machine in machines:
        yield from ("", f"Machine: {machine}.")


def _published_table(question: Question) -> Iterator[str]:
    lines = PUBLISHED.get(question.name, ())
    if lines:
        names = [name for name in question.metrics if any(name in line.metrics for line in lines)]
        rows = [[line.method, *(f"{line.metrics[name]:.4f}" for name in names), f"{line.source} [{line.mark}]"] for line in lines]
        yield from ("", *_table(["published", *names, "source"], rows))


def _slices_table(question: Question, results: Mapping[str, Any]) -> Iterator[str]:
    rows = [
        [key, name, f"{part['cases']:,}", *(_cell(part["metrics"].get(metric)) for metric in question.metrics)]
        for key, measured in results["rows"].items()
        for name, part in measured["slices"].items()
    ]
    if rows:
        yield from ("", *_table(["row", "part", "cases", *question.metrics], rows))


def _latency_table(results: Mapping[str, Any]) -> Iterator[str]:
    rows = [
        [key, f"{measured['answer_ms']['median']:.2f}", f"{measured['answer_ms']['p95']:.2f}"]
        for key, measured in results["rows"].items()
        if "answer_ms" in measured
    ]
    if rows:
        yield from ("", *_table(["ten items for one shopper, from Python", "median ms", "95th percentile ms"], rows))


def _differences_table(question: Question, results: Mapping[str, Any]) -> Iterator[str]:
    rows = []
    for entry in results["differences"]:
        cells = []
        for name in question.metrics:
            found = entry["metrics"].get(name)
            cells.append("" if found is None else _signed(found["difference"], *found["interval"]))
        rows.append([f"{entry['b']} minus {entry['a']}", *cells, f"{entry['cases']:,}"])
    if rows:
        yield from ("", *_table(["difference", *question.metrics, "cases"], rows))


def _bars_table(question: Question, results: Mapping[str, Any]) -> Iterator[str]:
    if question.bars:
        judged = [judge(bar, question, results) for bar in question.bars]
        yield from ("", *_table(["bar", "row", "measured", "verdict"], [_bar_cells(line) for line in judged]))


def _bar_summary(folder: Path) -> list[str]:
    rows = [
        [question.name, *_bar_cells(judge(bar, question, load_results(question, folder)))]
        for question in QUESTIONS.values()
        for bar in question.bars
    ]
    return list(_table(["dataset", "bar", "row", "measured", "verdict"], rows))


def _bar_cells(line: Judged) -> list[str]:
    return [line.bar.words, line.row, line.figures, f"**{line.verdict}**" if line.verdict == "missed" else line.verdict]


def _cell(metric: Mapping[str, Any] | None) -> str:
    if metric is None:
        return ""
    text = f"{metric['mean']:.4f}"
    if metric["sd"] is not None:
        text += f" ± {metric['sd']:.4f}"
    if metric["interval"] is not None:
        text += " [{:.4f}, {:.4f}]".format(*metric["interval"])
    return text


def _signed(difference: float, low: float, high: float) -> str:
    return f"{difference:+.4f} [{low:+.4f}, {high:+.4f}]"


def _table(head: Sequence[str], rows: Iterator[list[str]] | Sequence[list[str]]) -> Iterator[str]:
    yield "| " + " | ".join(head) + " |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield "| " + " | ".join(row) + " |"


def main() -> None:
    for question in QUESTIONS.values():
        if results_file(question).exists():
            write_tables(question, load_results(question))
    write_atomic(PAGE, results_page())


if __name__ == "__main__":
    main()
