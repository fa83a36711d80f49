from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch

from aisle.errors import AisleError
from aisle.features.fields import Fields, category_lists, join, make_field
from aisle.features.histories import Histories
from aisle.models import fm
from aisle.models.fm import FM, FMConfig
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


@pytest.mark.parametrize("settings", [{"factors": 0}, {"init_std": 0.0}, {"dropout": 1.0}])
def test_wrong_settings_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(AisleError, match="E304"):
        FMConfig(**settings)  # type: ignore[arg-type]
