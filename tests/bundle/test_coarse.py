"""The first look in 7 bits loses nothing: lists are those of scoring every item."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from aisle.bundle.coarse import ABOUT_NAME, GRAPH_NAME, Coarse, build_coarse
from aisle.bundle.exact import ExactIndex
from aisle.errors import AisleError
from benchmarks.index.vectors import simulate_shoppers, simulate_vectors

V, D = 6_000, 24
NOBODY = np.zeros(0, np.int64)


def built(item_VD: NDArray[np.float32], folder: Path) -> Coarse:
    assert build_coarse(item_VD, folder)
    return Coarse.open(folder, item_VD.shape)


def both(item_VD: NDArray[np.float32], folder: Path) -> tuple[ExactIndex, ExactIndex]:
    everything = np.ones(len(item_VD), np.bool_)
    return ExactIndex(item_VD, everything), ExactIndex(item_VD, everything, built(item_VD, folder))


def test_lists_of_like_vectors_are_the_exact_ones(tmp_path: Path) -> None:
    simulated = simulate_vectors(V, D)
    plain, coarse = both(simulated.item_VD, tmp_path)
    shoppers_BD = simulate_shoppers(simulated, 60)
    allowed_V = np.random.default_rng(1).random(V) < 0.6
    for allowed in (None, allowed_V):
        item_BK, score_BK = coarse.search(shoppers_BD, 10, allowed)
        expected_BK, expected_score_BK = plain.search(shoppers_BD, 10, allowed)
        np.testing.assert_array_equal(item_BK, expected_BK)
        np.testing.assert_allclose(score_BK, expected_score_BK, rtol=1e-5, atol=1e-6)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    k=st.integers(1, 11),
    queries=st.integers(1, 40),
    spread=st.sampled_from([1e-6, 1.0, 1e6]),
    values=st.integers(1, 3),
)
def test_what_is_among_the_best_is_looked_at_again_however_the_numbers_lie(
    tmp_path_factory: pytest.TempPathFactory, seed: int, k: int, queries: int, spread: float, values: int
) -> None:
    """Whole numbers tie all the time, and dimensions of very different size are where steps of one size would fail."""
    rng = np.random.default_rng(seed)
    size_D = spread ** rng.random(D)
    item_VD = (rng.integers(-values, values + 1, (V, D)) * size_D).astype(np.float32)
    vector_BD = (rng.standard_normal((queries, D)) / size_D).astype(np.float32)
    coarse = built(item_VD, tmp_path_factory.mktemp("coarse"))
    row_M, item_M, clear_B = coarse._candidates(vector_BD, V, k, NOBODY, (NOBODY, NOBODY))
    score_BV = vector_BD.astype(np.float64) @ item_VD.T.astype(np.float64)
    for row in np.flatnonzero(clear_B):
        kth = np.sort(score_BV[row])[-k]
        better = np.flatnonzero(score_BV[row] > kth + 1e-5 * abs(kth))
        assert np.isin(better, item_M[row_M == row]).all()
        assert np.count_nonzero(score_BV[row][item_M[row_M == row]] >= kth - 1e-5 * abs(kth)) >= k


def test_numbers_stay_within_what_processors_without_vnni_can_add(tmp_path: Path) -> None:
    """Two products in 16 bits: 255 * 63 + 255 * 63 = 32,130 < 32,768."""
    item_VD = np.random.default_rng(0).standard_normal((V, D)).astype(np.float32)
    coarse = built(item_VD, tmp_path)
    p_BD, _ = coarse._whole(item_VD[:100])
    assert (p_BD.min(), p_BD.max()) == (1, 255)
    whole_VD = np.rint(item_VD / coarse.scale_D)
    assert np.abs(whole_VD).max() == 63
    expected_BV = (p_BD.astype(np.int64) - 128) @ whole_VD.astype(np.int64).T
    np.testing.assert_array_equal(coarse.session.run(p_BD=p_BD)[:, :V], expected_BV)


def test_the_bound_holds_for_every_item(tmp_path: Path) -> None:
    """|u.v - s p.q| <= s bound, in float64, for vectors at random and for those that lie as badly as they can."""
    rng = np.random.default_rng(2)
    item_VD = rng.standard_normal((V, D)).astype(np.float32)
    coarse = built(item_VD, tmp_path)
    whole_VD = np.rint(item_VD / coarse.scale_D).astype(np.float64)
    rounding_VD = item_VD / coarse.scale_D - whole_VD
    # Queries along the items' rounding, and queries whose own rounding lies along an item.
    vector_BD = np.concatenate([rng.standard_normal((50, D)), rounding_VD[:50] / coarse.scale_D]).astype(np.float32)
    p_BD, bound_B = coarse._whole(vector_BD)
    step_B = np.abs(vector_BD * coarse.scale_D).max(axis=1) / 127
    error_BV = np.abs(vector_BD.astype(np.float64) @ item_VD.T - step_B[:, None] * ((p_BD.astype(np.float64) - 128) @ whole_VD.T))
    assert (error_BV <= step_B[:, None] * bound_B[:, None]).all()
    assert (error_BV.max(axis=1) > 0.2 * step_B * bound_B)[50:].all()  # and is no more than a few times too careful


def test_an_item_that_looks_worse_by_more_than_one_error_is_found(tmp_path: Path) -> None:
    """Steps of 1, a query of ones. The first looks like 18 x 41 + 6 x 40 = 978 and is 18 x 40.51 + 6 x 39.51 = 966.24; the other

    looks like 24 x 40 = 960 and is 24 x 40.49 = 971.76. One of them may be wrong by 24 x 0.49 = 11.76, both together by 23.52.
    """
    item_VD = np.zeros((V, D), np.float32)
    item_VD[0] = -63  # the largest number of each dimension is 63 steps
    item_VD[1, :18], item_VD[1, 18:] = 41 - 0.49, 40 - 0.49
    item_VD[2] = 40 + 0.49
    _, coarse = both(item_VD, tmp_path)
    assert coarse.coarse is not None
    ones_BD = np.ones((1, D), np.float32)
    (item_BK, _), clear_B = coarse.coarse.search(item_VD, ones_BD, 1, NOBODY, NOBODY)
    assert (item_BK.tolist(), clear_B.tolist()) == ([[2]], [True])


def test_where_it_tells_too_little_everything_is_scored_for_that_one_alone(tmp_path: Path) -> None:
    simulated = simulate_vectors(V, D)
    plain, coarse = both(simulated.item_VD, tmp_path)
    assert coarse.coarse is not None
    vector_BD = simulate_shoppers(simulated, 9)
    vector_BD[4] = 0  # every item is as good
    left_out = np.array([4 * V + 1, 5 * V + int(plain.search(vector_BD, 1)[0][5, 0])])
    _, clear_B = coarse.coarse.search(simulated.item_VD, vector_BD, 5, NOBODY, left_out)
    assert clear_B.tolist() == [True] * 4 + [False] + [True] * 4
    np.testing.assert_array_equal(coarse.search(vector_BD, 5, None, left_out)[0], plain.search(vector_BD, 5, None, left_out)[0])
    assert coarse.search(vector_BD, 3, None, left_out)[0][4].tolist() == [0, 2, 3]


def test_a_dimension_that_no_item_has_does_not_matter(tmp_path: Path) -> None:
    simulated = simulate_vectors(V, D)
    item_VD, vector_BD = simulated.item_VD.copy(), simulate_shoppers(simulated, 5)
    item_VD[:, 3], vector_BD[:, 3] = 0, 1e6
    _, coarse = both(item_VD, tmp_path)
    assert coarse.coarse is not None
    assert coarse.coarse.search(item_VD, vector_BD, 5, NOBODY, NOBODY)[1].all()


def test_one_alone_gets_to_the_bit_what_it_gets_among_others(tmp_path: Path) -> None:
    simulated = simulate_vectors(V, D)
    coarse = built(simulated.item_VD, tmp_path)
    shoppers_BD = simulate_shoppers(simulated, 40)
    (item_BK, score_BK), clear_B = coarse.search(simulated.item_VD, shoppers_BD, 10, NOBODY, NOBODY)
    assert clear_B.all()
    for row in range(40):
        (alone_1K, score_1K), _ = coarse.search(simulated.item_VD, shoppers_BD[row : row + 1], 10, NOBODY, NOBODY)
        np.testing.assert_array_equal(alone_1K[0], item_BK[row])
        np.testing.assert_array_equal(score_1K[0], score_BK[row])


def test_small_catalogues_and_vectors_that_are_no_numbers_have_none(tmp_path: Path) -> None:
    assert not build_coarse(np.ones((4_095, 2), np.float32), tmp_path)
    assert not build_coarse(np.full((4_096, 2), np.inf, np.float32), tmp_path)
    assert not build_coarse(np.zeros((4_096, 2), np.float32), tmp_path)
    tiny_VD = np.ones((4_096, 2), np.float32)
    tiny_VD[:, 1] = 2.8e-44  # a step of it would be 0 in float32
    assert not build_coarse(tiny_VD, tmp_path)
    assert not any(tmp_path.iterdir())


def test_one_of_other_items_is_refused(tmp_path: Path) -> None:
    built(np.random.default_rng(0).standard_normal((V, D)).astype(np.float32), tmp_path)
    for shape in ((V + 32, D), (V, D + 1)):
        with pytest.raises(AisleError, match="E032"):
            Coarse.open(tmp_path, shape)


@pytest.mark.parametrize("name", [ABOUT_NAME, GRAPH_NAME])
def test_damage_is_named(tmp_path: Path, name: str) -> None:
    built(np.random.default_rng(0).standard_normal((V, D)).astype(np.float32), tmp_path)
    (tmp_path / name).write_bytes(b"PK damaged")
    with pytest.raises(AisleError, match="E032"):
        Coarse.open(tmp_path, (V, D))
