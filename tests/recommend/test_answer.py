import numpy as np
import pytest
from numpy.typing import NDArray

from aisle.errors import AisleError
from aisle.features.histories import Histories
from aisle.recommend.answer import answer, answer_items, blocks
from tests.recommend.scorers import TableScorer, histories

TABLE = np.arange(12, dtype=np.float32).reshape(3, 4)
POPULAR = np.array([9, 8, 7, 6], np.float32)


def test_shoppers_the_model_does_not_know_get_the_popular_answer() -> None:
    scorer = TableScorer(TABLE, strangers=frozenset({1}))
    score_BV, modelled_B = answer(scorer, POPULAR, np.array([2, 1, -1, 0]), histories([], [], [], []))
    assert modelled_B.tolist() == [True, False, False, True]
    assert score_BV.tolist() == [TABLE[2].tolist(), POPULAR.tolist(), POPULAR.tolist(), TABLE[0].tolist()]


def test_some_items_get_the_scores_they_have_in_the_whole_catalogue() -> None:
    scorer = TableScorer(TABLE, strangers=frozenset({1}))
    user_B, known = np.array([2, 1]), histories([], [])
    item_BN = np.array([[3, 0], [1, 2]])
    score_BN, _ = answer_items(scorer, POPULAR, user_B, known, item_BN)
    assert np.array_equal(score_BN, np.take_along_axis(answer(scorer, POPULAR, user_B, known)[0], item_BN, axis=1))


def test_the_answer_may_be_changed_without_changing_the_model() -> None:
    class Generous(TableScorer):
        """Hands out its own array."""

        def score(self, user_B: NDArray[np.int64], known: Histories) -> NDArray[np.float32]:
            return self.table_UV

    scorer = Generous(TABLE.copy())
    score_BV, _ = answer(scorer, POPULAR, np.array([0, 1, 2]), histories([], [], []))
    score_BV[:] = -1
    assert np.array_equal(scorer.table_UV, TABLE)


def test_a_model_that_gives_nan_is_refused() -> None:
    broken = TABLE.copy()
    broken[2, 1] = np.nan
    broken[2, 0] = -np.inf
    with pytest.raises(AisleError, match="NaN for 1 of 8 scores") as caught:
        answer(TableScorer(broken), POPULAR, np.array([0, 2]), histories([], []))
    assert caught.value.code == "E350"
    with pytest.raises(AisleError):
        answer_items(TableScorer(broken), POPULAR, np.array([2]), histories([]), np.array([[1, 2]]))


def test_blocks_cover_every_row_once_within_the_bound() -> None:
    parts = list(blocks(10, 7, cells=21))
    assert np.concatenate(parts).tolist() == list(range(10))
    assert max(map(len, parts)) == 3
    assert [part.tolist() for part in blocks(2, 100, cells=21)] == [[0], [1]]
    assert list(blocks(0, 5)) == []
