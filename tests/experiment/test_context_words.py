"""Asking with raw context values; people have tea in the morning and wine in the evening."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from aisle.dataset.prepare import prepare
from aisle.dataset.reader import Dataset
from aisle.dataset.split import split
from aisle.errors import AisleError
from aisle.experiment.job import Job
from aisle.experiment.kinds.side_fields import parts_of
from aisle.experiment.recipe import parse_recipe, recipe_as_dict
from aisle.experiment.recommender import Recommender
from aisle.logs.recipe import make_log_recipe
from aisle.train.watch import Watch

MORNING, EVENING = ["tea", "milk", "bread"], ["wine", "cheese", "film"]
USERS = 40


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("daytime")
    random = np.random.default_rng(1)
    rows = [
        (user, str(random.choice(items)), daytime, 1.5)
        for user in range(USERS)
        for daytime, items in (("morning", MORNING), ("evening", EVENING))
        for _ in range(6)
    ]
    events = pl.DataFrame(rows, schema=["user_id", "item_id", "daytime", "degrees"], orient="row")
    recipe = make_log_recipe({"event": "click", "order": "rows", "context": ["daytime", "degrees"]}, "test")
    prepare(events, folder / "data", recipe=recipe)
    return Dataset(folder / "data")


@pytest.fixture(scope="module")
def model(dataset: Dataset) -> Recommender:
    raw = {
        "model": "fm",
        "parameters": {"factors": 8, "loss": "softmax"},
        "split": {"kind": "leave-one-out", "repeats": True},
        "train": {"epochs": 10, "learning_rate": 0.05, "batch_size": 64, "device": "cpu", "refit": False},
        "evaluate": {"filter_seen": False, "resamples": 0},
    }
    return Recommender(parse_recipe(raw, "test")).fit(dataset)


def _top(model: Recommender, users: list[int], **context: str) -> list[str]:
    return model.recommend(users, k=1, filter_seen=False, context=context)["item_id"].to_list()


def test_the_same_people_get_other_things_in_other_circumstances(model: Recommender) -> None:
    users = list(range(USERS))
    assert set(_top(model, users, daytime="morning")) <= set(MORNING)
    assert set(_top(model, users, daytime="evening")) <= set(EVENING)


def test_the_context_lifts_what_is_measured(model: Recommender, dataset: Dataset) -> None:
    plain = parse_recipe(
        {**recipe_as_dict(model.recipe), "parameters": {"factors": 8, "loss": "softmax", "context": False}}, "test"
    )
    without = Recommender(plain).fit(dataset).evaluate()
    # Six things, half of them ruled out by the hour.
    assert model.evaluate().means["NDCG@10"] > without.means["NDCG@10"] + 0.05


def test_columns_that_are_not_named_are_not_read_and_unknown_ones_are_refused(model: Recommender, dataset: Dataset) -> None:
    parts = parts_of(_job(model, dataset), context=())
    assert parts[0].context is None
    (train, _), (other, _) = (parts_of(_job(model, dataset), context=wanted) for wanted in (("daytime",), True))
    assert train.context is not None
    assert other.context is not None
    assert train.context.tolist() == other.context.tolist()
    with pytest.raises(AisleError, match="E312"):
        parts_of(_job(model, dataset), context=("degrees",))


def _job(model: Recommender, dataset: Dataset) -> Job:
    return Job(dataset, split(dataset, model.recipe.split), model.recipe.train, Watch())


def test_a_stranger_is_answered_by_the_circumstances(model: Recommender) -> None:
    table = model.recommend(["nobody"], k=1, context={"daytime": "evening"})
    assert table["source"].to_list() == ["model"]
    assert set(table["item_id"]) <= set(EVENING)


def test_a_value_that_the_log_does_not_have_says_nothing(model: Recommender) -> None:
    assert model.recommend([3], context={"daytime": "noon"}).equals(model.recommend([3]))


@pytest.mark.parametrize("column", ["daytme", "degrees"])  # misspelt; a number, which has no codes
def test_a_column_that_is_no_context_is_refused(column: str, model: Recommender) -> None:
    with pytest.raises(AisleError, match="E312"):
        model.recommend([3], context={column: "morning"})


def test_a_loaded_model_understands_the_same_words(model: Recommender, tmp_path: Path) -> None:
    model.save(tmp_path / "model")
    loaded = Recommender.load(tmp_path / "model")
    for context in ({}, {"daytime": "morning"}, {"daytime": "evening"}):
        assert loaded.recommend([1, 2], context=context).equals(model.recommend([1, 2], context=context))


def test_a_log_without_context_says_so(dataset_folder: Path) -> None:
    model = Recommender(parse_recipe({"model": "popularity"}, "test")).fit(Dataset(dataset_folder))
    with pytest.raises(AisleError, match="ask without a context"):
        model.recommend(["u1"], context={"daytime": "morning"})
