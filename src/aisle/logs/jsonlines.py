"""JSON Lines: one object a line. Lines that are none are told apart, the rest goes on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl

from aisle.errors import AisleError
from aisle.logs.batch import BadLine, OpenFile, RawBatch, shorten
from aisle.logs.blocks import read_blocks
from aisle.logs.lines import Lines
from aisle.logs.recipe import FileRecipe
from aisle.logs.sources import Source

# Keys may be left out where they have no value, so more than the first line decides which columns there are.
_HEAD_LINES = 1000
_INT64 = 1 << 63
_EXACT = 1 << 53  # every whole number up to here is a float


def open_jsonlines(source: Source, recipe: FileRecipe) -> OpenFile:
    """Open a JSON Lines file; its columns are the keys of its first 1,000 objects.

    A key that first appears later is added to the schema when it is read, so that it can be told that nothing came of it.

    Raises:
        AisleError: E102 when it is a JSON array or no JSON at all, E103 when it has no line.
    """
    rows: list[dict[str, Any]] = []
    seen = b""
    for block in read_blocks(source, recipe.encoding):
        lines = [line for line in block.split(b"\n", _HEAD_LINES)[:_HEAD_LINES] if line.strip()]
        seen = seen or (lines[0] if lines else b"")
        rows += [row for row in map(_object, lines) if row is not None]
        break
    if not seen:
        raise AisleError(f"{source.path} has no line", hint="export it again, or leave it out", code="E103")
    if not rows:
        what = "a JSON array, not JSON Lines" if seen.lstrip().startswith(b"[") else f"no JSON Lines: {shorten(seen)[:80]!r}"
        raise AisleError(f"{source.path} is {what}", hint="write one JSON object a line", code="E102")
    names = list(dict.fromkeys(key for row in rows for key in row))
    schema = {name: _series(name, [row.get(name) for row in rows]).dtype for name in names}
    return OpenFile(source.path, schema, True, lambda wanted: _batches(source, recipe, wanted, schema))


def _batches(source: Source, recipe: FileRecipe, wanted: list[str], schema: dict[str, pl.DataType]) -> Iterator[RawBatch]:
    first = 1
    for block in read_blocks(source, recipe.encoding):
        lines = Lines.of(block, first)
        first += len(lines)
        yield _cut(lines, wanted, schema)


def _cut(lines: Lines, wanted: list[str], schema: dict[str, pl.DataType]) -> RawBatch:
    unreadable, bad = lines.unreadable()
    rows: list[dict[str, Any]] = []
    at: list[int] = []
    for index, text in enumerate(lines.block.split(b"\n")[:-1]):
        if unreadable[index] or not text.strip():
            continue
        row = _object(text)
        if row is None:
            bad.append(BadLine(lines.first + index, "no JSON object", shorten(text)))
        else:
            rows.append(row)
            at.append(lines.first + index)
    for key in sorted(set().union(*rows) - schema.keys()):
        schema[key] = pl.Null()
    frame = pl.DataFrame([_series(name, [row.get(name) for row in rows]) for name in wanted])
    return RawBatch(frame, np.array(at, np.int64), sorted(bad, key=lambda entry: entry.line))


def _object(text: bytes) -> dict[str, Any] | None:
    try:
        row = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None


def _series(name: str, values: list[Any]) -> pl.Series:
    """Return a column of numbers where all values are numbers, of lists where all are lists of words, of text otherwise.

    As text, 17 and 17.0 are both "17", as they are in a column of numbers.
    """
    kinds = {type(value) for value in values} - {type(None)}
    if not kinds:
        return pl.Series(name, values, pl.Null)
    if kinds == {int} and all(value is None or -_INT64 <= value < _INT64 for value in values):
        return pl.Series(name, values, pl.Int64)
    if float in kinds and kinds <= {int, float}:
        return _floats(name, values)
    if kinds == {str}:
        return _texts(name, values)
    if kinds == {list} and not any(isinstance(part, list | dict) for value in values for part in value or ()):
        lists = [None if value is None else [_text(part) for part in value] for value in values]
        return pl.Series(name, lists, pl.List(pl.String))
    return _texts(name, [_text(value) for value in values])


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    whole = isinstance(value, float) and value.is_integer() and abs(value) < _INT64
    return json.dumps(int(value) if whole else value)


def _floats(name: str, values: list[Any]) -> pl.Series:
    if not any(isinstance(value, int) and abs(value) > _EXACT for value in values):
        return pl.Series(name, [None if value is None else float(value) for value in values], pl.Float64)
    # A float would merge ids of more than 53 bits; NaN is a missing number.
    whole = [None if value is None or str(value) == "nan" else _text(value) for value in values]
    text = pl.Series(name, whole, pl.String)
    number = text.cast(pl.Int64, strict=False)
    return number if number.null_count() == text.null_count() else text


def _texts(name: str, values: list[str | None]) -> pl.Series:
    # JSON may spell lone surrogates, which no UTF-8 text can hold.
    try:
        return pl.Series(name, values, pl.String)
    except UnicodeEncodeError:
        safe = [None if value is None else value.encode("utf-8", "replace").decode() for value in values]
        return pl.Series(name, safe, pl.String)
