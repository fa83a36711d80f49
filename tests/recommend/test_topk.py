import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from aisle.recommend.topk import top_k

FEW_VALUES = st.sampled_from([-np.inf, -1.0, 0.0, -0.0, 0.5, 2.0, np.inf])
SCORES = hnp.arrays(np.float32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9), elements=FEW_VALUES)


@given(SCORES, st.integers(1, 10))
def test_lists_are_those_of_a_full_sort_by_score_then_item_code(score_BV: NDArray[np.float32], k: int) -> None:
    item_BK, score_BK = top_k(score_BV, k)
    for row, score_V in enumerate(score_BV):
        best = sorted((item for item in range(len(score_V)) if score_V[item] > -np.inf), key=lambda item: (-score_V[item], item))
        expected = [*best[:k], *[-1] * (min(k, len(score_V)) - len(best))]
        assert item_BK[row].tolist() == expected
        assert score_BK[row].tolist() == [score_V[item] if item >= 0 else -np.inf for item in expected]


def test_equal_scores_go_to_the_lowest_item_codes() -> None:
    score_BV = np.zeros((1, 1000), np.float32)
    score_BV[0, 700] = 1
    assert top_k(score_BV, 4)[0].tolist() == [[700, 0, 1, 2]]


def test_the_scores_are_left_as_they_were() -> None:
    score_BV = np.random.default_rng(0).random((5, 40), np.float32)
    before = score_BV.copy()
    top_k(score_BV, 7)
    assert np.array_equal(score_BV, before)
