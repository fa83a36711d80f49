import numpy as np

from aisle.recommend.lists import best, fill_up
from tests.recommend.scorers import histories

OUT = -np.inf


def test_empty_places_are_filled_with_what_is_popular_and_not_yet_there() -> None:
    score_BN = np.array([[OUT, 5, OUT, OUT], [1, 2, 3, 4]], np.float32)
    lists = best(score_BN, 3, np.array([True, True]))
    popular_V = np.array([10, 99, 30, 20], np.float32)
    filled = fill_up(lists, np.arange(4), popular_V, None)
    assert filled.place.tolist() == [[1, 2, 3], [3, 2, 1]]
    assert filled.score.tolist() == [[5, 30, 20], [4, 3, 2]]
    assert filled.from_model.tolist() == [[True, False, False], [True, True, True]]


def test_seen_items_never_fill_a_list_and_a_list_may_stay_short() -> None:
    lists = best(np.full((1, 3), OUT, np.float32), 3, np.array([True]))
    filled = fill_up(lists, np.arange(3), np.array([3, 2, OUT], np.float32), histories([0]))
    assert filled.place.tolist() == [[1, -1, -1]]
