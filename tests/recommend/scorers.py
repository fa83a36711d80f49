"""Scorers whose answers are known in advance."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from aisle.features.histories import Histories


@dataclass
class TableScorer:
    """Scores from a table (U, V); users below 0 and those in `strangers` are not known."""

    table_UV: NDArray[np.float32]  # noqa: N815 - shape letters
    strangers: frozenset[int] = frozenset()
    rows_asked: list[int] = field(default_factory=list)

    def knows(self, user_B: NDArray[np.int64], known: Histories) -> NDArray[np.bool_]:
        assert len(user_B) == len(known)
        return (user_B >= 0) & ~np.isin(user_B, list(self.strangers))

    def score(self, user_B: NDArray[np.int64], known: Histories) -> NDArray[np.float32]:
        assert len(user_B) == len(known)
        assert self.knows(user_B, known).all(), "a scorer is never asked about a shopper it does not know"
        self.rows_asked.append(len(user_B))
        return self.table_UV[user_B]

    def score_items(self, user_B: NDArray[np.int64], known: Histories, item_BN: NDArray[np.int64]) -> NDArray[np.float32]:
        assert (item_BN >= 0).all()
        self.rows_asked.append(len(user_B))
        return np.take_along_axis(self.table_UV[user_B], item_BN, axis=1)

    def similar(self, item_B: NDArray[np.int64]) -> NDArray[np.float32]:
        score_BV = np.array(self.table_UV[item_B])
        score_BV[np.arange(len(item_B)), item_B] = -np.inf
        return score_BV


def histories(*rows: list[int]) -> Histories:
    item = np.array([item for row in rows for item in row], np.int32)
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
    return Histories(offsets, item, np.full(len(item), 6, np.uint8), np.arange(len(item), dtype=np.int64))
