"""Leaving some items out of some lists costs as many more as are left out of one, each counted once."""

from __future__ import annotations

import numpy as np

from aisle.bundle.found import Found, without
from aisle.features.pairs import pairs
from tests.recommend.scorers import histories

N_ITEMS = 1_000


def test_a_history_asks_for_as_many_more_as_it_has_distinct_items() -> None:
    asked: list[int] = []

    def search(k: int) -> Found:
        asked.append(k)
        return np.tile(np.arange(k), (2, 1)), np.tile(-np.arange(k, dtype=np.float32), (2, 1))

    left_out = pairs(histories([1, 2, 7] * 67, [0]), N_ITEMS)  # 201 events with 3 items
    item_BK, score_BK = without(search, 4, left_out, (2, N_ITEMS), N_ITEMS)
    assert asked == [4 + 3]
    assert item_BK.tolist() == [[0, 3, 4, 5], [1, 2, 3, 4]]
    assert score_BK.tolist() == [[0, -3, -4, -5], [-1, -2, -3, -4]]


def test_a_list_ends_where_nothing_is_left() -> None:
    def search(k: int) -> Found:
        assert k == 3  # no more can be found, however many are left out
        return np.array([[5, 2, -1]]), np.array([[2.0, 1.0, -np.inf]], np.float32)

    item_BK, score_BK = without(search, 3, np.array([2]), (1, N_ITEMS), 2)
    assert item_BK.tolist() == [[5, -1, -1]]
    assert score_BK.tolist() == [[2.0, -np.inf, -np.inf]]
