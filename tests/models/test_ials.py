from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from aisle.errors import AisleError
from aisle.models.ials import IALS, IALSConfig, _solve
from tests.models.communities import ITEMS, histories, train_part


def test_a_row_is_the_answer_to_its_normal_equations() -> None:
    """Rows of two columns and of four, and one without any, in three dimensions: both ways to the answer."""
    random = np.random.default_rng(3)
    item_VD = random.standard_normal((7, 3)).astype(np.float32)
    config = IALSConfig(3, empty_weight=0.2, regularisation=0.5, regularisation_power=0.75)
    met_RN = sparse.csr_array(np.array([[0, 2, 0, 0, 1, 0, 0], [0] * 7, [1, 1, 1, 0, 0, 0, 1]], np.float32))
    solved_RD = _solve(met_RN, item_VD, config)
    for row, weight_V in enumerate(met_RN.toarray()):
        hold = 0.5 * (weight_V.sum() + 0.2 * 7) ** 0.75
        system_DD = 0.2 * item_VD.T @ item_VD + item_VD.T @ np.diag(weight_V) @ item_VD + hold * np.eye(3)
        np.testing.assert_allclose(solved_RD[row], np.linalg.solve(system_DD, item_VD.T @ weight_V), rtol=1e-4, atol=1e-6)


def test_solving_in_turn_never_makes_the_loss_worse() -> None:
    """The loss of the paper, written out cell by cell, after 1, 2, 4 and 8 rounds."""
    known = train_part()
    met_UV = np.zeros((len(known), ITEMS))
    met_UV[known.rows, known.item] = 1
    losses = []
    for iterations in (1, 2, 4, 8):
        config = IALSConfig(4, iterations, empty_weight=0.3, regularisation=0.01)
        model = IALS.fit(config, known, ITEMS)
        active, trained = met_UV.sum(axis=1) > 0, model.trained_V
        user_UD, item_VD, met = model.user_vectors(known)[active], model.item_VD[trained], met_UV[active][:, trained]
        score = user_UD @ item_VD.T
        fit = (met * (score - 1) ** 2).sum() + 0.3 * (score**2).sum()
        size_U, size_V = met.sum(axis=1) + 0.3 * met.shape[1], met.sum(axis=0) + 0.3 * met.shape[0]
        hold = (size_U * (user_UD**2).sum(axis=1)).sum() + (size_V * (item_VD**2).sum(axis=1)).sum()
        losses.append(fit + 0.01 * hold)
    assert losses == sorted(losses, reverse=True)


def test_somebody_new_with_the_same_history_gets_the_same_vector() -> None:
    known = train_part()
    model = IALS.fit(IALSConfig(8, 4), known, ITEMS)
    newcomer = model.score(np.array([-1]), known.take(np.array([7])))
    assert np.array_equal(newcomer, model.score(np.array([7]), known.take(np.array([7]))))
    assert model.knows(np.array([-1, -1]), histories([[3], []])).tolist() == [True, False]


def test_the_seed_fixes_the_vectors() -> None:
    first, second, other = (IALS.fit(IALSConfig(8, 2), train_part(), ITEMS, seed=seed).item_VD for seed in (1, 1, 2))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, other)


def test_a_weightier_event_says_more() -> None:
    known = histories([[0, 1]] * 5 + [[2, 3]] * 5 + [[0, 2]])
    known.event[-1] = 1  # the last shopper bought 0 and only viewed 2
    config = IALSConfig(2, 20, event_weights=(("view", 0.05),))
    model = IALS.fit(config, known, 4)
    score = model.score(np.array([10]), known.take(np.array([10])))[0]
    assert score[1] > 2 * score[3]


@pytest.mark.parametrize(
    "settings", [{"dimensions": 0}, {"regularisation": 0.0}, {"empty_weight": 0}, {"regularisation_power": -1}]
)
def test_wrong_settings_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(AisleError, match="E321"):
        IALSConfig(**settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("columns", [1, 4])
def test_a_system_that_float32_cannot_solve_is_said_so(columns: int) -> None:
    # Items with one vector among them, and held by what is 0 in float32: nothing says where in the other dimension to be.
    config = IALSConfig(2, empty_weight=1e-60, regularisation=1e-60)
    with pytest.raises(AisleError, match="E322"):
        _solve(sparse.csr_array(np.ones((1, columns), np.float32)), np.ones((columns, 2), np.float32), config)
