"""Draw items that a shopper has not seen, without replacement, for protocols that ask among a few."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aisle.features.histories import Histories
from aisle.features.pairs import pairs

_BLOCK_CELLS = 4_000_000


def sample_unseen(seen: Histories, n: int, *, n_items: int, seed: int) -> NDArray[np.int32]:
    """Draw n distinct items for each shopper, uniformly among those that are not in their history.

    Args:
        seen: C histories; whatever must not be drawn, the right answers included.
        n: items a shopper.
        n_items: size of the catalogue; items are 0..n_items - 1.
        seed: the same seed gives the same items.

    Returns:
        (C, n) int32 in no particular order, -1 at the end of rows whose shopper has fewer unseen items than n.
    """
    rng = np.random.default_rng(seed)
    item = np.full((len(seen), n), -1, np.int32)
    rows_per_block = max(1, _BLOCK_CELLS // max(n, 1))
    for start in range(0, len(seen), rows_per_block):
        rows = np.arange(start, min(start + rows_per_block, len(seen)))
        item[rows] = _sample_block(seen.take(rows), n, n_items, rng)
    return item


def _sample_block(seen: Histories, n: int, n_items: int, rng: np.random.Generator) -> NDArray[np.int32]:
    row, item, first = _distinct(seen, n_items)
    unseen_B = n_items - np.diff(first)
    place_BN = _distinct_places(unseen_B, n, rng)
    return _unseen_at(place_BN, row, item, first, n_items)


def _distinct(seen: Histories, n_items: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the distinct (row, item) pairs, sorted, and where each row begins."""
    row, item = np.divmod(pairs(seen, n_items), n_items)
    return row, item, np.searchsorted(row, np.arange(len(seen) + 1)).astype(np.int64)


def _distinct_places(size_B: NDArray[np.int64], n: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw n distinct numbers below size for each row; a row with fewer than n gets all of them, then -1."""
    place_BN = np.empty((len(size_B), n), np.int64)
    # Redrawing what was drawn twice is quick while there is room; small pools are shuffled instead.
    roomy = size_B >= 2 * n
    place_BN[roomy] = _redraw_twins(size_B[roomy], n, rng)
    for row in np.flatnonzero(~roomy):
        drawn = rng.permutation(size_B[row])[:n]
        place_BN[row, : len(drawn)] = drawn
        place_BN[row, len(drawn) :] = -1
    return place_BN


def _redraw_twins(size_B: NDArray[np.int64], n: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw n distinct numbers a row: redraw every repeat of an earlier draw until none is left.

    No number is treated differently from another, so every set of n numbers is equally likely.
    """
    place_BN = (rng.random((len(size_B), n)) * size_B[:, None]).astype(np.int64)
    todo = np.arange(len(size_B))
    while len(todo):
        block = place_BN[todo]
        order = np.argsort(block, axis=1, kind="stable")
        in_order = np.take_along_axis(block, order, axis=1)
        twin = np.zeros(block.shape, np.bool_)
        np.put_along_axis(twin, order[:, 1:], in_order[:, 1:] == in_order[:, :-1], axis=1)
        row, column = np.nonzero(twin)
        place_BN[todo[row], column] = (rng.random(len(row)) * size_B[todo[row]]).astype(np.int64)
        todo = todo[twin.any(axis=1)]
    return place_BN


def _unseen_at(
    place_BN: NDArray[np.int64],
    row: NDArray[np.int64],
    item: NDArray[np.int64],
    first: NDArray[np.int64],
    n_items: int,
) -> NDArray[np.int32]:
    """Return the place-th unseen item of each row (counting from 0, in code order), -1 for place -1.

    With the seen items s_0 < s_1 < ..., s_j - j unseen items come before s_j, so the place-th unseen item is place plus
    the number of j with s_j - j <= place; the gaps s_j - j never fall within a row, so one search answers all rows.
    """
    gap = item - (np.arange(len(item)) - first[row])
    stride = n_items + 1
    wanted = np.arange(len(place_BN))[:, None] * stride + place_BN
    before = np.searchsorted(row * stride + gap, wanted, side="right") - first[:-1, None]
    return np.where(place_BN >= 0, place_BN + before, -1).astype(np.int32)
