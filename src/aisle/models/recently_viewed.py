"""Recently viewed: the shopper's own items again, the latest first. What shops show; to be beaten where repeats count."""

# B shoppers   V items of the catalogue   N candidates a shopper

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aisle.features.histories import Histories

_BLOCK_CELLS = 4_000_000


@dataclass(frozen=True)
class RecentlyViewedConfig:
    """There is nothing to set. It needs `evaluate.filter_seen = false`: it recommends what was seen, and nothing else."""


class RecentlyViewed:
    """Minus the number of events since the shopper's last one with the item; -inf for items that are not known.

    It learns nothing, so it has no idea of similar items either.

    Args:
        config: nothing.
        n_items: items in the catalogue.
    """

    def __init__(self, config: RecentlyViewedConfig, n_items: int) -> None:
        self.config = config
        self.n_items = n_items

    @classmethod
    def from_state(cls, config: RecentlyViewedConfig, state: Mapping[str, NDArray[Any]]) -> RecentlyViewed:
        """Rebuild from what `state` returned."""
        return cls(config, int(state["n_items"][0]))

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the size of the catalogue, which is all there is."""
        return {"n_items": np.array([self.n_items], np.int64)}

    def knows(self, user_B: NDArray[np.int64], known: Histories) -> NDArray[np.bool_]:
        """Return who has a history: (B,)."""
        return known.lengths > 0

    def score(self, user_B: NDArray[np.int64], known: Histories) -> NDArray[np.float32]:
        """Return 0 for the last item, -1 for the one before, ...: (B, V), -inf for the others."""
        score_BV = np.full((len(known), self.n_items), -np.inf, np.float32)
        since_E = np.arange(len(known.item)) + 1 - np.repeat(known.offsets[1:], known.lengths)
        np.maximum.at(score_BV, (known.rows, known.item), since_E.astype(np.float32))
        return score_BV

    def score_items(self, user_B: NDArray[np.int64], known: Histories, item_BN: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the entries of `score` asked for, computed in blocks of shoppers: (B, N)."""
        score_BN = np.empty(item_BN.shape, np.float32)
        block = max(1, _BLOCK_CELLS // max(self.n_items, 1))
        for start in range(0, len(user_B), block):
            rows = np.arange(start, min(start + block, len(user_B)))
            score_BN[rows] = np.take_along_axis(self.score(user_B[rows], known.take(rows)), item_BN[rows], axis=1)
        return score_BN

    def similar(self, item_B: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return -inf for everything: it cannot say. (B, V)."""
        return np.full((len(item_B), self.n_items), -np.inf, np.float32)
