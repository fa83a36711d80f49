"""Metrics of each case from the ranks of its right answers. All are means over cases later; higher is better.

Every formula is written with the ranks r_1 < r_2 < ... of the n right answers of one case (1 = top of the list).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# A rank for what can never be recommended: beyond every k, and small enough for arithmetic on it to be safe.
NEVER = 2**31 - 1


@dataclass(frozen=True)
class Ranks:
    """The ranks of the right answers of C cases, T in all.

    Attributes:
        rank: (T,) int64 from 1, distinct within a case; NEVER for what cannot be recommended.
        offsets: (C + 1,) int64: case c's are rank[offsets[c]:offsets[c + 1]]. No case is empty.
    """

    rank: NDArray[np.int64]
    offsets: NDArray[np.int64]

    @property
    def case(self) -> NDArray[np.int64]:
        """(T,) the case of each rank."""
        return np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))

    @property
    def count(self) -> NDArray[np.int64]:
        """(C,) right answers a case."""
        return np.diff(self.offsets)

    def only(self, keep: NDArray[np.bool_]) -> tuple[Ranks, NDArray[np.int64]]:
        """Keep some right answers: (T,) bool; cases without any are dropped. Returns also which cases are left."""
        count = np.add.reduceat(keep.astype(np.int64), self.offsets[:-1])
        left = np.flatnonzero(count)
        return Ranks(self.rank[keep], np.concatenate([[0], np.cumsum(count[left])]).astype(np.int64)), left

    def total(self, value_T: NDArray[np.float64]) -> NDArray[np.float64]:
        """Add up one value a right answer, case by case: (T,) -> (C,)."""
        total: NDArray[np.float64] = np.add.reduceat(value_T, self.offsets[:-1])
        return total


def hit_rate(ranks: Ranks, k: int) -> NDArray[np.float64]:
    """1 if any right answer is in the top k, else 0: (C,)."""
    return (_first(ranks) <= k).astype(np.float64)


def recall(ranks: Ranks, k: int) -> NDArray[np.float64]:
    """Share of the right answers that are in the top k: (C,).

    With more than k right answers the best possible is k / n, as in the usual definition.
    """
    return ranks.total((ranks.rank <= k).astype(np.float64)) / ranks.count


def ndcg(ranks: Ranks, k: int) -> NDArray[np.float64]:
    """Sum over hits of 1 / log2(r + 1), divided by its value when the top min(k, n) places are all right: (C,).

    Source: Jarvelin and Kekalainen, Cumulated gain-based evaluation of IR techniques, 2002, with gains of 0 and 1.
    """
    gain_T = np.where(ranks.rank <= k, 1 / np.log2(ranks.rank + 1.0), 0.0)
    ideal = np.cumsum(1 / np.log2(np.arange(2, k + 2)))
    best_C: NDArray[np.float64] = ideal[np.minimum(ranks.count, k) - 1]
    return ranks.total(gain_T) / best_C


def reciprocal_rank(ranks: Ranks, k: int) -> NDArray[np.float64]:
    """1 / r_1 if r_1 <= k, else 0: (C,)."""
    first = _first(ranks)
    return np.where(first <= k, 1 / first, 0.0)


def average_precision(ranks: Ranks, k: int) -> NDArray[np.float64]:
    """Sum over hits of (hits up to r) / r, divided by min(k, n): (C,).

    Source: the truncated form of Kaggle's and RecTools' MAP@k, under which a perfect top k is worth 1.
    """
    order = np.lexsort((ranks.rank, ranks.case))
    place = np.arange(len(order)) - ranks.offsets[:-1][ranks.case] + 1
    precision_T = np.empty(len(order))
    precision_T[order] = place / ranks.rank[order]
    return ranks.total(np.where(ranks.rank <= k, precision_T, 0.0)) / np.minimum(ranks.count, k)


def revenue(ranks: Ranks, k: int, price_T: NDArray[np.float32]) -> NDArray[np.float64]:
    """Sum of the prices of the right answers in the top k: (C,), in the catalogue's currency; no price counts as 0."""
    earned_T = np.where(ranks.rank <= k, np.nan_to_num(price_T.astype(np.float64)), 0.0)
    return ranks.total(earned_T)


def diversity(item_CK: NDArray[np.int32], k: int, category_V: NDArray[np.int32]) -> NDArray[np.float64]:
    """Share of the pairs in the top k whose categories differ: (C,).

    Items without a category (-1) are left out of the pairs; a list without any pair has no diversity: 0.

    Source: intra-list diversity of Ziegler et al., Improving recommendation lists through topic diversification, 2005,
    with distance 1 between categories.
    """
    item_Ck = item_CK[:, :k]
    category_Ck = np.where(item_Ck >= 0, category_V[item_Ck], -1)
    differ = np.zeros(len(item_Ck))
    pairs = np.zeros(len(item_Ck))
    for place in range(1, category_Ck.shape[1]):
        here, before = category_Ck[:, place, None], category_Ck[:, :place]
        both = (here >= 0) & (before >= 0)
        pairs += both.sum(axis=1)
        differ += (both & (here != before)).sum(axis=1)
    return differ / np.maximum(pairs, 1)


def coverage(item_CK: NDArray[np.int32], k: int, n_items: int) -> float:
    """Share of the catalogue that is in somebody's top k."""
    shown = np.zeros(n_items, np.bool_)
    shown[item_CK[:, :k][item_CK[:, :k] >= 0]] = True
    return float(shown.mean())


def _first(ranks: Ranks) -> NDArray[np.int64]:
    return np.minimum.reduceat(ranks.rank, ranks.offsets[:-1])


RANK_METRICS: dict[str, Callable[[Ranks, int], NDArray[np.float64]]] = {
    "HR": hit_rate,
    "NDCG": ndcg,
    "Recall": recall,
    "MRR": reciprocal_rank,
    "MAP": average_precision,
}
