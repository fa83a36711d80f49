from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest
import torch

from aisle.errors import AisleError
from aisle.features.fields import Fields, category_lists, context_table, join, make_field
from aisle.features.histories import Histories
from aisle.models import fm
from aisle.models.fm import FM, FMConfig
from aisle.models.sides import Crosses
from aisle.train.ratings import RatingSampler
from tests.models.communities import histories

TRAIN = histories([[0, 1], [2, 1], [3, 0]])
USERS, ITEMS = 3, 5


def _fields() -> tuple[Fields, Fields]:
    """Return a category of users; tags (several) and a price of items."""
    trained_U, trained_V = np.ones(USERS, bool), np.array([1, 1, 1, 1, 0], bool)
    segment = make_field("segment", "category", np.array([0, 1, -1]), trained_U)
    tags = category_lists("tags", np.array([0, 2, 3, 3, 6, 7]), np.array([0, 1, 1, 0, 1, 2, 2]))
    price = make_field("price", "number", np.array([1.0, 2, 3, np.nan, 9]), trained_V, buckets=2)
    assert segment is not None
    assert price is not None
    return join([segment], trained_U), join([tags, price], trained_V)


def _model() -> FM:
    user_fields, item_fields = _fields()
    model = FM.untrained(
        FMConfig(factors=3, init_std=1.0), TRAIN, ITEMS, seed=1, item_fields=item_fields, user_fields=user_fields
    )
    with torch.no_grad():
        for side in (model.user, model.item):
            side.bias.weight.normal_(generator=torch.Generator().manual_seed(2))
        model.offset.fill_(0.7)
    return model.eval()


def _active(model: FM, user: int, item: int) -> list[tuple[float, float, np.ndarray]]:
    """Return value, weight and vector of each active feature of a pair."""
    found = []
    for side, row in ((model.user, user), (model.item, item)):
        for code, value in zip(side.code[row].tolist(), side.weight[row].tolist(), strict=True):
            found.append((value, side.bias.weight[code].item(), side.vector.weight[code].detach().double().numpy()))
    return found


def test_a_score_is_the_double_sum_over_all_pairs_of_features() -> None:
    model = _model()
    score = model.score(np.arange(USERS), Histories.empty(USERS))
    for user in range(USERS):
        for item in range(ITEMS):
            features = _active(model, user, item)
            linear = sum(x * w for x, w, _ in features)
            pairs = sum(x * y * float(v @ w) for (x, _, v), (y, _, w) in combinations(features, 2))
            assert score[user, item] == pytest.approx(0.7 + linear + pairs, rel=1e-4, abs=1e-5)


def _context_model(**settings: Any) -> FM:
    """Two columns of 3 and 2 values; the last value of the first was never seen in training."""
    user_fields, item_fields = _fields()
    model = FM.untrained(
        FMConfig(factors=3, init_std=1.0, **settings),
        TRAIN,
        ITEMS,
        seed=1,
        item_fields=item_fields,
        user_fields=user_fields,
        context=context_table([3, 2], np.array([[0, 1], [1, 0]], np.int32)),
    )
    assert model.context is not None
    with torch.no_grad():
        for side in (model.user, model.item, model.context):
            side.bias.weight.normal_(generator=torch.Generator().manual_seed(2))
    return model.eval()


def _in_context(model: FM, codes: list[int]) -> list[tuple[float, float, np.ndarray]]:
    assert model.context is not None
    rows = [row for row in model.context.rows(torch.tensor([codes]))[0].tolist() if row >= 0]
    table = model.context
    return [(1.0, table.bias.weight[row].item(), table.vector.weight[row].detach().double().numpy()) for row in rows]


def test_the_context_meets_user_item_and_itself_in_the_double_sum() -> None:
    model, context = _context_model(), [[0, 1], [1, -1], [2, 0]]
    known = Histories.empty(3).at(np.array(context, np.int32))
    score = model.score(np.arange(USERS), known)
    few = model.score_items(np.arange(USERS), known, np.tile(np.arange(ITEMS), (USERS, 1)))
    np.testing.assert_allclose(few, score, rtol=1e-4, atol=1e-5)
    for user in range(USERS):
        for item in range(ITEMS):
            features = _active(model, user, item) + _in_context(model, context[user])
            linear = sum(x * w for x, w, _ in features)
            pairs = sum(x * y * float(v @ w) for (x, _, v), (y, _, w) in combinations(features, 2))
            assert score[user, item] == pytest.approx(linear + pairs, rel=1e-4, abs=1e-5)


