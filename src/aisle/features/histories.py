"""What each shopper did, in order, as a compressed sparse row (CSR) block of arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Histories:
    """R histories one after another; history r is the slice offsets[r]:offsets[r + 1], oldest event first.

    Attributes:
        offsets: (R + 1,) int64.
        item: (E,) int32 item codes.
        event: (E,) uint8 `schema.events.Event` codes.
        time: (E,) int64, microseconds since 1970 UTC, or the place in the order where the log has no time.
        context: (R, F) int32, one row a history: the codes of the log's context columns at the moment of asking, -1 where one
            is missing. None where nothing is asked or the log has no context; models that know no context ignore it.
    """

    offsets: NDArray[np.int64]
    item: NDArray[np.int32]
    event: NDArray[np.uint8]
    time: NDArray[np.int64]
    context: NDArray[np.int32] | None = None

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> NDArray[np.int64]:
        """(R,) events a history."""
        return np.diff(self.offsets)

    @property
    def rows(self) -> NDArray[np.int64]:
        """(E,) the row that each event belongs to."""
        return np.repeat(np.arange(len(self)), self.lengths)

    def row(self, index: int) -> NDArray[np.int32]:
        """Return the item codes of one history."""
        return self.item[self.offsets[index] : self.offsets[index + 1]]

    def where(self, keep: NDArray[np.bool_]) -> Histories:
        """Keep some events: (E,) bool; every row stays, some may become empty."""
        kept = np.concatenate([[0], np.cumsum(keep)])
        offsets = kept[self.offsets].astype(np.int64)
        return Histories(offsets, self.item[keep], self.event[keep], self.time[keep], self.context)

    def at(self, context: NDArray[np.int32] | None) -> Histories:
        """Ask in this context: (R, F), or None for none."""
        return replace(self, context=context)

    def take(self, rows: NDArray[np.integer]) -> Histories:
        """Select histories by row, in the order given; a row of -1 gives an empty history in no context."""
        known = rows >= 0
        starts = np.where(known, self.offsets[np.where(known, rows, 0)], 0)
        lengths = np.where(known, self.offsets[np.where(known, rows, 0) + 1] - starts, 0)
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        index = np.repeat(starts - offsets[:-1], lengths) + np.arange(offsets[-1])
        context = self.context
        if context is not None:
            context = np.where(known[:, None], context[np.where(known, rows, 0)], np.int32(-1)) if len(context) else context[:0]
        return Histories(offsets, self.item[index], self.event[index], self.time[index], context)

    def last(self, length: int) -> Histories:
        """Keep the latest events of each history, at most so many."""
        rows = self.rows
        return self.where(self.offsets[rows + 1] - np.arange(len(rows)) <= length)

    @classmethod
    def empty(cls, rows: int) -> Histories:
        """Return R histories without events."""
        return cls(np.zeros(rows + 1, np.int64), np.zeros(0, np.int32), np.zeros(0, np.uint8), np.zeros(0, np.int64))

    def arrays(self, name: str) -> dict[str, NDArray[Any]]:
        """Return the events as arrays to save, each called `name` and a dot before its own name."""
        return {f"{name}.{part}": getattr(self, part) for part in _ARRAYS}

    @classmethod
    def from_arrays(cls, name: str, arrays: Mapping[str, NDArray[Any]]) -> Histories:
        """Return what `arrays` took apart."""
        return cls(*(arrays[f"{name}.{part}"] for part in _ARRAYS))


_ARRAYS = ("offsets", "item", "event", "time")


def last_events(histories: Histories, most: int | None) -> Histories:
    """Keep at most so many of the last events of each history; None keeps all."""
    return histories if most is None or not len(histories.item) else histories.last(most)


def together(a: Histories, b: Histories) -> Histories:
    """Return the events of both, row by row: those of `a` first."""
    order = np.argsort(np.concatenate([a.rows, b.rows]), kind="stable")
    item, event, time = (np.concatenate([getattr(a, name), getattr(b, name)])[order] for name in ("item", "event", "time"))
    return Histories(a.offsets + b.offsets, item, event, time, a.context)
