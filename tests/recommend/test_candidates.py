import numpy as np

from aisle.features.histories import Histories
from aisle.recommend.candidates import Recaller, recall
from tests.recommend.scorers import TableScorer, histories

OUT = -np.inf
FIRST = TableScorer(np.array([[0.9, 0.8, 0.1, OUT, 0.2]], np.float32))
SECOND = TableScorer(np.array([[0.1, OUT, 0.3, 0.9, 0.2]], np.float32))


def named(first: int, second: int, hidden: Histories) -> list[int]:
    recallers = [Recaller("a", FIRST, first), Recaller("b", SECOND, second)]
    return list(map(int, recall(recallers, np.array([0]), histories([]), hidden, 5).item[0]))


def test_candidates_are_the_best_of_each_once() -> None:
    assert named(2, 2, histories([])) == [0, 1, 2, 3]
    assert named(1, 1, histories([])) == [0, 3]


def test_hidden_items_give_their_place_to_the_next() -> None:
    assert named(2, 1, histories([0, 3])) == [1, 2, 4]  # a names 1 and 4, b names 2


def test_every_recaller_scores_every_candidate_but_names_its_own_only() -> None:
    recallers = [Recaller("a", FIRST, 1), Recaller("b", SECOND, 1)]
    got = recall(recallers, np.array([0]), histories([]), histories([]), 5)
    assert got.item.tolist() == [[0, 3]]
    assert got.score[0].tolist() == [[np.float32(0.9), np.float32(0.1)], [OUT, np.float32(0.9)]]
    assert got.named[0].tolist() == [[True, False], [False, True]]


def test_a_recaller_is_not_asked_about_shoppers_that_it_does_not_know() -> None:
    shy = TableScorer(np.zeros((2, 3), np.float32), strangers=frozenset({1}))
    other = TableScorer(np.array([[0, 1, 2], [2, 1, 0]], np.float32))
    got = recall([Recaller("shy", shy, 3), Recaller("b", other, 1)], np.array([0, 1]), histories([], []), histories([], []), 3)
    assert got.item.tolist() == [[0, 1, 2], [0, -1, -1]]
    assert np.isneginf(got.score[1]).tolist() == [[True, False], [True, True], [True, True]]


def test_nobody_has_no_candidates() -> None:
    got = recall([Recaller("a", FIRST, 2)], np.zeros(0, np.int64), histories(), histories(), 5)
    assert got.item.shape == (0, 0)
