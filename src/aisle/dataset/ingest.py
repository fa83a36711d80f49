"""First pass over a log: canonical rows are numbered and put aside, rejects and filters counted, in bounded memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from aisle.dataset.codes import Dictionary, Ids
from aisle.dataset.layout import REJECTS_NAME
from aisle.dataset.spill import Columns, Spill
from aisle.errors import AisleError
from aisle.logs.log import Log
from aisle.logs.parse import REJECT_SCHEMA, TIME, Parsed
from aisle.schema.columns import ColumnKind

Progress = Callable[[int, int | None], None]

_DTYPES: dict[ColumnKind, Any] = {"number": np.float32, "integer": np.int32, "category": np.int32, "group": np.uint64}
_SHOWN = 3


@dataclass
class Ingested:
    """What the first pass found.

    Attributes:
        spill: kept rows: user, item (provisional numbers), event, time, then optional and context columns.
        users, items: the ids so far.
        categories: column -> its words so far.
        user_events: kept rows by provisional user number.
        read, filters, rejects: counts, the latter two by reason.
        file_rows: rows read from each file.
    """

    spill: Spill
    users: Ids = field(default_factory=Ids)
    items: Ids = field(default_factory=Ids)
    categories: dict[str, Dictionary] = field(default_factory=dict)
    user_events: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    read: int = 0
    filters: Counter[str] = field(default_factory=Counter)
    rejects: Counter[str] = field(default_factory=Counter)
    file_rows: list[int] = field(default_factory=list)


def spill_dtypes(columns: dict[str, ColumnKind]) -> dict[str, np.dtype[Any]]:
    """Return the columns that are put aside for each row."""
    fixed: dict[str, np.dtype[Any]] = {
        "user": np.dtype(np.int32),
        "item": np.dtype(np.int32),
        "event": np.dtype(np.uint8),
        TIME: np.dtype(np.int64),
    }
    return fixed | {name: np.dtype(_DTYPES[kind]) for name, kind in columns.items()}


def ingest(log: Log, folder: Path, max_rejects: float, progress: Progress | None) -> Ingested:
    """Read the log once.

    Args:
        log: the opened log.
        folder: where rows are put aside and `rejects.parquet` is written.
        max_rejects: the share of rows that may be rejected.
        progress: called with rows done and rows in total (None where text files do not say).

    Raises:
        AisleError: E103 no rows at all, E109 too many rejects, E110 nothing kept, and what reading raises.
    """
    state = Ingested(Spill(folder / "rows.spill", spill_dtypes(log.columns)), file_rows=[0] * len(log.files))
    state.categories = {name: Dictionary() for name, kind in log.columns.items() if kind == "category"}
    rejects = _RejectFile(folder)
    try:
        for index, parsed in log.read():
            _take(state, parsed, log.columns)
            state.file_rows[index] += parsed.read
            rejects.append(parsed.rejects)
            if progress is not None:
                progress(state.read, log.n_rows)
    finally:
        state.spill.close()
    _check(state, log, rejects, max_rejects)
    return state


def _take(state: Ingested, parsed: Parsed, columns: dict[str, ColumnKind]) -> None:
    state.read += parsed.read
    state.filters.update(parsed.filtered)
    state.rejects.update(dict(parsed.rejects["reason"].value_counts().iter_rows()))
    rows = parsed.rows
    if not len(rows):
        return
    state.users.note_type(parsed.number_ids["user_id"])
    state.items.note_type(parsed.number_ids["item_id"])
    values: Columns = {
        "user": state.users.encode(rows["user_id"]),
        "item": state.items.encode(rows["item_id"]),
        "event": rows["event"].to_numpy(),
        TIME: rows[TIME].to_numpy(),
    }
    for name, kind in columns.items():
        values[name] = _column(state, rows, name, kind)
    state.spill.append(values)
    counts = np.bincount(values["user"], minlength=len(state.user_events))
    counts[: len(state.user_events)] += state.user_events
    state.user_events = counts


def _column(state: Ingested, rows: pl.DataFrame, name: str, kind: ColumnKind) -> NDArray[Any]:
    if name not in rows.columns:
        # Another file of this log has it, this one does not.
        missing = {"number": np.nan, "integer": -1, "category": -1, "group": _group_hash(pl.Series([None], dtype=pl.String))[0]}
        return np.full(len(rows), missing[kind], _DTYPES[kind])
    if kind == "category":
        return state.categories[name].encode(rows[name])
    return _group_hash(rows[name]) if kind == "group" else rows[name].to_numpy()


def _group_hash(groups: pl.Series) -> NDArray[np.uint64]:
    """Stand in for raw group ids: only equality within one user's events matters, for which 64 bits are plenty."""
    return groups.hash().to_numpy()


