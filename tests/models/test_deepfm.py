"""DeepFM is its machine plus its network: three users, five items with tags (several a row) and a price, two context columns."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from aisle.errors import AisleError
from aisle.features.fields import Fields, category_lists, context_table, join, make_field
from aisle.features.histories import Histories
from aisle.models import deepfm
from aisle.models.deepfm import DeepFM, DeepFMConfig
from tests.models.communities import histories

TRAIN = histories([[0, 1], [2, 1], [3, 0]])
USERS, ITEMS, K = 3, 5, 2
HEADS: list[Literal["deep", "cross"]] = ["deep", "cross"]
ASKED = Histories.empty(USERS).at(np.array([[0, 1], [1, -1], [-1, -1]], np.int32))


def _item_fields() -> Fields:
    trained_V = np.array([1, 1, 1, 1, 0], bool)
    tags = category_lists("tags", np.array([0, 2, 3, 3, 6, 7]), np.array([0, 1, 1, 0, 1, 2, 2]))
    price = make_field("price", "number", np.array([1.0, 2, 3, np.nan, 9]), trained_V, buckets=2)
    assert price is not None
    return join([tags, price], trained_V)


def _model(head: Literal["deep", "cross"], **settings: Any) -> DeepFM:
    config = DeepFMConfig(head, K, (4, 3), init_std=1.0, **settings)
    table = context_table([2, 2], np.array([[0, 1], [1, 0]], np.int32))
    return DeepFM.untrained(config, TRAIN, ITEMS, seed=1, item_fields=_item_fields(), context=table).eval()


def _inputs(model: DeepFM, user: int, item: int, context: list[int]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the question's and the item's inputs, looked up one by one."""
    assert model.fm.context is not None
    vector = {name: getattr(model.fm, name).vector.weight.detach().numpy() for name in ("user", "item", "context")}
    rows = model.fm.context.rows(torch.tensor([context]))[0].tolist()
    question = [vector["user"][user], *(vector["context"][row] if row >= 0 else np.zeros(K) for row in rows)]
    code, weight = model.fm.item.code[item].numpy(), model.fm.item.weight[item].numpy()
    parts = vector["item"][code] * weight[:, None]
    # One place for the id, three for the tags (item 3 has three), one for the price.
    return np.concatenate(question), np.concatenate([parts[0], parts[1:4].sum(axis=0), parts[4]])


def _layer(layer: Any) -> tuple[NDArray[np.float32], Any]:
    return layer.weight.detach().numpy(), 0 if layer.bias is None else layer.bias.detach().numpy()


def _network(model: DeepFM, question: NDArray[np.float32], item: NDArray[np.float32]) -> float:
    head: Any = model.head
    if isinstance(head, deepfm.Deep):
        (on_question, b), (on_item, _) = _layer(head.question), _layer(head.item)
        x = np.maximum(on_question @ question + on_item @ item + b, 0)
        for weight, bias in map(_layer, head.deeper):
            x = np.maximum(weight @ x + bias, 0)
    else:
        first = x = np.concatenate([question, item])
        for weight, bias in map(_layer, head.layers):
            x = first * (weight @ x + bias) + x
    weight, bias = _layer(head.out)
    return float((weight @ x + bias)[0])


@pytest.mark.parametrize("head", HEADS)
def test_a_score_is_the_machines_plus_the_networks(head: Literal["deep", "cross"]) -> None:
    model = _model(head)
    score, machine = model.score(np.arange(USERS), ASKED), model.fm.score(np.arange(USERS), ASKED)
    assert ASKED.context is not None
    for user in range(USERS):
        for item in range(ITEMS):
            network = _network(model, *_inputs(model, user, item, ASKED.context[user].tolist()))
            assert score[user, item] == pytest.approx(machine[user, item] + network, rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("head", HEADS)
def test_training_and_scoring_use_the_same_formula_in_blocks_of_any_size(
    head: Literal["deep", "cross"], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, item_BN = _model(head), torch.arange(ITEMS).repeat(USERS, 1)
    assert ASKED.context is not None
    logit_BN = model(torch.arange(USERS), item_BN, torch.tensor(ASKED.context)).detach().numpy()
    for cells in (deepfm._BLOCK_CELLS, 1):
        monkeypatch.setattr(deepfm, "_BLOCK_CELLS", cells)
        np.testing.assert_allclose(model.score(np.arange(USERS), ASKED), logit_BN, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(model.score_items(np.arange(USERS), ASKED, item_BN.numpy()), logit_BN, rtol=1e-4, atol=1e-5)


def test_without_context_or_side_features_the_network_reads_two_ids() -> None:
    model = DeepFM.untrained(DeepFMConfig(factors=3), TRAIN, ITEMS, seed=1).eval()
    score = model.score(np.array([0, -1]), Histories.empty(2))
    assert np.isfinite(score[:, :4]).all()
    assert np.isneginf(score[:, 4]).all()  # nothing is known about item 4


@pytest.mark.parametrize("settings", [{"hidden": ()}, {"hidden": (4, 0)}, {"cross_layers": 0}])
def test_wrong_settings_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(AisleError, match="E313"):
        DeepFMConfig(**settings)


def test_settings_of_the_machine_are_checked_too() -> None:
    with pytest.raises(AisleError, match="E304"):
        DeepFMConfig(factors=0)
