"""Parquet, Excel and frames: formats that know their columns and types."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from aisle.errors import AisleError
from aisle.logs.batch import OpenFile, RawBatch
from aisle.logs.sources import Source, reading

# Rows at once: enough to keep every core busy, little enough that a batch of text ids stays under 200 MB.
BATCH_ROWS = 1_000_000

_LINE = "__aisle_line"


def open_parquet(source: Source) -> OpenFile:
    """Open a Parquet file.

    Raises:
        AisleError: E104 when it cannot be read.
    """
    with reading(source.path):
        scan = pl.scan_parquet(source.path, glob=False)
        schema = dict(scan.collect_schema())
        n_rows = int(scan.select(pl.len()).collect().item())

    def batches(wanted: list[str]) -> Iterator[RawBatch]:
        with reading(source.path):
            numbered = scan.select(wanted).with_row_index(_LINE, offset=1)
            for rows in numbered.collect_batches(chunk_size=BATCH_ROWS, maintain_order=True):
                line = rows.drop_in_place(_LINE).to_numpy().astype(np.int64)
                yield RawBatch(rows, line)

    return OpenFile(source.path, schema, True, batches, n_rows)


def open_excel(source: Source) -> OpenFile:
    """Open the first sheet of an .xlsx file; its first row names the columns.

    Raises:
        AisleError: E104 when it cannot be read, E112 when the package for it is missing.
    """
    if importlib.util.find_spec("fastexcel") is None:
        raise AisleError(
            f"{source.path} is an Excel file and fastexcel is not installed", hint="pip install 'aisle[xlsx]'", code="E112"
        )
    with reading(source.path):
        rows = pl.read_excel(source.path, engine="calamine", infer_schema_length=None, raise_if_empty=False)
    return open_frame(rows, source.path, first_line=2)


def open_frame(frame: Any, file: Path | None = None, first_line: int = 1) -> OpenFile:
    """Open a Polars or pandas frame.

    Raises:
        AisleError: E102 when it is neither, E114 when it names a column twice.
    """
    rows = _as_polars(frame)

    def batches(wanted: list[str]) -> Iterator[RawBatch]:
        for start in range(0, len(rows), BATCH_ROWS):
            part = rows.select(wanted)[start : start + BATCH_ROWS]
            yield RawBatch(part, np.arange(start, start + len(part), dtype=np.int64) + first_line)

    return OpenFile(file or Path("<frame>"), dict(rows.schema), True, batches, len(rows), on_disk=file is not None)


def is_frame(thing: object) -> bool:
    """Say whether something is a Polars or pandas frame, without importing pandas."""
    return isinstance(thing, pl.DataFrame | pl.LazyFrame) or _is_pandas(thing)


def _is_pandas(thing: object) -> bool:
    return type(thing).__module__.partition(".")[0] == "pandas" and hasattr(thing, "columns")


def _as_polars(frame: Any) -> pl.DataFrame:
    if isinstance(frame, pl.LazyFrame):
        return frame.collect()
    if isinstance(frame, pl.DataFrame):
        return frame
    if not _is_pandas(frame):
        raise AisleError(
            f"a {type(frame).__name__} is no log; expected a path, a pandas or a Polars frame",
            hint="pass a path or a frame",
            code="E102",
        )
    names = [str(name) for name in frame.columns]
    if len(set(names)) != len(names):
        raise AisleError(f"the frame names a column twice: {', '.join(names)}", hint="rename one", code="E114")
    with reading("<frame>"):
        return pl.DataFrame([_from_pandas(name, frame.iloc[:, place]) for place, name in enumerate(names)])


def _from_pandas(name: str, column: Any) -> pl.Series:
    """Convert one column without pyarrow, which aisle does not need for anything else."""
    kind = getattr(column.dtype, "kind", "O")
    if getattr(column.dtype, "tz", None) is not None:
        column = column.dt.tz_convert("UTC").dt.tz_localize(None)
        return pl.Series(name, column.to_numpy())
    if column.dtype == np.dtype("datetime64[s]"):
        return pl.Series(name, column.to_numpy().astype("datetime64[us]"))
    if isinstance(column.dtype, np.dtype) and kind in "iufbM":
        return pl.Series(name, column.to_numpy(), nan_to_null=True)
    values = [None if missing else value for value, missing in zip(column.tolist(), column.isna(), strict=True)]
    kinds = {type(value) for value in values if value is not None}
    if len(kinds) > 1 or not kinds <= {str, int, float, bool}:
        values = [None if value is None else _word(value) for value in values]
    return pl.Series(name, values)


def _word(value: object) -> str:
    """Return a value as text; 17.0 is "17", as it is in a column of numbers."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
