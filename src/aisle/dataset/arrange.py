"""Second pass: rows get their final codes, are put into canonical order a range of users at a time, and are written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aisle.dataset import layout
from aisle.dataset.order import canonical_order, group_numbers, repeated
from aisle.dataset.spill import Columns, Spill
from aisle.logs.parse import TIME
from aisle.schema.columns import ColumnKind
from aisle.schema.events import Event
from aisle.schema.manifest import ArrayInfo
from aisle.storage.arrays import ArrayWriter, write_array

# Rows that are sorted at once. Sorting takes about 150 bytes a row: 0.6 GB.
PARTITION_ROWS = 4_000_000

_FINAL: dict[ColumnKind, Any] = {"number": np.float32, "integer": np.int32, "category": np.int32, "group": np.uint32}


@dataclass(frozen=True)
class Job:
    """How rows are arranged.

    Attributes:
        spill: rows with provisional codes; removed when they have been read.
        final: "user", "item" and every category column -> (provisional,) final codes.
        user_events: (users,) kept rows of each user, by final code.
        columns: optional and context columns -> kind, in canonical order.
        ordered: the log has an order but no time: rows of equal order keep their places.
        drop_repeated: of rows equal in every column, keep one.
    """

    spill: Spill
    final: dict[str, NDArray[np.int32]]
    user_events: NDArray[np.int64]
    columns: dict[str, ColumnKind]
    ordered: bool
    drop_repeated: bool


@dataclass
class Arranged:
    """What was written.

    Attributes:
        arrays: the event arrays.
        dropped: repeated rows that were left out.
        events_by_kind: event name -> rows.
        time_min, time_max: over all rows.
    """

    arrays: dict[str, ArrayInfo] = field(default_factory=dict)
    dropped: int = 0
    events_by_kind: dict[str, int] = field(default_factory=dict)
    time_min: int = np.iinfo(np.int64).max
    time_max: int = np.iinfo(np.int64).min


def arrange(job: Job, folder: Path, tick: Callable[[int], None] = lambda rows: None) -> Arranged:
    """Write the event arrays of the dataset in canonical order; `tick` hears how many rows are done."""
    result = Arranged()
    lengths = np.zeros(len(job.user_events), np.int64)
    kinds = np.zeros(256, np.int64)
    outputs = {"item": (layout.ITEM, np.int32), "event": (layout.EVENT, np.uint8), TIME: (layout.TIME, np.int64)}
    outputs |= {name: (layout.event_column(name), _FINAL[kind]) for name, kind in job.columns.items()}
    with ExitStack() as stack:
        writers = {
            column: stack.enter_context(ArrayWriter(folder / f"{name}.npy", np.dtype(dtype)))
            for column, (name, dtype) in outputs.items()
        }
        for rows in _partitions(job, folder):
            kept = _in_order(rows, job)
            result.dropped += len(rows["user"]) - len(kept["user"])
            for name, kind in job.columns.items():
                if kind == "group":
                    kept[name] = group_numbers(kept["user"], kept[name])
            for column, writer in writers.items():
                writer.append(kept[column])
            lengths += np.bincount(kept["user"], minlength=len(lengths))
            kinds += np.bincount(kept["event"], minlength=256)
            result.time_min = min(result.time_min, int(kept[TIME].min()))
            result.time_max = max(result.time_max, int(kept[TIME].max()))
            tick(len(rows["user"]))
    result.arrays = {outputs[column][0]: writer.info for column, writer in writers.items()}
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    result.arrays[layout.OFFSETS] = write_array(folder / f"{layout.OFFSETS}.npy", offsets)
    result.events_by_kind = {event.name: int(kinds[event]) for event in Event if kinds[event]}
    return result


def _in_order(rows: Columns, job: Job) -> Columns:
    ties = [] if job.ordered else ["item", "event", *job.columns]
    order = canonical_order(rows, ties)
    ordered = {name: values[order] for name, values in rows.items()}
    if not job.drop_repeated:
        return ordered
    keep = ~repeated(ordered)
    return {name: values[keep] for name, values in ordered.items()}


def _partitions(job: Job, folder: Path) -> Iterator[Columns]:
    """Yield rows with final codes, one range of users at a time."""
    before = np.cumsum(job.user_events) - job.user_events
    part_of_user = (before // PARTITION_ROWS).astype(np.int64)
    # Users whose predecessors fill a partition begin the next; numbers may be left out after a user of very many rows.
    _, part_of_user = np.unique(part_of_user, return_inverse=True)
    n_parts = int(part_of_user.max()) + 1
    if n_parts == 1:
        yield _final_codes(job.spill.load(), job)
        job.spill.remove()
        return
    with ExitStack() as stack:
        parts = [Spill(folder / f"part{number}.spill", job.spill.dtypes) for number in range(n_parts)]
        for part in parts:
            stack.callback(part.remove)
        for piece in job.spill.pieces():
            _scatter(_final_codes(piece, job), part_of_user, parts)
        job.spill.remove()
        for part in parts:
            part.close()
            yield part.load()
            part.remove()


def _scatter(piece: Columns, part_of_user: NDArray[np.int64], parts: list[Spill]) -> None:
    part_of_row = part_of_user[piece["user"]]
    for number, part in enumerate(parts):
        rows = np.flatnonzero(part_of_row == number)
        if len(rows):
            part.append({name: values[rows] for name, values in piece.items()})


def _final_codes(rows: Columns, job: Job) -> Columns:
    for name, final in job.final.items():
        codes = rows[name]
        rows[name] = final[codes] if name in ("user", "item") else final_codes(final, codes)
    return rows


def final_codes(final: NDArray[np.int32], codes: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return what provisional numbers became; -1, missing, stays."""
    return np.concatenate([final, np.array([-1], np.int32)])[codes]
