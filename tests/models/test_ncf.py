from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from aisle.errors import AisleError
from aisle.features.histories import Histories
from aisle.models import ncf
from aisle.models.ncf import NCF, NCFConfig
from tests.models.communities import histories

# U = 3 users, V = 7 items, the last without events
TRAIN = histories([[0, 1], [2, 3, 4], [5, 0]])
ITEMS = 7
NETWORKS = [
    NCFConfig("neumf", 8, 16, (12, 8)),
    NCFConfig("neumf", 4, 8, (16, 12, 8)),
    NCFConfig("gmf", 8),
    NCFConfig("mlp", 8, 8, (12,)),
]


def _model(config: NCFConfig) -> NCF:
    """Make a network whose numbers are large enough that a mistake shows."""
    model = NCF.untrained(config, TRAIN, ITEMS, seed=4)
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(generator=generator)
    return model.eval()


def _as_in_the_paper(model: NCF, user: Tensor, item: Tensor) -> Tensor:
    """Score pairs by the paper's network: one first layer over both embeddings side by side."""
    parts = []
    if model.config.head != "mlp":
        parts.append(model.user_gmf(user) * model.item_gmf(item))
    if model.config.head != "gmf":
        first = nn.Linear(2 * model.config.mlp_factors, model.config.hidden[0])
        with torch.no_grad():
            first.weight.copy_(torch.cat([model.first_user.weight, model.first_item.weight], dim=1))
            first.bias.copy_(model.first_user.bias)
        hidden = torch.relu(first(torch.cat([model.user_mlp(user), model.item_mlp(item)], dim=1)))
        for layer in model.deeper:
            hidden = torch.relu(layer(hidden))
        parts.append(hidden)
    score: Tensor = model.out(torch.cat(parts, dim=1)).squeeze(1)
    return score


@pytest.mark.parametrize("config", NETWORKS, ids=str)
def test_the_split_first_layer_is_the_papers_network(config: NCFConfig) -> None:
    model = _model(config)
    user, item = torch.arange(3).repeat_interleave(6), torch.arange(6).repeat(3)
    expected = _as_in_the_paper(model, user, item).detach().numpy().reshape(3, 6)
    np.testing.assert_allclose(model.score(np.arange(3), Histories.empty(3))[:, :6], expected, rtol=1e-4, atol=1e-4)
    logit_BN = model(torch.arange(3), torch.arange(6).repeat(3, 1)).detach().numpy()
    np.testing.assert_allclose(logit_BN, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("config", NETWORKS, ids=str)
@pytest.mark.parametrize("cells", [1, 16 * 3, 16 * 7 * 2, 10**6])
def test_the_size_of_a_block_never_changes_a_score(config: NCFConfig, cells: int, monkeypatch: pytest.MonkeyPatch) -> None:
    model, known = _model(config), Histories.empty(3)
    expected = model.score(np.arange(3), known)
    monkeypatch.setattr(ncf, "_BLOCK_CELLS", cells)
    np.testing.assert_allclose(model.score(np.arange(3), known), expected, rtol=1e-4, atol=1e-4)
    every = np.tile(np.arange(ITEMS), (3, 1))
    np.testing.assert_allclose(model.score_items(np.arange(3), known, every), expected, rtol=1e-4, atol=1e-4)


def test_the_network_of_recbole_has_its_number_of_weights() -> None:
    model = NCF.untrained(NCFConfig("neumf", 64, 64, (128, 64)), TRAIN, ITEMS, seed=1)
    tables = (3 + ITEMS) * (64 + 64)
    layers = (2 * 64 * 128 + 128) + (128 * 64 + 64) + (64 + 64 + 1)
    assert sum(parameter.numel() for parameter in model.parameters()) == tables + layers


def test_dropout_changes_training_only() -> None:
    model = NCF.untrained(NCFConfig(dropout=0.5), TRAIN, ITEMS, seed=4)
    batch = torch.tensor([0, 1]), torch.tensor([[0, 3], [2, 5]])
    assert torch.equal(model.eval().loss(*batch), model.loss(*batch))
    torch.manual_seed(1)
    assert not torch.equal(model.train().loss(*batch), model.loss(*batch))


def test_pretrained_halves_start_as_the_mean_of_their_scores() -> None:
    gmf, mlp = (_model(NCFConfig(head, 4, 8, (16, 8))) for head in ("gmf", "mlp"))
    both = NCF.untrained(NCFConfig("neumf", 4, 8, (16, 8)), TRAIN, ITEMS, seed=1).eval()
    both.start_from(gmf, mlp)
    users, known = np.arange(3), Histories.empty(3)
    expected = 0.5 * gmf.score(users, known)[:, :6] + 0.5 * mlp.score(users, known)[:, :6]
    np.testing.assert_allclose(both.score(users, known)[:, :6], expected, rtol=1e-4, atol=1e-4)
    both.start_from(gmf, mlp, gmf_share=1.0)
    np.testing.assert_allclose(both.score(users, known)[:, :6], gmf.score(users, known)[:, :6], rtol=1e-4, atol=1e-4)


def test_regularisation_adds_the_mean_squared_length_of_every_row_drawn() -> None:
    held, free = (NCF.untrained(NCFConfig(regularisation=weight), TRAIN, ITEMS, seed=4) for weight in (0.1, 0.0))
    user_B, item_BN = torch.tensor([0, 1, 1]), torch.tensor([[0, 3], [2, 5], [2, 0]])
    rows = [(held.user_gmf, user_B), (held.user_mlp, user_B), (held.item_gmf, item_BN), (held.item_mlp, item_BN)]
    expected = free.loss(user_B, item_BN) + 0.1 * sum(table(code).square().sum(-1).mean() for table, code in rows)
    torch.testing.assert_close(held.loss(user_B, item_BN), expected)


def test_the_same_seed_draws_the_same_weights() -> None:
    first, second, other = (NCF.untrained(NCFConfig(), TRAIN, ITEMS, seed=seed).state() for seed in (1, 1, 2))
    assert all(np.array_equal(first[name], second[name]) for name in first)
    assert not np.array_equal(first["user_gmf.weight"], other["user_gmf.weight"])


def test_a_shopper_without_events_gets_nothing_of_an_untrained_embedding() -> None:
    train = histories([[0, 1], [2], []])
    model = NCF.untrained(NCFConfig(), train, ITEMS, seed=4).eval()
    score = model.score(np.array([2, -1]), Histories.empty(2))
    assert np.array_equal(score[0], score[1])
    assert model.knows(np.array([0, 2, -1]), Histories.empty(3)).tolist() == [True, False, False]


def test_lists_from_a_recipe_are_accepted_as_widths() -> None:
    assert NCFConfig(hidden=[16, 8]).hidden == (16, 8)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"head": "neumff"}, "did you mean 'neumf'"),
        ({"hidden": ()}, "one or more hidden layers"),
        ({"factors": 0}, "factors=0"),
        ({"dropout": 1.0}, "dropout"),
        ({"regularisation": -1.0}, "regularisation"),
        ({"head": "gmf", "pretrain_epochs": 2}, "0 unless head is neumf"),
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, object], words: str) -> None:
    with pytest.raises(AisleError, match="E303") as error:
        NCFConfig(**settings)  # type: ignore[arg-type]
    assert words in str(error.value)
