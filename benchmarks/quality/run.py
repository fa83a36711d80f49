"""Measure the rows of a dataset: one command, resumable, merged into the committed results.

    python -m benchmarks.quality.run DATASET [--rows NAME ...] [--seeds 1 2 3] [--work .bench/quality] [--data ../shared/data]
    python -m benchmarks.quality.run --list

Settings and epochs are chosen on validation data; the test part is looked at once a finished run. A run lies in
WORK/DATASET/ROW/seedN: an interrupted one goes on where it was, a finished one is only read, one of another recipe than
today's is refused (E506) until `--again` replaces it. After every row the results
(`DATASET.json`), the table (`DATASET.md`), the picture (`DATASET.png`) and docs/results.md are written anew.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aisle.dataset.reader import Dataset
from aisle.errors import AisleError, did_you_mean
from aisle.experiment.run import Run
from benchmarks.quality.latency import answer_ms
from benchmarks.quality.prepared import prepared
from benchmarks.quality.question import Pair, Question, Row
from benchmarks.quality.results import FOLDER, load_results, put_difference, save_results, stale_rows
from benchmarks.quality.rows import QUESTIONS
from benchmarks.quality.runs import chosen_rows, finished, measure, recipe_sha256, ships
from benchmarks.quality.summary import difference, row_result
from benchmarks.quality.table import write_tables


@dataclass(frozen=True)
class Bench:
    """What one call works on.

    Attributes:
        question: the dataset and its rows.
        dataset: prepared.
        work: where its runs lie.
        results: where its results are written.
        again: replace finished runs.
        say: where to speak.
    """

    question: Question
    dataset: Dataset
    work: Path
    results: Path = FOLDER
    again: bool = False
    say: Callable[[str], None] = print


def run_rows(bench: Bench, rows: list[Row], seeds: list[int] | None = None) -> None:
    """Measure rows and write the results after each.

    Args:
        bench: where everything lies.
        rows: whose recipes ship.
        seeds: only these of the row's seeds (or folds); None = all.

    Raises:
        AisleError: the first that a row ended with, after all other rows were measured.
    """
    failed: list[AisleError] = []
    for row in rows:
        try:
            _run_row(bench, row, seeds)
        except AisleError as error:  # one row must not cost the night that the others would have used
            bench.say(f"{row.key} failed: {error}")
            failed.append(error)
    if failed:
        raise failed[0]


def _run_row(bench: Bench, row: Row, seeds: list[int] | None) -> None:
    question = bench.question
    for number in question.numbers(row):
        if seeds is None or number in seeds:
            bench.say(f"{question.name}: {row.key}, {question.vary} {number}")
            measure(question, row, number, bench.dataset, bench.work, again=bench.again, say=bench.say)
    summarise(bench, row)


def summarise(bench: Bench, row: Row) -> None:
    """Put what is finished of a row into the results, with the differences that it makes possible."""
    question, results = bench.question, load_results(bench.question, bench.results)
    runs = _finished(bench, row)
    if not runs:
        bench.say(f"{row.key}: no finished run of today's recipe")
        return
    before = results["rows"].get(row.key, {})
    results["rows"][row.key] = measured = row_result(question, row, runs)
    if row.latency:
        known = before.get("answer_ms") if before.get("recipe_sha256") == measured["recipe_sha256"] else None
        measured["answer_ms"] = known or answer_ms(runs[min(runs)], bench.dataset)
    for pair in question.pairs:
        if row.key in (pair.a, pair.b):
            _compare(bench, pair, results)
    save_results(question, results, bench.results)
    write_tables(question, results, bench.results)


def _compare(bench: Bench, pair: Pair, results: dict[str, Any]) -> None:
    """Put the difference of two rows into the results where both have a finished run; say so where it makes no sense."""
    first, second = bench.question.by_key[pair.a], bench.question.by_key[pair.b]
    of_a, of_b = _finished(bench, first), _finished(bench, second)
    shared = sorted(of_a.keys() & of_b.keys())
    if not shared:
        return
    try:
        found = difference(bench.question, of_a[shared[0]], of_b[shared[0]])
    except AisleError as error:  # hours of training must not be lost because two rows cannot be compared
        bench.say(f"{pair.b} minus {pair.a} cannot be had: {error}")
        return
    recipes = {"a": recipe_sha256(first), "b": recipe_sha256(second)}
    put_difference(results, {"a": pair.a, "b": pair.b, "recipes": recipes, **found})


def _finished(bench: Bench, row: Row) -> dict[int, Run]:
    if not ships(row):
        return {}
    return finished(bench.question, row, bench.dataset.manifest.content_hash, bench.work)


def list_rows() -> None:
    """Print every dataset and row with its state."""
    for question in QUESTIONS.values():
        print(f"{question.name}: {question.protocol}")
        results = load_results(question)
        stale = stale_rows(question, results)
        for row in question.rows:
            state = "measured" if row.key in results["rows"] else "not measured"
            if row.key in stale:
                state = "STALE: its recipe was changed"
            print(f"  {row.key}: {state if ships(row) else 'no such recipe yet'}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", nargs="?", help=", ".join(QUESTIONS))
    parser.add_argument("--rows", nargs="+", metavar="NAME", help="only these; the others keep their results")
    parser.add_argument("--seeds", type=int, nargs="+", help="only these of the row's seeds (or folds)")
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("AISLE_PUBLIC_DATA", "../shared/data")))
    parser.add_argument("--work", type=Path, default=Path(".bench/quality"), help="for datasets and runs; not in git")
    parser.add_argument("--again", action="store_true", help="replace finished runs, as after a change of the recipe")
    parser.add_argument("--list", action="store_true", help="print every row and its state")
    arguments = parser.parse_args()
    if arguments.list or arguments.dataset is None:
        list_rows()
        return 0
    try:
        question = _question(arguments.dataset)
        rows = chosen_rows(question, arguments.rows, print)
        work = arguments.work / question.name
        dataset = prepared(question, arguments.data, work)
        run_rows(Bench(question, dataset, work, again=arguments.again), rows, arguments.seeds)
    except AisleError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_status
    return 0


def _question(name: str) -> Question:
    if name not in QUESTIONS:
        raise AisleError(f"no dataset '{name}' in this benchmark", hint=did_you_mean(name, QUESTIONS), code="E400")
    return QUESTIONS[name]


if __name__ == "__main__":
    sys.exit(main())