def test_crosses_add_a_vector_for_what_a_user_does_in_a_value_and_nothing_before_training() -> None:
    plain, model = _context_model(), _context_model(crosses=64)
    user, known = np.array([0, 1, -1]), Histories.empty(3).at(np.array([[0, 1], [0, -1], [0, 1]], np.int32))
    np.testing.assert_array_equal(model.score(user, known), plain.score(user, known))
    assert model.crosses is not None
    with torch.no_grad():
        model.crosses.vector.weight.normal_(generator=torch.Generator().manual_seed(3))
        own_BK = model.crosses(torch.tensor(user), torch.tensor(known.context))
        alone_BK = model.crosses(torch.tensor([0, 0]), torch.tensor([[0, -1], [-1, 1]]))
    # Two values are the sum of each alone; a stranger has none.
    np.testing.assert_allclose(own_BK[0], alone_BK.sum(dim=0), rtol=1e-6)
    assert not own_BK[2].any()
    extra = (own_BK @ model._items()[0].T).detach().numpy()
    np.testing.assert_allclose(model.score(user, known), plain.score(user, known) + extra, rtol=1e-4, atol=1e-5)


def test_crosses_are_spread_evenly_over_their_rows() -> None:
    crosses = Crosses(torch.tensor([0, 7]), 97, 1)
    with torch.no_grad():
        crosses.vector.weight[:, 0] = torch.arange(97)
    user, value = torch.arange(2000).repeat_interleave(7), torch.arange(7).repeat(2000)
    row = crosses(user, torch.stack([value, torch.full_like(value, -1)], dim=1))[:, 0].detach().numpy().astype(int)
    # 14,000 pairs in 97 rows: 144 each; an even hash strays by a few times its root, 12.
    assert np.abs(np.bincount(row, minlength=97) - 14_000 / 97).max() < 5 * 12


def test_a_context_that_is_missing_or_was_never_seen_says_nothing() -> None:
    model, user = _context_model(), np.array([0, 0, 0])
    plain = model.score(user, Histories.empty(3))
    odd = model.score(user, Histories.empty(3).at(np.array([[-1, -1], [2, -1], [-1, 0]], np.int32)))
    assert np.array_equal(odd[:2], plain[:2])
    assert not np.array_equal(odd[2], plain[2])


def test_a_stranger_in_known_circumstances_is_not_answered_with_what_is_popular() -> None:
    context = np.array([[-1, -1], [0, -1], [2, -1]], np.int32)
    knows = _context_model().knows(np.array([-1, -1, -1]), Histories.empty(3).at(context))
    assert knows.tolist() == [False, True, False]


def test_the_softmax_loss_is_the_surprise_at_each_item_among_all_that_can_be_scored() -> None:
    model = _context_model(loss="softmax")
    user, item, context = np.array([0, 2]), np.array([1, 3]), np.array([[0, 1], [1, 0]], np.int32)
    score = model.score(user, Histories.empty(2).at(context)).astype(np.float64)
    surprise = np.log(np.exp(score).sum(axis=1)) - score[[0, 1], item]
    loss = model.loss(torch.tensor(user), torch.tensor(item)[:, None], torch.tensor(context))
    assert loss.item() == pytest.approx(surprise.mean(), rel=1e-4)


def test_what_is_rated_adds_its_scaled_sum_to_the_user() -> None:
    model = FM.untrained(FMConfig(factors=2, loss="squared", implicit=True), TRAIN, ITEMS, seed=1, mean=3.5).eval()
    assert model.rated is not None
    rated, user, item = (side.vector.weight.detach().numpy() for side in (model.rated, model.user, model.item))
    # A new shopper who has rated items 0 and 1: (y_0 + y_1) / sqrt(2); user 2 who has rated three times.
    score = model.score(np.array([-1, 2]), histories([[0, 1], [3, 0, 3]]))
    assert score[0, 2] == pytest.approx(3.5 + (rated[0] + rated[1]) / np.sqrt(2) @ item[2], rel=1e-5)
    assert score[1, 2] == pytest.approx(3.5 + (user[2] + (2 * rated[3] + rated[0]) / np.sqrt(3)) @ item[2], rel=1e-5)


