"""CSV, TSV and their kin: any separator, quotes where the separator is one character, bad lines told apart from rows.

Lines without quotes and with the right number of fields go to Polars in one piece; the rest, few in most logs, go through
Python's csv module one by one, since only that can say what is wrong with which line.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO

import numpy as np
import polars as pl
from numpy.typing import NDArray

from aisle.errors import AisleError
from aisle.logs.batch import BadLine, OpenFile, RawBatch
from aisle.logs.blocks import read_blocks
from aisle.logs.lines import Lines
from aisle.logs.recipe import FileRecipe
from aisle.logs.sources import Source, reading

# Stands in for a separator of several characters; no text holds it (it would be counted as a malformed line).
_UNIT_SEPARATOR = "\x1f"
_COMMON_SEPARATORS = ",;\t|"
# A quote left open over more than this is a mistake, not a long text.
_MAX_RECORD_BYTES = 64 << 10


@dataclass(frozen=True)
class _Shape:
    """How lines become fields: the separators, the one byte that stands for them, whether quotes mean anything, the names."""

    separators: tuple[str, ...]
    byte: str
    quoted: bool
    names: tuple[str, ...]


def open_delimited(source: Source, recipe: FileRecipe) -> OpenFile:
    """Open a csv or tsv file and read its header.

    Raises:
        AisleError: E102 when it is no text, E103 when it has no line, E114 when the header names a column twice.
    """
    separators = _separators(source, recipe)
    single = len(separators) == 1 and len(separators[0]) == 1
    byte = separators[0] if single else _UNIT_SEPARATOR
    names = recipe.names or _header(source, recipe, _Shape(separators, byte, single, ()))
    shape = _Shape(separators, byte, single, tuple(names))
    schema: dict[str, pl.DataType] = {name: pl.String() for name in names}
    return OpenFile(source.path, schema, False, lambda wanted: _batches(source, recipe, shape, wanted))


def _separators(source: Source, recipe: FileRecipe) -> tuple[str, ...]:
    given = recipe.separator or ("\t" if source.format == "tsv" else ",")
    # The longest first, so that "::" is not taken for two ":".
    return (given,) if isinstance(given, str) else tuple(sorted(given, key=len, reverse=True))


def _header(source: Source, recipe: FileRecipe, shape: _Shape) -> list[str]:
    block = next(read_blocks(source, recipe.encoding), b"")
    lines = Lines.of(block, 1)
    if not len(lines) or not block.strip():
        raise AisleError(f"{source.path} has no line", hint="export it again, or leave it out", code="E103")
    _, bad = lines.unreadable()
    first = lines[0]
    if bad and bad[0].line == 1:
        kind = "UTF-16" if first[:2] in (b"\xff\xfe", b"\xfe\xff") else "no text"
        raise AisleError(
            f"{source.path} looks like {kind}: its first line holds {bad[0].reason}",
            hint="export it as UTF-8 text, or give the recipe's encoding",
            code="E102",
        )
    if b"\r" in first:
        raise AisleError(
            f"{source.path} ends its lines with carriage returns alone, as old Macs did",
            hint="turn the line ends into line feeds: tr '\\r' '\\n' < OLD > NEW",
            code="E102",
        )
    try:
        names = [name.strip() for name in _fields(_with_byte(first, shape).decode(), shape) or []]
    except csv.Error as error:
        raise AisleError(
            f"the header line of {source.path} has misplaced quotes ({error}): {first[:100]!r}",
            hint="mend the quotes, or give header = false and names = [...] in a log recipe",
            code="E102",
        ) from error
    _check_names(names, source)
    return names


def _check_names(names: list[str], source: Source) -> None:
    twice = sorted({name for name in names if names.count(name) > 1 and name})
    if twice:
        raise AisleError(
            f"{source.path} names column '{twice[0]}' twice: {', '.join(names)[:300]}",
            hint="rename one, or give header = false and names = [...] in a log recipe",
            code="E114",
        )
    if not any(names):
        raise AisleError(f"{source.path} has an empty header line", hint="give header = false and names", code="E103")


def separator_guess(names: list[str]) -> str | None:
    """Return the separator that a header of one column was probably written with."""
    return next((mark for mark in _COMMON_SEPARATORS if len(names) == 1 and mark in names[0]), None)


def _batches(source: Source, recipe: FileRecipe, shape: _Shape, wanted: list[str]) -> Iterator[RawBatch]:
    first, carry, skip_header = 1, b"", not recipe.names or recipe.header
    for block in read_blocks(source, recipe.encoding):
        cutter = _Cutter(Lines.of(carry + block, first), shape)
        with reading(source.path):
            batch, carry = cutter.cut(1 if skip_header else 0, final=False)
        first += len(cutter.lines) - carry.count(b"\n")
        skip_header = False
        yield RawBatch(batch.rows.select(wanted), batch.line, batch.bad)
    if carry:
        with reading(source.path):
            batch, _ = _Cutter(Lines.of(carry, first), shape).cut(0, final=True)
        yield RawBatch(batch.rows.select(wanted), batch.line, batch.bad)


def _with_byte(block: bytes, shape: _Shape) -> bytes:
    if shape.byte != _UNIT_SEPARATOR:
        return block
    for separator in shape.separators:
        block = block.replace(separator.encode(), _UNIT_SEPARATOR.encode())
    return block


def _fields(record: str, shape: _Shape) -> list[str] | None:
    """Cut one record; None where a quote is left open. Raises csv.Error where quotes are misplaced."""
    if not shape.quoted or '"' not in record:
        return record.split(shape.byte)
    try:
        return next(csv.reader([record], delimiter=shape.byte, strict=True))
    except csv.Error as error:
        if "unexpected end of data" in str(error):
            return None
        raise


@dataclass
class _Cutter:
    """Cuts one block; collects what is wrong on the way."""

    lines: Lines
    shape: _Shape
    bad: list[BadLine] = field(default_factory=list)

    def __post_init__(self) -> None:
        block = _with_byte(self.lines.block, self.shape)
        if block is not self.lines.block:
            self.lines = Lines.of(block, self.lines.first)

    def cut(self, skip: int, *, final: bool) -> tuple[RawBatch, bytes]:
        """Return the rows, and the bytes of a record that the block's end left open (none when `final`)."""
        lines, n_fields = self.lines, len(self.shape.names)
        unreadable, self.bad = lines.unreadable()
        todo = ~unreadable & (lines.end > lines.start)
        todo[:skip] = False
        self.bad = [entry for entry in self.bad if entry.line >= lines.first + skip]
        fast = todo & (lines.count(self.shape.byte.encode()) == n_fields - 1)
        if self.shape.quoted:
            fast &= lines.count(b'"') == 0
        slow, slow_line, taken, stop = self._slow_rows(todo, fast, final=final)
        fast &= ~taken
        carry = lines.block[lines.start[stop] :] if stop < len(lines) else b""
        fast[stop:] = False
        # A carried line is judged again with what follows it.
        self.bad = [entry for entry in self.bad if entry.line < lines.first + stop]
        return self._batch(fast, slow, slow_line), carry

    def _slow_rows(
        self, todo: NDArray[np.bool_], fast: NDArray[np.bool_], *, final: bool
    ) -> tuple[list[list[str]], list[int], NDArray[np.bool_], int]:
        """Cut the lines that Polars should not see.

        Returns:
            their fields, their lines, (L,) which lines were used up by records of several lines, and the line from which
            on everything is to be carried over (L when nothing).
        """
        rows: list[list[str]] = []
        at: list[int] = []
        taken = np.zeros(len(self.lines), np.bool_)
        for index in np.flatnonzero(todo & ~fast).tolist():
            if taken[index]:
                continue
            fields, used = self._record(index)
            if fields is None and index + used >= len(self.lines) and not final:
                return rows, at, taken, index
            if fields is None or len(fields) != len(self.shape.names):
                self.bad.append(self.lines.bad(index, _why(fields, len(self.shape.names))))
                continue
            taken[index : index + used] = used > 1
            rows.append(fields)
            at.append(self.lines.first + index)
        return rows, at, taken, len(self.lines)

    def _record(self, index: int) -> tuple[list[str] | None, int]:
        """Cut the record that begins at a line: its fields, and how many lines it takes.

        Fields are None where a quote stays open: to the end of the block, or for longer than a line may be.
        """
        record = self.lines[index].decode("utf-8", "replace")
        try:
            fields = _fields(record, self.shape)
            last = index
            while fields is None:
                # The next quote may close it; lines without one cannot.
                last += 1
                while last < len(self.lines) and b'"' not in self.lines[last]:
                    last += 1
                stop = self.lines.end[min(last, len(self.lines) - 1)]
                if stop - self.lines.start[index] > _MAX_RECORD_BYTES:
                    return None, 1
                if last >= len(self.lines):
                    return None, len(self.lines) - index
                text = self.lines.block[self.lines.start[index] : stop].decode("utf-8", "replace")
                fields = _fields(text, self.shape)
        except csv.Error:
            return [], 1
        return fields, last - index + 1

    def _batch(self, fast: NDArray[np.bool_], slow: list[list[str]], slow_line: list[int]) -> RawBatch:
        line = np.flatnonzero(fast) + self.lines.first
        rows = self._parse(self.lines.joined(fast)) if len(line) else self._frame([])
        if slow:
            rows = pl.concat([rows, self._frame(slow)])
            line = np.concatenate([line, np.array(slow_line, np.int64)])
            order = np.argsort(line, kind="stable")
            rows, line = rows[order], line[order]
        return RawBatch(rows, line.astype(np.int64), sorted(self.bad, key=lambda entry: entry.line))

    def _parse(self, block: bytes) -> pl.DataFrame:
        return pl.read_csv(
            BytesIO(block), has_header=False, separator=self.shape.byte, quote_char=None, infer_schema=False,
            new_columns=list(self.shape.names),
        )  # fmt: skip

    def _frame(self, rows: list[list[str]]) -> pl.DataFrame:
        columns = list(zip(*rows, strict=True)) if rows else [()] * len(self.shape.names)
        return pl.DataFrame(
            {name: [text or None for text in texts] for name, texts in zip(self.shape.names, columns, strict=True)},
            schema=dict.fromkeys(self.shape.names, pl.String),
        )


def _why(fields: list[str] | None, expected: int) -> str:
    if fields is None:
        return "quote never closed"
    return f"{len(fields)} fields, not {expected}" if fields else "misplaced quote, or a field over 128 KiB"
