from __future__ import annotations

import numpy as np
import pytest
from safetensors.numpy import load, save
from scipy import sparse

from aisle.errors import AisleError
from aisle.models.ease import EASE, EASEConfig, _by_items, _by_users
from tests.models.communities import ITEMS, histories, train_part


def _regression(met_UN: np.ndarray, penalty_N: np.ndarray) -> np.ndarray:
    """Solve one ridge regression an item, from all other items: no inverse, no trick."""
    weight_NN = np.zeros((met_UN.shape[1],) * 2)
    for item in range(met_UN.shape[1]):
        others = np.arange(met_UN.shape[1]) != item
        from_UM = met_UN[:, others]
        system = from_UM.T @ from_UM + np.diag(penalty_N[others])
        weight_NN[others, item] = np.linalg.solve(system, from_UM.T @ met_UN[:, item])
    return weight_NN


@pytest.fixture(name="met_UN")
def who_met_what() -> np.ndarray:
    return (np.random.default_rng(0).random((30, 12)) < 0.3).astype(np.float32)


def test_the_weights_are_those_of_one_regression_an_item(met_UN: np.ndarray) -> None:
    penalty_N = np.linspace(1, 5, 12, dtype=np.float32)
    weight_NN = _by_items(sparse.csr_array(met_UN), penalty_N)["weight"]
    np.testing.assert_allclose(weight_NN, _regression(met_UN, penalty_N), atol=1e-5)


def test_fewer_users_than_items_take_another_way_to_the_same_scores(met_UN: np.ndarray) -> None:
    penalty_N = np.linspace(1, 5, 12, dtype=np.float32)
    asked = sparse.csr_array(met_UN[:9] * np.float32(0.5))
    trained = np.ones(12, np.bool_)
    few = EASE(EASEConfig(), trained, _by_users(sparse.csr_array(met_UN), penalty_N))
    many = EASE(EASEConfig(), trained, _by_items(sparse.csr_array(met_UN), penalty_N))
    np.testing.assert_allclose(few._through(asked), many._through(asked), atol=1e-5)
    np.testing.assert_allclose(few.similar(np.arange(12)), many.similar(np.arange(12)), atol=1e-5)


def test_the_way_of_few_users_is_saved_and_loaded_bit_for_bit() -> None:
    few = train_part().take(np.arange(20, 40))  # 20 shoppers, 24 items
    model = EASE.fit(EASEConfig(5), few, ITEMS)
    assert "inverse" in model.state()
    again = EASE.from_state(model.config, load(save(model.state())))
    assert np.array_equal(again.score(np.arange(20), few), model.score(np.arange(20), few))


def test_dropout_is_an_average_over_hidden_items() -> None:
    """With one shopper who met both items, B[0, 1] = 1 / (1 + regularisation + p / (1 - p)): by hand, p = .5."""
    model = EASE.fit(EASEConfig(3, dropout=0.5), histories([[0, 1], [0, 1]]), 2)
    # X'X = 2 everywhere, penalty 3 + 1 * 2 = 5: the regression of one item on the other is 2 / (2 + 5)
    np.testing.assert_allclose(model.score(np.array([0]), histories([[0]])), [[0, 2 / 7]], rtol=1e-6)


def test_too_large_a_problem_is_refused_before_it_takes_the_memory() -> None:
    with pytest.raises(AisleError, match="E324") as error:
        EASE.fit(EASEConfig(max_size=5), train_part(), ITEMS)
    assert "60 users and 24 items" in str(error.value)
    EASE.fit(EASEConfig(max_size=24), train_part(), ITEMS)


def test_float32_says_when_it_cannot_invert() -> None:
    singular = sparse.csr_array(np.ones((4, 3), np.float32) * 1000)
    with pytest.raises(AisleError, match="E325"):
        _by_items(singular, np.full(3, 1e-6, np.float32))


@pytest.mark.parametrize("settings", [{"regularisation": 0.0}, {"dropout": 1.0}, {"max_size": 0}])
def test_wrong_settings_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(AisleError, match="E323"):
        EASEConfig(**settings)  # type: ignore[arg-type]
