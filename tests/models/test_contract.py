"""What every model promises, whatever it is: the contract of `recommend.scorer.Scorer`, and save and load."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load, save

from aisle.features.histories import Histories
from aisle.models.content import Content
from aisle.models.item_knn import ItemKNN
from aisle.models.recently_viewed import RecentlyViewed
from aisle.models.session_knn import SessionKNN
from tests.models import communities
from tests.models.communities import COLD, ITEMS, NEW_USER, USERS, fitted

# Recently viewed has learned nothing about anybody's taste.
PERSONAL = [name for name in communities.FITTED if not name.startswith(("popularity", "recently"))]
SILENT = (ItemKNN, SessionKNN, RecentlyViewed, Content)  # they cannot say anything about items that are nobody's neighbour
TWO_TOWERS = ["two-tower", "two-tower with side features", "two-tower without ids"]
FMS = ["FM", "FM in context", "FM in context, softmax", "FM of ratings", "FM of ratings and of what is rated"]
DEEP = ["DeepFM", "DeepFM, cross"]
NEXT = ["LSTM", "LSTM, output of its own", "SASRec", "SASRec, gBCE", "SASRec, sampled", "LiGR", "LiGR with text"]
TORCH = ["MF", *NEXT, *FMS, *DEEP, "FM with side features", "NeuMF", "GMF", "MLP", *TWO_TOWERS]
BY_FEATURES = [
    "FM with side features",
    *DEEP,
    "LiGR with text",
    *TWO_TOWERS[1:],
    "content",
]  # item 24 has no training events, but a category
IN_ORDER = [
    "content",
    "two-stage",
    *TWO_TOWERS,
    *NEXT,
    "VS-kNN",
    "VS-kNN, few neighbours",
    "recently viewed",
]  # what came last counts most
ALL_USERS = np.arange(USERS + 1)


@pytest.fixture(params=communities.FITTED)
def model(request: pytest.FixtureRequest) -> Any:
    return fitted(request.param)


@pytest.fixture(params=PERSONAL)
def personal(request: pytest.FixtureRequest) -> Any:
    return fitted(request.param)


@pytest.fixture
def known() -> Histories:
    return communities.train_part()


def test_scores_are_float32_one_row_a_shopper(model: Any, known: Histories) -> None:
    score = model.score(ALL_USERS, known)
    assert (score.dtype, score.shape) == (np.float32, (USERS + 1, ITEMS))
    assert model.score_items(ALL_USERS[:2], known.take(np.array([0, 1])), np.array([[3], [4]])).dtype == np.float32


def test_a_batch_scores_like_its_rows_one_by_one(model: Any, known: Histories) -> None:
    batch = model.score(ALL_USERS, known)
    for row in (0, 17, 59, NEW_USER):
        alone = model.score(ALL_USERS[row : row + 1], known.take(np.array([row])))
        np.testing.assert_allclose(alone[0], batch[row], rtol=1e-5, atol=1e-5)


def test_the_order_of_a_batch_does_not_matter(model: Any, known: Histories) -> None:
    shuffled = np.random.default_rng(0).permutation(USERS + 1)
    again = model.score(shuffled, known.take(shuffled))
    np.testing.assert_allclose(again, model.score(ALL_USERS, known)[shuffled], rtol=1e-5, atol=1e-5)


def test_given_items_score_as_in_the_whole_catalogue(model: Any, known: Histories) -> None:
    item = np.random.default_rng(1).integers(0, ITEMS, (USERS + 1, 9))
    expected = np.take_along_axis(model.score(ALL_USERS, known), item, axis=1)
    np.testing.assert_allclose(model.score_items(ALL_USERS, known, item), expected, rtol=1e-5, atol=1e-5)


def test_unknown_shoppers_and_empty_histories_get_numbers(model: Any) -> None:
    users = np.array([-1, -1, NEW_USER, 0])
    known = communities.histories([[], [1, 2], [], []])
    score = model.score(users, known)
    few = model.score_items(users, known, np.tile([0, 5, 13], (4, 1)))
    if isinstance(model, SILENT):
        assert not np.isnan(score).any()
        assert np.isneginf(score[0]).all()
        assert np.isfinite(score[1]).any()
    else:
        assert np.isfinite(score[:, : COLD[0]]).all()
        assert np.isfinite(few).all()
    assert model.knows(users, known).shape == (4,)


def test_no_shoppers_no_scores(model: Any) -> None:
    nobody, nothing = np.zeros(0, np.int64), Histories.empty(0)
    assert model.score(nobody, nothing).shape == (0, ITEMS)
    assert model.score_items(nobody, nothing, np.zeros((0, 4), np.int64)).shape == (0, 4)
    assert model.knows(nobody, nothing).shape == (0,)
    assert model.similar(nobody).shape == (0, ITEMS)


def test_only_items_that_nothing_is_known_about_are_unscorable(model: Any, known: Histories) -> None:
    unscorable = np.isneginf(model.score(ALL_USERS, known))
    by_features = [24] if any(model is fitted(name) for name in BY_FEATURES) else []
    expected = [item for item in COLD if item not in by_features]
    assert np.flatnonzero(unscorable.all(axis=0)).tolist() == expected
    if not isinstance(model, SILENT):  # which also cannot score, for one shopper, what no known item is alike to
        assert np.flatnonzero(unscorable.any(axis=0)).tolist() == expected
    asked = np.tile(np.arange(ITEMS), (USERS + 1, 1))
    assert np.array_equal(np.isneginf(model.score_items(ALL_USERS, known, asked)), unscorable)


def test_a_model_that_was_saved_and_loaded_is_the_same_bit_for_bit(model: Any, known: Histories) -> None:
    state = load(save(model.state()))
    again = communities.reload(model, state)
    assert {name: (array.dtype, array.tobytes()) for name, array in again.state().items()} == {
        name: (array.dtype, array.tobytes()) for name, array in model.state().items()
    }
    assert np.array_equal(again.score(ALL_USERS, known), model.score(ALL_USERS, known))
    assert np.array_equal(again.similar(np.arange(ITEMS)), model.similar(np.arange(ITEMS)))


def test_an_item_is_not_similar_to_itself(model: Any) -> None:
    similar = model.similar(np.arange(ITEMS))
    assert (similar.dtype, similar.shape) == (np.float32, (ITEMS, ITEMS))
    assert np.isneginf(np.diagonal(similar)).all()
    assert np.isneginf(similar[:, COLD[1]]).all()


def test_scoring_changes_neither_model_nor_input(model: Any, known: Histories) -> None:
    users, before = ALL_USERS.copy(), known.item.copy()
    first = model.score(users, known)
    first[:] = 7  # what a caller does to its scores stays with the caller
    assert np.array_equal(model.score(users, known), model.score(ALL_USERS, known))
    assert not (model.score(users, known) == 7).any()
    assert np.array_equal(users, ALL_USERS)
    assert np.array_equal(before, known.item)


@pytest.mark.parametrize("name", [name for name in communities.FITTED if name not in IN_ORDER])
def test_the_order_of_a_history_does_not_matter_to_models_without_order(name: str, known: Histories) -> None:
    model = fitted(name)
    reverse = communities.histories([known.row(row)[::-1].tolist() for row in range(USERS + 1)])
    np.testing.assert_allclose(model.score(ALL_USERS, reverse), model.score(ALL_USERS, known), rtol=1e-5, atol=1e-5)


def test_shoppers_are_recommended_what_their_community_buys(personal: Any, known: Histories) -> None:
    score = personal.score(ALL_USERS[:USERS], known.take(ALL_USERS[:USERS]))
    score[known.rows, known.item] = -np.inf
    top = np.argsort(-score, axis=1)[:, :3]
    own = np.where(np.arange(USERS) < USERS // 2, 0, 1)
    # An item belongs to the second community from 12 on; item 24 is one by its category.
    assert ((top >= 12).astype(int) == own[:, None]).mean() > 0.98


def test_similar_items_come_from_the_same_community(personal: Any) -> None:
    nearest = np.argsort(-personal.similar(np.arange(24)), axis=1)[:, :3]
    assert ((nearest >= 12) == (np.arange(24) >= 12)[:, None]).mean() > 0.95


def test_personal_models_do_not_claim_to_know_strangers(personal: Any) -> None:
    known = communities.histories([[], [], [0, 1, 2]])
    assert personal.knows(np.array([-1, NEW_USER, 0]), known).tolist() == [False, False, True]


def test_popularity_answers_everybody() -> None:
    assert fitted("popularity").knows(np.array([-1, 0]), Histories.empty(2)).all()


@pytest.mark.parametrize("name", TORCH)
def test_scoring_ignores_dropout_and_leaves_the_mode_alone(name: str, known: Histories) -> None:
    model = fitted(name)
    expected = model.score_items(ALL_USERS, known, np.tile([1, 14], (USERS + 1, 1)))
    model.train()
    try:
        assert np.array_equal(model.score_items(ALL_USERS, known, np.tile([1, 14], (USERS + 1, 1))), expected)
        assert model.training
    finally:
        model.eval()