def test_the_squared_loss_in_training_is_the_error_of_the_score() -> None:
    model = FM.untrained(FMConfig(factors=2, loss="squared", implicit=True, init_std=1), TRAIN, ITEMS, seed=1, mean=3.5)
    (batch,) = RatingSampler(
        TRAIN, np.arange(6, dtype=np.float32), 6, seed=1, device=torch.device("cpu"), whole_users=True
    ).epoch(1)
    said = np.take_along_axis(model.score(np.arange(USERS), TRAIN), TRAIN.item.reshape(3, 2).astype(np.int64), axis=1)
    assert model.loss(*batch).item() == pytest.approx(np.square(said.ravel() - np.arange(6)).mean(), rel=1e-5)


def test_training_and_scoring_use_the_same_formula() -> None:
    model = _model()
    item_BN = torch.arange(ITEMS).repeat(USERS, 1)
    logit_BN = model(torch.arange(USERS), item_BN).detach().numpy()
    np.testing.assert_allclose(model.score(np.arange(USERS), Histories.empty(USERS)), logit_BN, rtol=1e-5, atol=1e-5)


def test_an_item_without_events_is_scored_by_its_features_alone() -> None:
    model = _model()
    before = model.score(np.array([0]), Histories.empty(1))
    with torch.no_grad():
        model.item.vector.weight[4] += 100  # the id's own vector, never trained
    assert np.array_equal(model.score(np.array([0]), Histories.empty(1)), before)
    assert np.isfinite(before).all()


def test_without_side_features_an_item_without_events_cannot_be_scored() -> None:
    model = FM.untrained(FMConfig(), TRAIN, ITEMS, seed=1)
    assert np.isneginf(model.score(np.array([0]), Histories.empty(1))[0]).tolist() == [False] * 4 + [True]


def test_a_shopper_without_events_is_known_by_a_side_feature() -> None:
    train, trained_U = histories([[0], [1], []]), np.array([True, True, False])
    segment = make_field("segment", "category", np.array([0, 1, 1]), trained_U)
    assert segment is not None
    with_segment = FM.untrained(FMConfig(), train, ITEMS, seed=1, user_fields=join([segment], trained_U))
    assert with_segment.knows(np.array([0, 2, -1]), Histories.empty(3)).tolist() == [True, True, False]
    assert FM.untrained(FMConfig(), train, ITEMS, seed=1).knows(np.array([0, 2]), Histories.empty(2)).tolist() == [True, False]


def test_the_loss_is_the_mean_logistic_loss_with_the_positive_first() -> None:
    model = FM.untrained(FMConfig(), TRAIN, ITEMS, seed=1)
    with torch.no_grad():
        model.item.vector.weight.zero_()
        model.item.bias.weight[:, 0] = torch.tensor([1.0, -2.0, 0, 0, 0])
    # Positive item 0 has logit 1, negative item 1 logit -2: the mean of ln(1 + e^-1) and ln(1 + e^-2).
    loss = model.loss(torch.tensor([0]), torch.tensor([[0, 1]]))
    assert loss.item() == pytest.approx((np.log1p(np.exp(-1)) + np.log1p(np.exp(-2))) / 2)


def test_the_size_of_a_block_never_changes_a_score(monkeypatch: pytest.MonkeyPatch) -> None:
    model, item = _model(), np.tile(np.arange(ITEMS), (USERS, 1))
    expected = model.score_items(np.arange(USERS), Histories.empty(USERS), item)
    monkeypatch.setattr(fm, "_BLOCK_CELLS", 1)
    np.testing.assert_allclose(model.score_items(np.arange(USERS), Histories.empty(USERS), item), expected, rtol=1e-6)


@pytest.mark.parametrize(
    "settings", [{"factors": 0}, {"init_std": 0.0}, {"dropout": 1.0}, {"hash_size": 0}, {"crosses": -1}, {"implicit": True}]
)
def test_wrong_settings_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(AisleError, match="E304"):
        FMConfig(**settings)  # type: ignore[arg-type]
