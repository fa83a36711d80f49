"""The index finds the items with the largest inner products, obeys filters, and says how good it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from aisle.bundle.exact import ExactIndex
from aisle.bundle.faiss_index import FaissIndex
from aisle.bundle.found import best_of
from aisle.bundle.index import Index, IndexConfig, build_index, choose_kind, open_index
from aisle.bundle.index_config import choose_codes
from aisle.bundle.new_items import GrownIndex
from aisle.errors import AisleError
from benchmarks.index.vectors import SimulatedVectors, simulate_shoppers, simulate_vectors

V, D = 12_000, 16
KINDS = (IndexConfig(), IndexConfig("ivf"), IndexConfig("ivf", codes="pq"), IndexConfig("hnsw"))
NAMES = ("exact", "ivf-sq8", "ivf-pq", "hnsw")


def exact(item_VD: NDArray[Any]) -> ExactIndex:
    return ExactIndex(item_VD.astype(np.float32), np.ones(len(item_VD), np.bool_))


def plain_truth(score_BV: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """The k best by sorting everything: by score downwards, then by code."""
    return np.stack([np.lexsort((np.arange(len(score_V)), -score_V))[:k] for score_V in score_BV])


@pytest.fixture(scope="module")
def simulated() -> SimulatedVectors:
    return simulate_vectors(V, D)


@pytest.fixture(scope="module")
def shoppers(simulated: SimulatedVectors) -> NDArray[np.float32]:
    return simulate_shoppers(simulated, 60)


@pytest.fixture(scope="module")
def scorable() -> NDArray[np.bool_]:
    return np.random.default_rng(3).random(V) < 0.9


@pytest.fixture(scope="module", params=range(len(KINDS)), ids=NAMES)
def built(
    request: pytest.FixtureRequest,
    simulated: SimulatedVectors,
    shoppers: NDArray[np.float32],
    scorable: NDArray[np.bool_],
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Index, Path]:
    folder = tmp_path_factory.mktemp("bundle") / "index"
    build_index(simulated.item_VD, scorable, KINDS[request.param], folder, shoppers)
    return open_index(folder, simulated.item_VD), folder


def test_exact_by_hand() -> None:
    item_VD = np.array([[1, 0], [0, 1], [2, 2], [-1, 0]], np.float32)
    item, score = exact(item_VD).search(np.array([[1, 0], [0, 3]], np.float32), 3)
    assert item.tolist() == [[2, 0, 1], [2, 1, 0]]  # 2 > 1 > 0; 6 > 3 > 0, where item 0 ties with item 3 and has the lower code
    assert score.tolist() == [[2, 1, 0], [6, 3, 0]]
    assert item.dtype == np.int64
    assert score.dtype == np.float32


@settings(max_examples=60, deadline=None)
@given(
    n_items=st.integers(1, 3000),
    n_queries=st.integers(1, 40),
    k=st.integers(1, 60),
    values=st.integers(1, 6),
    seed=st.integers(0, 2**32 - 1),
)
def test_exact_is_what_sorting_everything_gives_and_ties_go_to_the_lower_code(
    n_items: int, n_queries: int, k: int, values: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    item_VD = random.integers(-values, values + 1, (n_items, 3)).astype(np.float32)  # whole numbers: many equal scores
    vector_BD = random.integers(-2, 3, (n_queries, 3)).astype(np.float32)
    item, score = exact(item_VD).search(vector_BD, k)
    truth = plain_truth(vector_BD @ item_VD.T, min(k, n_items))
    assert np.array_equal(item[:, :n_items], truth)
    assert np.array_equal(score[:, :n_items], np.take_along_axis(vector_BD @ item_VD.T, truth, axis=1))
    assert (item[:, n_items:] == -1).all()
    assert (score[:, n_items:] == -np.inf).all()


def test_exact_over_several_parts_of_the_catalogue_is_the_same_as_over_one(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    item_VD, vector_BD = random.integers(-5, 6, (5000, 4)), random.integers(-3, 4, (40, 4)).astype(np.float32)
    whole = exact(item_VD).search(vector_BD, 33)
    monkeypatch.setattr("aisle.bundle.exact._MOST_ITEMS", 700)
    parts = exact(item_VD).search(vector_BD, 33)
    assert np.array_equal(whole[0], parts[0])
    assert np.array_equal(whole[1], parts[1])


@pytest.mark.parametrize("share", [0.9, 0.5, 0.1, 0.001, 0.0])
def test_exact_holds_a_filter_of_any_share(share: float) -> None:
    random = np.random.default_rng(1)
    item_VD, vector_BD = random.standard_normal((4000, 8), np.float32), random.standard_normal((5, 8), np.float32)
    allowed_V = random.random(4000) < share
    item, _ = exact(item_VD).search(vector_BD, 50, allowed_V)
    score_BV = np.where(allowed_V, vector_BD @ item_VD.T, -np.inf)
    truth = plain_truth(score_BV, 50)
    assert np.array_equal(item, np.where(np.take_along_axis(score_BV, truth, axis=1) > -np.inf, truth, -1))


def test_minus_zero_and_zero_are_equal_scores() -> None:
    item, _ = best_of(np.array([[0.0, -0.0]], np.float32), np.array([[7, 3]]), 2)
    assert item.tolist() == [[3, 7]]


@pytest.mark.parametrize("k", [1, 10, 500])
def test_an_index_finds_nearly_all_and_scores_them_exactly(
    built: tuple[Index, Path], simulated: SimulatedVectors, shoppers: NDArray[np.float32], scorable: NDArray[np.bool_], k: int
) -> None:
    index, _ = built
    item, score = index.search(shoppers, k)
    score_BV = shoppers @ simulated.item_VD.T
    truth = plain_truth(np.where(scorable, score_BV, -np.inf), k)
    found = np.mean([len(np.intersect1d(a, b)) / k for a, b in zip(item, truth, strict=True)])
    # A graph walked by inner products has items that few links lead to: its long lists miss some.
    least = {"exact": 1.0, "ivf": 0.95, "hnsw": 0.95 if k < 100 else 0.8}[index.kind]
    assert found >= least
    assert score == pytest.approx(np.take_along_axis(score_BV, item, axis=1), rel=1e-4)
    assert (np.diff(score, axis=1) <= 0).all()


@pytest.mark.parametrize("share", [0.95, 0.4, 0.05, 0.0005])
def test_what_is_not_allowed_or_cannot_be_scored_is_never_returned(
    built: tuple[Index, Path],
    shoppers: NDArray[np.float32],
    scorable: NDArray[np.bool_],
    share: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("aisle.bundle.faiss_index._FEW", 20)  # so that the filter is held inside the search of FAISS, too
    index, _ = built
    allowed_V = np.random.default_rng(8).random(V) < share
    item, score = index.search(shoppers[:20], 30, allowed_V)
    assert (allowed_V & scorable)[item[item >= 0]].all()
    expected = min(30, int(np.count_nonzero(allowed_V & scorable)))
    assert (np.count_nonzero(item >= 0, axis=1) >= 0.9 * expected).all()
    assert ((item == -1) == (score == -np.inf)).all()
    assert all(len(set(row[row >= 0])) == np.count_nonzero(row >= 0) for row in item)


def test_one_question_and_a_batch_get_the_same_answer(built: tuple[Index, Path], shoppers: NDArray[np.float32]) -> None:
    index, _ = built
    item, _ = index.search(shoppers, 20)
    one = np.concatenate([index.search(shoppers[row][None], 20)[0] for row in range(len(shoppers))])
    assert np.mean(item == one) > 0.999  # a sum in another order may swap two that are equal but for rounding


def test_no_question_and_no_place_give_empty_answers(built: tuple[Index, Path], shoppers: NDArray[np.float32]) -> None:
    index, _ = built
    assert index.search(shoppers[:0], 10)[0].shape == (0, 10)
    assert index.search(shoppers[:3], 0)[1].shape == (3, 0)


@pytest.mark.parametrize(
    "question",
    [
        lambda index, x: index.search(x[:, :3], 10),
        lambda index, x: index.search(x[0], 10),
        lambda index, x: index.search(x * np.nan, 10),
        lambda index, x: index.search(x, -1),
        lambda index, x: index.search(x, 10, np.ones(5, np.bool_)),
        lambda index, x: index.search(x, 10, np.ones(V, np.int64)),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(
    built: tuple[Index, Path], shoppers: NDArray[np.float32], question: object
) -> None:
    with pytest.raises(AisleError, match="E033"):
        question(built[0], shoppers)  # type: ignore[operator]


def test_the_report_is_json_and_measures_short_and_long_lists_with_and_without_filters(
    simulated: SimulatedVectors, shoppers: NDArray[np.float32], scorable: NDArray[np.bool_], tmp_path: Path
) -> None:
    report = build_index(simulated.item_VD, scorable, IndexConfig("ivf"), tmp_path, shoppers)
    document = json.loads(json.dumps(report.to_json()))
    assert {(one["k"], one["filter"].split()[0]) for one in document["measured"]} == {
        (k, name) for k in (10, 500) for name in ("none", "90%", "the")
    }
    assert all(one["recall"] > 0.9 for one in document["measured"])
    assert document["indexed"] == np.count_nonzero(scorable) < document["items"] == V
    assert document["disk_bytes"] == sum(path.stat().st_size for path in tmp_path.iterdir())
    assert not [path for path in tmp_path.iterdir() if path.suffix not in (".json", ".npy", ".faiss")]


def test_an_exact_index_needs_no_faiss(
    simulated: SimulatedVectors, scorable: NDArray[np.bool_], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "faiss", None)
    build_index(simulated.item_VD, scorable, IndexConfig(), tmp_path / "exact", simulated.item_VD[:5])
    assert open_index(tmp_path / "exact", simulated.item_VD).kind == "exact"
    with pytest.raises(AisleError, match="E030"):
        build_index(simulated.item_VD, scorable, IndexConfig("ivf"), tmp_path / "ivf", simulated.item_VD[:5])


def test_an_index_of_another_matrix_or_a_damaged_one_is_refused(
    built: tuple[Index, Path], simulated: SimulatedVectors, tmp_path: Path
) -> None:
    _, folder = built
    with pytest.raises(AisleError, match="E032"):
        open_index(folder, simulated.item_VD[:-1])
    for path in folder.iterdir():
        copy = tmp_path / path.name
        copy.mkdir()
        for other in folder.iterdir():
            (copy / other.name).write_bytes(other.read_bytes()[: 40 if other == path else None])
        with pytest.raises(AisleError, match="E032"):
            open_index(copy, simulated.item_VD)


def test_vectors_that_are_no_numbers_are_refused_unless_their_item_cannot_be_scored(tmp_path: Path) -> None:
    item_VD = np.ones((100, 4), np.float32)
    item_VD[7] = np.nan
    ok_V = np.ones(100, np.bool_)
    with pytest.raises(AisleError, match="item code 7 holds"):
        build_index(item_VD, ok_V, IndexConfig(), tmp_path, item_VD[:3])
    ok_V[7] = False
    build_index(item_VD, ok_V, IndexConfig(), tmp_path, item_VD[:3])
    assert 7 not in open_index(tmp_path, item_VD).search(item_VD[:1], 100)[0]


def test_the_kind_follows_the_size() -> None:
    assert choose_kind(50_000, 64) == "exact"
    assert choose_kind(1_000_000, 64) == choose_kind(100_000_000, 64) == "ivf"
    assert (choose_codes(10_000_000, 64), choose_codes(100_000_000, 64)) == ("sq8", "pq")


@pytest.mark.parametrize("wrong", [{"kind": "annoy"}, {"links": 0}, {"recall": 0.0}, {"refine": -1}, {"threads": 0}])
def test_a_config_that_cannot_be_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(AisleError, match="E031"):
        IndexConfig(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("n_items", [1, 3, 300])
@pytest.mark.parametrize("kind", ["exact", "ivf", "hnsw"])
def test_a_catalogue_of_any_size_can_be_indexed(n_items: int, kind: Any, tmp_path: Path) -> None:
    item_VD = np.random.default_rng(0).standard_normal((n_items, 4), np.float32)
    report = build_index(item_VD, np.ones(n_items, np.bool_), IndexConfig(kind), tmp_path, item_VD[:1])
    item, _ = open_index(tmp_path, item_VD).search(item_VD[:2], 5)
    assert (np.count_nonzero(item >= 0, axis=1) == min(n_items, 5)).all()
    assert report.measured[0].recall > 0.9


def test_product_codes_of_too_few_items_are_refused(tmp_path: Path) -> None:
    item_VD = np.eye(20, dtype=np.float32)
    with pytest.raises(AisleError, match="E031"):
        build_index(item_VD, np.ones(20, np.bool_), IndexConfig("ivf", codes="pq"), tmp_path, item_VD)


def test_what_is_left_out_of_one_list_stands_in_the_others(
    built: tuple[Index, Path], shoppers: NDArray[np.float32], scorable: NDArray[np.bool_]
) -> None:
    index, _ = built
    allowed_V = scorable.copy()
    allowed_V[::7] = False
    for allowed in (None, allowed_V):
        first_BK = index.search(shoppers, 10, allowed)[0]
        left_out = np.sort((np.arange(0, 60, 2)[:, None] * V + first_BK[::2, :4]).ravel())  # the first four, of every second list
        item_BK, score_BK = index.search(shoppers, 6, allowed, left_out)
        longer_BK = index.search(shoppers, 10, allowed)[0]
        if index.kind == "exact":
            np.testing.assert_array_equal(item_BK[::2], longer_BK[::2, 4:])
            np.testing.assert_array_equal(item_BK[1::2], longer_BK[1::2, :6])
        rows = np.arange(60)[:, None] * V + item_BK
        assert not np.isin(rows, left_out).any()
        assert (item_BK >= 0).all()
        assert (np.diff(score_BK, axis=1) <= 0).all()


@pytest.mark.parametrize("config", KINDS[1:], ids=NAMES[1:])
@pytest.mark.parametrize("grown", [False, True])
def test_a_filter_that_cannot_change_is_looked_through_once_and_goes_when_nobody_else_holds_it(
    config: IndexConfig,
    *,
    grown: bool,
    monkeypatch: pytest.MonkeyPatch,
    simulated: SimulatedVectors,
    shoppers: NDArray[np.float32],
    tmp_path: Path,
) -> None:
    build_index(simulated.item_VD, np.ones(V, np.bool_), config, tmp_path, shoppers)
    index = base = open_index(tmp_path, simulated.item_VD)
    assert isinstance(base, FaissIndex)
    if grown:
        index = GrownIndex(base, V, simulated.item_VD[:3], np.ones(3, np.bool_))
    looked: list[int] = []
    look_through = base._look_through

    def counted(mask_V: NDArray[np.bool_]) -> Any:
        looked.append(1)
        return look_through(mask_V)

    monkeypatch.setattr(base, "_look_through", counted)
    random = np.random.default_rng(5)
    for number in range(1, 6):
        allowed_V = random.random(V + 3 * grown) < 0.95
        changing = index.search(shoppers, 10, allowed_V)[0]
        allowed_V.setflags(write=False)
        looked.clear()
        for _ in range(3):
            np.testing.assert_array_equal(index.search(shoppers, 10, allowed_V)[0], changing)
        assert (len(looked), len(base._filters)) == (1, 1), number  # the one before is gone, though all items can be scored
