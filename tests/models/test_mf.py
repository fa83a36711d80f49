from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from aisle.errors import AisleError
from aisle.features.histories import Histories
from aisle.models.mf import MF, MFConfig
from tests.models.communities import histories

TRAIN = histories([[0, 1], [2, 3], []])
ITEMS = 5


def _by_hand(config: MFConfig) -> MF:
    """Two users and four items with round numbers: u0 = (1, 2) with bias .5, i0 = (1, 0), i2 = (0, 1) with bias -1."""
    model = MF.untrained(config, TRAIN, ITEMS, seed=1).eval()
    with torch.no_grad():
        for table in (model.user, model.item, model.user_bias, model.item_bias):
            table.weight.zero_()
        model.user.weight[0] = torch.tensor([1.0, 2.0])
        model.user_bias.weight[0] = 0.5
        model.item.weight[0] = torch.tensor([1.0, 0.0])
        model.item.weight[2] = torch.tensor([0.0, 1.0])
        model.item_bias.weight[2] = -1.0
    return model


def test_a_score_is_a_product_and_two_biases() -> None:
    score = _by_hand(MFConfig(2)).score(np.array([0]), Histories.empty(1))[0]
    # i0: 1 * 1 + 2 * 0 + .5; i1: only the user's bias; i2: 2 + .5 - 1; i4 was never seen
    assert score.tolist() == [1.5, 0.5, 1.5, 0.5, -math.inf]


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        # positive 1.5; negatives .5 and 1.5
        ("logistic", (math.log1p(math.exp(-1.5)) + math.log1p(math.exp(0.5)) + math.log1p(math.exp(1.5))) / 3),
        ("bpr", (math.log1p(math.exp(0.5 - 1.5)) + math.log(2)) / 2),
        ("softmax", -math.log(math.exp(1.5) / (math.exp(1.5) + math.exp(0.5) + math.exp(1.5)))),
    ],
)
def test_each_loss_by_hand(loss: str, expected: float) -> None:
    model = _by_hand(MFConfig(2, loss, regularisation=0))  # type: ignore[arg-type]
    assert model.loss(torch.tensor([0]), torch.tensor([[0, 1, 2]])).item() == pytest.approx(expected, rel=1e-6)


def test_regularisation_counts_a_row_as_often_as_it_is_drawn() -> None:
    batch = torch.tensor([0, 0]), torch.tensor([[0, 2], [0, 1]])
    free, held = (_by_hand(MFConfig(2, regularisation=weight)).loss(*batch).item() for weight in (0.0, 0.1))
    # user 0 twice of two: 1 + 4 + .25; items: i0 twice 1, i2 once 1 + 1, i1 once 0, of four
    assert held - free == pytest.approx(0.1 * (5.25 + (1 + 1 + 2 + 0) / 4), rel=1e-5)


def test_a_shopper_without_events_gets_nothing_of_an_untrained_vector() -> None:
    model = MF.untrained(MFConfig(4), TRAIN, ITEMS, seed=1).eval()
    assert model.score(np.array([2, -1]), Histories.empty(2))[:, :4].tolist() == [[0] * 4] * 2
    assert model.knows(np.array([0, 2, -1]), Histories.empty(3)).tolist() == [True, False, False]


def test_dropout_changes_training_only() -> None:
    model = MF.untrained(MFConfig(8, dropout=0.5), TRAIN, ITEMS, seed=4)
    batch = torch.tensor([0, 1]), torch.tensor([[0, 3], [2, 1]])
    assert torch.equal(model.eval().loss(*batch), model.loss(*batch))
    torch.manual_seed(1)
    assert not torch.equal(model.train().loss(*batch), model.loss(*batch))


@pytest.mark.parametrize(
    "settings", [{"loss": "bprr"}, {"factors": 0}, {"init_std": 0.0}, {"regularisation": -1}, {"dropout": 1}]
)
def test_wrong_settings_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(AisleError, match="E326"):
        MFConfig(**settings)  # type: ignore[arg-type]
