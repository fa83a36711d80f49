"""A two-stage recipe from text to lists with reasons."""

from __future__ import annotations

import dataclasses
import tomllib
from pathlib import Path

import numpy as np
import pytest

from aisle.dataset.reader import Dataset
from aisle.errors import AisleError
from aisle.experiment.recipe import Recipe, load_recipe, parse_recipe, write_recipe
from aisle.experiment.recommender import Recommender
from aisle.experiment.request import Request
from aisle.recommend.rules import Rules
from aisle.recommend.stages import TwoStage

QUICK = """
model = "two-stage"
baselines = []

[parameters]
recall = [
    {model = "item-knn", count = 30},
    {model = "fm", count = 20, parameters = {factors = 4}, train = {epochs = 1}},
    {model = "popularity", name = "popular this week", count = 10, parameters = {kind = "recent", days = 7.0}},
]
ranker = {model = "candidate-fm", parameters = {factors = 2, hidden = []}, train = {epochs = 2, batch_size = 32}}
fallback = [{model = "content"}]
ranker_shares = [0.2]

[evaluate]
resamples = 0

[rules]
max_per_category = 3
"""


def recipe(**parameters: object) -> Recipe:
    raw = tomllib.loads(QUICK)
    raw["parameters"] |= parameters
    return parse_recipe(raw, "quick")


@pytest.fixture(scope="module")
def fitted(dataset: Dataset) -> Recommender:
    return Recommender(recipe()).fit(dataset)


def test_a_recipe_that_was_written_reads_back_equal(tmp_path: Path) -> None:
    write_recipe(recipe(), tmp_path / "recipe.toml")
    assert load_recipe(tmp_path / "recipe.toml") == recipe()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"recall": [{"model": "item-kn"}]}, r"parameters.recall\[0\].model = 'item-kn' is not a model\n.*'item-knn'"),
        ({"recall": [{"model": "fm", "parameters": {"factor": 3}}]}, r"unknown key 'parameters.recall\[0\].parameters.factor'"),
        ({"recall": [{"model": "fm", "train": {"epoch": 3}}]}, r"unknown key 'parameters.recall\[0\].train.epoch'"),
        ({"recall": [{"model": "fm", "cout": 3}]}, r"unknown key 'parameters.recall\[0\].cout'\n.*'count'"),
        ({"recall": [{"model": "fm", "count": "many"}]}, r"parameters.recall\[0\].count = 'many' does not fit"),
        ({"recall": {"model": "fm"}}, "parameters.recall = .* expected a list"),
        ({"recall": ["fm"]}, r"parameters.recall\[0\] = 'fm' is not a model"),
        ({"recall": [{"model": "two-stage"}]}, r"parameters.recall\[0\].model = 'two-stage' is not a model"),
        ({"recall": [{"model": "fm"}, {"model": "fm"}]}, "two recallers have one name"),
        ({"ranker": {"model": "candidate-fn"}}, r"parameters.ranker.model = 'candidate-fn'"),
        ({"ranker_shares": [2.0]}, "ranker_shares"),
    ],
)
def test_a_nested_mistake_is_named_with_its_place(parameters: dict[str, object], message: str) -> None:
    with pytest.raises(AisleError, match=f"(?s){message}"):
        recipe(**parameters)


def test_two_stages_without_recallers_are_refused(dataset: Dataset) -> None:
    with pytest.raises(AisleError, match="no recallers"):
        Recommender(recipe(recall=[])).fit(dataset)


def test_the_records_are_the_rankers_and_validation_chooses_its_epoch(fitted: Recommender) -> None:
    assert [record.epoch for record in fitted.records] == [1, 2]
    assert all(record.validation is not None for record in fitted.records)


def test_it_evaluates_like_any_model(fitted: Recommender) -> None:
    assert 0 < fitted.evaluate().means["HR@10"] <= 1


def test_it_was_saved_and_loaded_and_says_the_same(fitted: Recommender, dataset: Dataset, tmp_path: Path) -> None:
    fitted.save(tmp_path / "model")
    users = dataset.users.decode(range(30))
    again = Recommender.load(tmp_path / "model").recommend(users)
    assert again.equals(fitted.recommend(users))


def test_every_item_has_a_reason(fitted: Recommender, dataset: Dataset) -> None:
    table = fitted.recommend([*dataset.users.decode(range(40)), "nobody"])
    assert table["reason"].null_count() == 0
    strangers = table.filter(table["user_id"] == "nobody")
    assert set(strangers["reason"]) == {"popular"}
    known = table.filter(table["source"] == "model")
    assert known["reason"].str.starts_with("similar to i").any()
    named = known.filter(known["because_item_id"].is_not_null())
    for user, because in named.select("user_id", "because_item_id").head(20).iter_rows():
        assert because in [item for item, _ in fitted.known_events(user)]


def test_the_rules_of_the_recipe_hold_and_those_of_a_request_replace_them(fitted: Recommender, dataset: Dataset) -> None:
    category = dataset.item_feature("category").values
    assert category is not None

    def most_of_a_kind(rules: Rules | None) -> int:
        users = [*dataset.users.decode(range(40)), "nobody"]
        answer = fitted.answer(users, Request(rules=rules))
        assert (len(answer.removed) > 0) == (rules != Rules())
        code = category[dataset.items.encode(answer.table["item_id"].to_list())]
        lists = np.array([str(user) for user in answer.table["user_id"]])
        return max(int(np.bincount(code[lists == user]).max()) for user in set(lists))

    assert most_of_a_kind(None) == 3
    assert most_of_a_kind(Rules()) > 3
    assert most_of_a_kind(Rules(max_per_category=1)) == 1


def test_a_rule_about_events_that_the_model_does_not_remember_is_refused(fitted: Recommender, dataset: Dataset) -> None:
    with pytest.raises(AisleError, match="'impression'") as caught:
        fitted.recommend(dataset.users.decode([0]), rules=Rules(exclude_events=("impression",)))
    assert caught.value.code == "E376"


def test_where_repeats_are_asked_ones_own_items_are_candidates_and_elsewhere_not(fitted: Recommender, dataset: Dataset) -> None:
    raw = tomllib.loads(QUICK) | {"split": {"repeats": True}, "evaluate": {"filter_seen": False, "resamples": 0}}
    raw["parameters"] |= {"recall": [{"model": "recently-viewed", "count": 5}, {"model": "popularity", "count": 5}]}
    again = Recommender(parse_recipe(raw, "quick")).fit(dataset)
    for model, theirs in ((again, True), (fitted, False)):
        assert model.fitted is not None
        assert isinstance(model.fitted.model, TwoStage)
        code, known = model.histories(dataset.users.decode(np.flatnonzero(dataset.histories.lengths > 5)[:5]))
        item_BN = model.fitted.model.candidates(code, known).item
        assert all(bool(set(item_BN[row].tolist()) & set(known.row(row).tolist())) is theirs for row in range(5))


def test_any_model_can_be_the_ranker(dataset: Dataset) -> None:
    quick = recipe(ranker={"model": "fm", "parameters": {"factors": 4}, "train": {"epochs": 1}})
    model = Recommender(dataclasses.replace(quick, train=dataclasses.replace(quick.train, refit=False))).fit(dataset)
    assert model.fitted is not None
    assert model.fitted.model.state()["ranker.user.vector.weight"].shape[1] == 4
    assert len(model.recommend(dataset.users.decode([0, 1]), k=5)) == 10
