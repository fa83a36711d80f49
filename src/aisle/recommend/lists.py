"""Lists of K places, and how empty places are filled: with what is popular."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aisle.features.histories import Histories
from aisle.recommend.topk import NOTHING, top_k

# B shoppers   N items of the pool   K places in a list


@dataclass(frozen=True)
class Lists:
    """B lists, best first.

    Attributes:
        place: (B, K) int32 places in the pool, -1 where a list has ended.
        score: (B, K) float32.
        from_model: (B, K) bool.
    """

    place: NDArray[np.int32]
    score: NDArray[np.float32]
    from_model: NDArray[np.bool_]


def best(score_BN: NDArray[np.float32], k: int, modelled_B: NDArray[np.bool_]) -> Lists:
    """Return the k best columns of each row; `modelled_B` says whose scores are the model's."""
    place_BK, score_BK = top_k(score_BN, k)
    return Lists(place_BK, score_BK, np.repeat(modelled_B[:, None], place_BK.shape[1], axis=1))


def fill_up(lists: Lists, pool_N: NDArray[np.int64], fallback_V: NDArray[np.float32], seen: Histories | None) -> Lists:
    """Put the most popular items that are not in a list yet into its empty places, in place.

    Args:
        lists: to be filled; empty places are at the end.
        pool_N: (N,) the item codes that the lists' places stand for.
        fallback_V: (V,) popularity; -inf is never recommended.
        seen: B histories of items to leave out; None = leave out nothing.
    """
    popular_N = fallback_V[pool_N].astype(np.float32)
    for row in np.flatnonzero((lists.place == NOTHING).any(axis=1)):
        filled = np.count_nonzero(lists.place[row] != NOTHING)
        left_N = popular_N.copy()
        left_N[lists.place[row, :filled]] = -np.inf
        if seen is not None:
            left_N[np.isin(pool_N, seen.row(int(row)))] = -np.inf
        place_1K, score_1K = top_k(left_N[None], lists.place.shape[1] - filled)
        lists.place[row, filled:], lists.score[row, filled:] = place_1K[0], score_1K[0]
        lists.from_model[row, filled:] = False
    return lists
