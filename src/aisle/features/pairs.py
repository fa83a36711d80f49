"""Who met what, as one sorted array of whole numbers: a pair (row, item) is row * items + item."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aisle.features.histories import Histories


def distinct(key: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the distinct keys, ascending. NumPy's sort of int64 is several times as fast as its `unique`."""
    ordered = np.sort(key)
    return ordered[np.append(True, ordered[1:] != ordered[:-1])] if len(ordered) else ordered


def pairs(histories: Histories, n_items: int) -> NDArray[np.int64]:
    """Return the distinct (row, item) pairs of some histories, ascending."""
    return distinct(histories.rows * n_items + histories.item)


def of_rows(ascending: NDArray[np.int64], rows: NDArray[np.int64], n_items: int) -> NDArray[np.int64]:
    """Return the pairs of some rows, in their order, as pairs of the places of those rows.

    Args:
        ascending: pairs.
        rows: ascending.
        n_items: of a pair.

    Example:
        >>> of_rows(np.array([3, 14, 15, 27]), np.array([1, 2]), 10).tolist()  # (0, 3), (1, 4), (1, 5), (2, 7)
        [4, 5, 17]
    """
    row, item = np.divmod(ascending, max(n_items, 1))
    place = np.searchsorted(rows, row)
    there = contains(rows, row)
    return place[there] * n_items + item[there]


def contains(ascending: NDArray[np.int64], key: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Say which keys, of any shape, are in an ascending array.

    Example:
        >>> contains(np.array([1, 4]), np.array([[4, 0], [1, 9]])).tolist()
        [[True, False], [True, False]]
    """
    if not len(ascending):
        return np.zeros(key.shape, np.bool_)
    place = np.searchsorted(ascending, key)
    found: NDArray[np.bool_] = ascending[np.minimum(place, len(ascending) - 1)] == key
    return found
