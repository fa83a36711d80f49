"""Every model of the promise, trained by its recipe on a simulated shop: 1,000 shoppers get the eager model's lists."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from aisle.bundle.scorers import load_scorer
from aisle.dataset.prepare import prepare
from aisle.dataset.reader import Dataset
from aisle.experiment.recipe import load_recipe
from aisle.experiment.recommender import Recommender
from aisle.export.scorer_folder import TOLERANCE
from aisle.export.scorers import export_scorer
from aisle.features.histories import Histories
from aisle.recommend.topk import top_k
from aisle.simulate.config import ShopConfig
from aisle.simulate.shop import simulate
from tests.export.list_agreement import disagreements

SHOPPERS, PLACES, STRANGERS = 1_000, 10, 100
RECIPES: dict[str, tuple[str, list[str]]] = {
    "popularity": ("popularity", []),
    "item-knn": ("item-knn", []),
    "fm": ("fm", ["train.epochs=1"]),
    "ncf": ("ncf", ["train.epochs=1"]),
    "mf": ("mf-frappe", ["train.epochs=1", "split.kind=leave-one-out", "split.repeats=false"]),
    "two-tower": ("two-tower", ["train.epochs=1"]),
    "lstm": ("lstm", ["train.epochs=1"]),
    "sasrec": ("sasrec", ["train.epochs=1"]),
    "two-stage": ("two-stage", ["train.epochs=2"]),
}


@pytest.fixture(scope="module")
def big_shop(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """A simulated shop of 1,000 shoppers and 800 items."""
    folder = tmp_path_factory.mktemp("big")
    simulate(ShopConfig(users=SHOPPERS, items=800, events=40_000, seed=9), folder / "shop")
    prepare([folder / "shop" / "events.parquet"], folder / "dataset", items=folder / "shop" / "items.parquet")
    return Dataset(folder / "dataset")


def asked(n_items: int, n_users: int) -> tuple[NDArray[np.int64], Histories]:
    """Return 1,000 shoppers, a tenth of them strangers, with histories of 1 to 200 events, simulated anew."""
    random = np.random.default_rng(4)
    length_B = np.resize(np.arange(1, 201), SHOPPERS)
    offsets = np.concatenate([[0], np.cumsum(length_B)]).astype(np.int64)
    item = (n_items * random.random(offsets[-1]) ** 2).astype(np.int32)  # some items are met more often
    event, time = random.integers(1, 9, len(item)).astype(np.uint8), np.sort(random.integers(0, 10**14, len(item)))
    user_B = np.resize(np.arange(n_users), SHOPPERS)
    user_B[:STRANGERS] = -1
    return user_B, Histories(offsets, item, event, time)


def lists(model: Any, user_B: NDArray[np.int64], known: Histories) -> tuple[NDArray[np.bool_], Any]:
    knows_B = model.knows(user_B, known)
    score_BV = model.score(user_B, known)
    score_BV[~knows_B] = -np.inf
    return knows_B, top_k(score_BV, PLACES)


@pytest.mark.slow
@pytest.mark.parametrize("name", RECIPES)
def test_a_thousand_shoppers_get_the_lists_of_the_eager_model(name: str, big_shop: Dataset, tmp_path: Path) -> None:
    source, overrides = RECIPES[name]
    recipe = load_recipe(source, ["baselines=[]", "train.refit=false", *overrides])
    recommender = Recommender(recipe)
    recommender.fit(big_shop)
    assert recommender.fitted is not None
    model = recommender.fitted.model
    export_scorer(model, name, recipe.parameters, tmp_path)
    user_B, known = asked(big_shop.n_items, big_shop.n_users)
    knows_B, (item_BK, score_BK) = lists(model, user_B, known)
    seen_B, (served_BK, served_score_BK) = lists(load_scorer(tmp_path), user_B, known)
    np.testing.assert_array_equal(seen_B, knows_B)
    assert knows_B.sum() > SHOPPERS / 2
    wrong = disagreements(item_BK, score_BK, served_BK, served_score_BK, TOLERANCE)
    assert not len(wrong), (len(wrong), item_BK[wrong[0]], score_BK[wrong[0]], served_BK[wrong[0]], served_score_BK[wrong[0]])
