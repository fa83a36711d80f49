"""The committed results of a dataset: one JSON file, into which rows are merged one by one."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aisle.storage.atomic import write_atomic
from benchmarks.quality.question import Question
from benchmarks.quality.runs import recipe_sha256, ships

FOLDER = Path(__file__).parent
_PLAIN_LIST = re.compile(r"\[[^\[\]{}]*\]")  # a list of numbers or words, which reads better on one line


def results_file(question: Question, folder: Path = FOLDER) -> Path:
    """Return where the results of a dataset lie."""
    return folder / f"{question.name}.json"


def load_results(question: Question, folder: Path = FOLDER) -> dict[str, Any]:
    """Read the results of a dataset; without any rows when nothing was measured yet."""
    file = results_file(question, folder)
    if file.exists():
        found: dict[str, Any] = json.loads(file.read_text())
        return found
    return {"dataset": question.name, "protocol": question.protocol, "rows": {}, "differences": []}


def save_results(question: Question, results: dict[str, Any], folder: Path = FOLDER) -> None:
    """Write the results, rows in the order of the declaration, so that measuring again changes only what moved."""
    rows = {row.key: results["rows"][row.key] for row in question.rows if row.key in results["rows"]}
    pairs = {(pair.a, pair.b) for pair in question.pairs}
    differences = [entry for entry in results["differences"] if (entry["a"], entry["b"]) in pairs]
    whole = {**results, "protocol": question.protocol, "rows": rows, "differences": differences}
    text = json.dumps(whole, indent=1, ensure_ascii=False)
    write_atomic(results_file(question, folder), _PLAIN_LIST.sub(_on_one_line, text) + "\n")


def _on_one_line(found: re.Match[str]) -> str:
    return " ".join(found[0].split()).replace("[ ", "[").replace(" ]", "]")


def put_difference(results: dict[str, Any], entry: dict[str, Any]) -> None:
    """Add a difference, or replace the one of the same two rows."""
    kept = [old for old in results["differences"] if (old["a"], old["b"]) != (entry["a"], entry["b"])]
    results["differences"] = sorted([*kept, entry], key=lambda old: (old["a"], old["b"]))


def stale_rows(question: Question, results: Mapping[str, Any]) -> list[str]:
    """Return the measured rows whose recipe says something else today than when they were measured."""
    return [key for key, measured in results["rows"].items() if _is_stale(question, key, measured)]


def stale_differences(results: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the differences of rows that were measured again since, with another recipe."""
    rows = results["rows"]
    return [
        entry
        for entry in results["differences"]
        if any(rows.get(entry[side], {}).get("recipe_sha256") != entry["recipes"][side] for side in ("a", "b"))
    ]


def _is_stale(question: Question, key: str, measured: dict[str, Any]) -> bool:
    row = question.by_key.get(key)
    return row is None or not ships(row) or recipe_sha256(row) != measured["recipe_sha256"]