class _RejectFile:
    """Rejects, put aside in pieces of a bounded size, since the file that is wanted cannot be appended to."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / REJECTS_NAME
        self._folder = folder / "rejects.spill"
        self._folder.mkdir()
        self._held: list[pl.DataFrame] = []
        self._n_held = self._pieces = 0
        self.sample: list[tuple[str, str, int, str]] = []

    def append(self, rejects: pl.DataFrame) -> None:
        if not len(rejects):
            return
        self.sample += rejects.head(_SHOWN - len(self.sample)).rows() if len(self.sample) < _SHOWN else []
        self._held.append(rejects)
        self._n_held += len(rejects)
        if self._n_held > 100_000:
            self._flush()

    def _flush(self) -> None:
        # Python writes the file: where the disk is full, it says so in a way that can be told.
        buffer = BytesIO()
        pl.concat(self._held, rechunk=True).write_parquet(buffer)
        (self._folder / f"{self._pieces:06}.parquet").write_bytes(buffer.getbuffer())
        self._held, self._n_held, self._pieces = [], 0, self._pieces + 1

    def finish(self) -> None:
        if not self._held and not self._pieces:
            self._held = [pl.DataFrame(schema=REJECT_SCHEMA)]
        if self._held:
            self._flush()
        pieces = sorted(self._folder.iterdir())
        if len(pieces) == 1:
            pieces[0].rename(self._path)
        else:
            self._join(pieces)
        for piece in self._folder.iterdir():
            piece.unlink()
        self._folder.rmdir()

    def _join(self, pieces: list[Path]) -> None:
        try:
            pl.scan_parquet(pieces).sink_parquet(self._path, maintain_order=True)
        except (pl.exceptions.PolarsError, OSError) as error:
            raise AisleError(
                f"cannot write {self._path.name}: {error}", hint="free disk space or choose another --out", code="E601"
            ) from error


def _check(state: Ingested, log: Log, rejects: _RejectFile, max_rejects: float) -> None:
    where = str(log.files[0].path) + (f" and {len(log.files) - 1} more" if len(log.files) > 1 else "")
    if not state.read:
        raise AisleError(f"{where} holds no rows, only a header or nothing", hint="export the log again", code="E103")
    rejected = sum(state.rejects.values())
    latin = 'if the text is Latin-1, say encoding = "latin-1" in a log recipe; ' if "broken UTF-8" in state.rejects else ""
    reasons = "; ".join(f"{reason} {count:,}" for reason, count in state.rejects.most_common())
    if rejected > max_rejects * state.read:
        shown = "".join(f"\n  {source} line {line}: {reason}: {raw[:160]}" for reason, source, line, raw in rejects.sample)
        raise AisleError(
            f"{rejected:,} of {state.read:,} rows of {where} are rejected ({rejected / state.read:.1%}), over the limit of "
            f"{max_rejects:.1%}: {reasons}{shown}",
            hint=latin + "mend the log or the mapping, filter such rows in a log recipe, or raise --max-rejects",
            code="E109",
        )
    if not state.spill.rows:
        filtered = "; ".join(f"{reason} {count:,}" for reason, count in state.filters.most_common())
        raise AisleError(
            f"no row of {where} is left: of {state.read:,} rows {filtered or 'none'} filtered, {reasons or 'none'} rejected",
            hint=latin + ("mend what the rows are rejected for" if rejected else "check the filters of the log recipe"),
            code="E110",
        )
    rejects.finish()
