"""What each shopper did with the items of their own: how often, how lately, how regularly. NumPy only, the whole history."""

# B shoppers   N candidates a shopper   E events   G pairs of a shopper and an item of their own

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aisle.features.histories import Histories

Column = NDArray[np.floating]


@dataclass(frozen=True)
class OwnItems:
    """Meetings of shoppers with their own items, one entry a pair, ascending by key = row * items + item.

    Events of a shopper at one moment, such as the lines of an order, are one meeting with an item.

    Attributes:
        key: (G,) int64.
        events: (G,) how many.
        meetings: (G,) at how many moments.
        recent: (G,) the same, a meeting weighing half for every `halves` moments of the shopper since.
        places: (G,) events of the shopper since the last one with the item.
        ago: (G,) moments of the shopper since the last one with the item.
        last: (G,) int64 time of the last meeting.
        pace: (G,) mean time between meetings, NaN after a single one.
        strongest: (G,) the greatest weight of an event.
        moments: (B,) moments of each shopper.
    """

    key: NDArray[np.int64]
    events: Column
    meetings: Column
    recent: Column
    places: Column
    ago: Column
    last: NDArray[np.int64]
    pace: Column
    strongest: Column
    moments: Column

    @classmethod
    def of(cls, known: Histories, n_items: int, weight: NDArray[np.float32], halves: float) -> OwnItems:
        """Count some histories, which must have at least one event.

        Args:
            known: B histories.
            n_items: V.
            weight: (256,) how strongly each kind of event speaks.
            halves: moments after which a meeting weighs half.
        """
        row_E, time_E = known.rows, known.time
        new_E = np.append(True, (time_E[1:] != time_E[:-1]) | (row_E[1:] != row_E[:-1]))
        moment_E = np.cumsum(new_E)
        key_E = row_E * n_items + known.item
        order_E = np.argsort(key_E, kind="stable")
        key_E, moment_E, row_E = key_E[order_E], moment_E[order_E], row_E[order_E]
        start_G = np.flatnonzero(np.append(True, key_E[1:] != key_E[:-1]))
        last_G = order_E[np.append(start_G[1:], len(key_E)) - 1]
        fresh_E = np.append(True, moment_E[1:] != moment_E[:-1])
        fresh_E[start_G] = True
        end_B = np.cumsum(new_E)[known.offsets[1:] - 1]  # the number of each shopper's last moment; unused for empty rows
        ago_E = end_B[row_E] - moment_E
        meetings_G = np.add.reduceat(fresh_E, start_G, dtype=np.float64)
        last_time_G = time_E[last_G]
        span_G = (last_time_G - time_E[order_E[start_G]]).astype(np.float64)
        return cls(
            key=key_E[start_G],
            events=np.diff(np.append(start_G, len(key_E))).astype(np.float64),
            meetings=meetings_G,
            recent=np.add.reduceat(fresh_E * 0.5 ** (ago_E / halves), start_G),
            places=(known.offsets[row_E[start_G] + 1] - 1 - last_G).astype(np.float64),
            ago=(end_B[row_E[start_G]] - np.cumsum(new_E)[last_G]).astype(np.float64),
            last=last_time_G,
            pace=np.where(meetings_G > 1, span_G / np.maximum(meetings_G - 1, 1), np.nan),
            strongest=np.maximum.reduceat(weight[known.event[order_E]], start_G),
            moments=np.bincount(known.rows, weights=new_E, minlength=len(known)).astype(np.float64),
        )

    def find(self, wanted: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Return where the pairs of some keys stand, and whether they are there at all; same shape as `wanted`."""
        place = np.minimum(np.searchsorted(self.key, wanted), len(self.key) - 1)
        return place, self.key[place] == wanted
