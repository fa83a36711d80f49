"""What every reader hands on: raw rows with the lines they came from, and the lines that were no rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

RAW_CHARS = 1000


@dataclass(frozen=True)
class BadLine:
    """A line that could not be cut into columns.

    Attributes:
        line: 1-based line in the file, the header counted.
        reason: why.
        raw: its beginning.
    """

    line: int
    reason: str
    raw: str


@dataclass(frozen=True)
class RawBatch:
    """Some rows of one file.

    Attributes:
        rows: N rows under the file's own column names; text columns of text files are all String, null where empty.
        line: (N,) int64, the 1-based line (text, xlsx) or row (Parquet, frames) each came from.
        bad: lines that are no rows.
    """

    rows: pl.DataFrame
    line: NDArray[np.int64]
    bad: list[BadLine] = field(default_factory=list)


@dataclass(frozen=True)
class OpenFile:
    """One file, opened: its columns are known, its rows are not read yet.

    Attributes:
        path: the file, or a name in angle brackets for a frame.
        schema: column -> type. Where `typed` is false all are String and the content decides what ids are.
        typed: whether the format says what is a number and what is text.
        batches: given the columns that are wanted, yields the rows.
        n_rows: how many rows there are, where the format says so.
        on_disk: false for a frame, which has no file to hash.
    """

    path: Path
    schema: dict[str, pl.DataType]
    typed: bool
    batches: Callable[[list[str]], Iterator[RawBatch]]
    n_rows: int | None = None
    on_disk: bool = True


def shorten(raw: bytes | str) -> str:
    """Return the beginning of a raw line as text, for rejects and messages."""
    text = raw[: 4 * RAW_CHARS].decode("utf-8", "replace") if isinstance(raw, bytes) else raw
    return text[:RAW_CHARS].replace("\0", "\N{REPLACEMENT CHARACTER}")
