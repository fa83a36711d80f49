"""The k best items of each row of scores. Equal scores go to the lower item code, so every run gives the same list."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# B rows   V items   K places in the list

NOTHING = -1


def top_k(score_BV: NDArray[np.float32], k: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return the k best columns of each row, best first.

    Args:
        score_BV: (B, V) scores; -inf is never recommended.
        k: length of the lists; at least 1.

    Returns:
        item (B, K) int32, -1 where a row has fewer than k finite scores; and their scores (B, K) float32, -inf there.
        K is k, or V where the catalogue is smaller.

    Example:
        >>> top_k(np.array([[0.1, 0.7, 0.7]], np.float32), 2)[0].tolist()
        [[1, 2]]
    """
    n_rows, n_items = score_BV.shape
    k = min(k, n_items)
    if k == 0:
        return np.zeros((n_rows, 0), np.int32), np.zeros((n_rows, 0), np.float32)
    worst_B = np.partition(score_BV, n_items - k, axis=1)[:, n_items - k]
    enough_BV = score_BV >= worst_B[:, None]
    item_BK = np.empty((n_rows, k), np.int32)
    # Where nothing ties with the last place, exactly k entries are good enough, and they come in order of item code.
    plain = np.count_nonzero(enough_BV, axis=1) == k
    item_BK[plain] = (np.flatnonzero(enough_BV[plain]) % n_items).reshape(-1, k)
    for row in np.flatnonzero(~plain):
        item_BK[row] = _settle_ties(score_BV[row], worst_B[row], k)
    score_BK = np.take_along_axis(score_BV, item_BK, axis=1)
    order_BK = np.argsort(-score_BK, axis=1, kind="stable")
    item_BK, score_BK = np.take_along_axis(item_BK, order_BK, axis=1), np.take_along_axis(score_BK, order_BK, axis=1)
    item_BK[score_BK == -np.inf] = NOTHING
    return item_BK, score_BK


def _settle_ties(score_V: NDArray[np.float32], worst: np.float32, k: int) -> NDArray[np.int64]:
    """Return the k best items in order of item code; of those that tie for the last places, the lowest codes."""
    better = np.flatnonzero(score_V > worst)
    tied = np.flatnonzero(score_V == worst)
    return np.sort(np.concatenate([better, tied[: k - len(better)]]))
