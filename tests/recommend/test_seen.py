import numpy as np

from aisle.recommend.seen import hide, is_seen
from tests.recommend.scorers import histories


def test_hide_takes_out_what_each_shopper_has_met_and_nothing_else() -> None:
    score_BV = np.zeros((3, 4), np.float32)
    hide(score_BV, histories([1, 1, 3], [], [0]))
    assert np.isneginf(score_BV).tolist() == [[False, True, False, True], [False] * 4, [True, False, False, False]]


def test_is_seen_looks_at_the_shoppers_own_history() -> None:
    item_BN = np.array([[1, 0, -1], [1, 0, 3]])
    assert is_seen(item_BN, histories([1, 2], [0]), 4).tolist() == [[True, False, False], [False, True, False]]
