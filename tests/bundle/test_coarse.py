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
    coarse = Coarse.open(folder)
    assert coarse is not None
    return coarse


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
    row_M, item_M = coarse._candidates(vector_BD, V, k, NOBODY, (NOBODY, NOBODY))
    score_BV = vector_BD.astype(np.float64) @ item_VD.T.astype(np.float64)
    for row in range(queries):
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


def test_where_it_tells_too_little_everything_is_scored(tmp_path: Path) -> None:
    """All items alike: every one may be among the best."""
    item_VD = np.ones((V, D), np.float32) + np.linspace(0, 1e-4, V, dtype=np.float32)[:, None]
    plain, coarse = both(item_VD, tmp_path)
    assert coarse.coarse is not None
    assert coarse.coarse.search(item_VD, item_VD[:2], 5, NOBODY, NOBODY) is None
    np.testing.assert_array_equal(coarse.search(item_VD[:2], 5)[0], plain.search(item_VD[:2], 5)[0])
    assert coarse.search(np.zeros((1, D), np.float32), 3)[0].tolist() == [[0, 1, 2]]


def test_one_alone_gets_to_the_bit_what_it_gets_among_others(tmp_path: Path) -> None:
    simulated = simulate_vectors(V, D)
    coarse = built(simulated.item_VD, tmp_path)
    shoppers_BD = simulate_shoppers(simulated, 40)
    together = coarse.search(simulated.item_VD, shoppers_BD, 10, NOBODY, NOBODY)
    assert together is not None
    for row in range(40):
        alone = coarse.search(simulated.item_VD, shoppers_BD[row : row + 1], 10, NOBODY, NOBODY)
        assert alone is not None
        np.testing.assert_array_equal(alone[0][0], together[0][row])
        np.testing.assert_array_equal(alone[1][0], together[1][row])


def test_small_catalogues_and_vectors_that_are_no_numbers_have_none(tmp_path: Path) -> None:
    assert not build_coarse(np.ones((4_095, 2), np.float32), tmp_path)
    assert not build_coarse(np.full((4_096, 2), np.inf, np.float32), tmp_path)
    assert Coarse.open(tmp_path) is None


@pytest.mark.parametrize("name", [ABOUT_NAME, GRAPH_NAME])
def test_damage_is_named(tmp_path: Path, name: str) -> None:
    built(np.random.default_rng(0).standard_normal((V, D)).astype(np.float32), tmp_path)
    (tmp_path / name).write_bytes(b"PK damaged")
    with pytest.raises(AisleError, match="E032"):
        Coarse.open(tmp_path)
