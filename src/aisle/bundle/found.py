"""Lists of items as an index returns them, and how the best of some scored items are chosen."""

# B queries   N scored items   K places in a list

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from aisle.bundle.index_config import NOTHING
from aisle.features.pairs import contains

_LOW_32 = np.uint64(0xFFFFFFFF)

Found = tuple[NDArray[np.int64], NDArray[np.float32]]  # (B, K) item codes, `NOTHING` where a list has ended; (B, K) scores


def without(
    search: Callable[[int], Found], k: int, left_out: NDArray[np.int64] | None, shape: tuple[int, int], among: int
) -> Found:
    """Return the k best without some, by finding as many more as are left out at most of one list.

    Args:
        search: finds lists of a length.
        k: places.
        left_out: pairs (query, item), ascending; None = leave out nothing.
        shape: (B, V) queries and items, as the pairs number them.
        among: items that can be found; no more are asked for.
    """
    if left_out is None or not len(left_out):
        return search(k)
    n_queries, n_items = shape
    most = int(np.bincount(left_out // n_items, minlength=n_queries).max())
    item_BN, score_BN = search(max(k, min(k + most, among)))
    there_BN = (item_BN != NOTHING) & ~contains(left_out, np.arange(n_queries)[:, None] * n_items + item_BN)
    order_BK = np.argsort(~there_BN, axis=1, kind="stable")[:, :k]
    item_BK, score_BK, there_BK = (np.take_along_axis(array, order_BK, axis=1) for array in (item_BN, score_BN, there_BN))
    return np.where(there_BK, item_BK, NOTHING), np.where(there_BK, score_BK, np.float32(-np.inf))


def best_of(score_BN: NDArray[np.float32], item_BN: NDArray[np.int64], k: int) -> Found:
    """Return the k best of N scored items a row, best first; equal scores go to the lower code.

    Args:
        score_BN: -inf for what is no item.
        item_BN: the codes.
        k: places; where N is smaller lists are filled up with -1.
    """
    width = min(k, score_BN.shape[1])
    item_BK, score_BK = by_key(score_BN, item_BN, width) if width else (item_BN[:, :0].astype(np.int64), score_BN[:, :0])
    if width == k:
        return item_BK, score_BK
    room = ((0, 0), (0, k - width))
    return np.pad(item_BK, room, constant_values=NOTHING), np.pad(score_BK, room, constant_values=-np.inf)


def by_key(score_BN: NDArray[np.float32], item_BN: NDArray[np.int64], k: int) -> Found:
    """Return the k best of at least k scored items a row, by one whole number that sorts like the score, then the code downwards.

    Args:
        score_BN: -inf for what is no item.
        item_BN: the codes.
        k: places.
    """
    bits_BN = (score_BN + np.float32(0)).view(np.uint32)  # -0 becomes 0: they are equal
    order_BN = np.where(bits_BN >> 31, ~bits_BN, bits_BN | np.uint32(0x80000000))
    key_BN = (order_BN.astype(np.uint64) << np.uint64(32)) | (_LOW_32 - item_BN.astype(np.uint64))
    n = key_BN.shape[1]
    key_BK = np.sort(np.partition(key_BN, n - k, axis=1)[:, n - k :], axis=1)[:, ::-1]
    item_BK = (_LOW_32 - (key_BK & _LOW_32)).astype(np.int64)
    order_BK = (key_BK >> np.uint64(32)).astype(np.uint32)
    score_BK = np.where(order_BK >> 31, order_BK ^ np.uint32(0x80000000), ~order_BK).view(np.float32)
    item_BK[score_BK == -np.inf] = NOTHING
    return item_BK, score_BK
