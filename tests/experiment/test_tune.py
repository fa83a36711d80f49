"""A search looks at validation only, ends as if it had never been interrupted, and leaves a recipe to train."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aisle.dataset.cases import Cases
from aisle.dataset.reader import Dataset
from aisle.dataset.split import split as cut
from aisle.errors import AisleError
from aisle.evaluate.evaluation import evaluate
from aisle.experiment import tune as tune_module
from aisle.experiment.recipe import load_recipe, load_space
from aisle.experiment.recommender import Recommender
from aisle.experiment.search import Plan, Search
from aisle.experiment.space import Space
from aisle.experiment.tune import Budget, tune, without_test

EPOCHS = ["train.epochs=3", "parameters.hidden=[8]", "parameters.mlp_factors=4"]
NCF = ["train.learning_rate=1e-4:0.1:log", "parameters.factors=4,8"]
KNN = ["parameters.shrink=0.1:100:log", "parameters.weighting=none,tfidf"]


def space(recipe: str, searches: list[str]) -> Space:
    """Return what is searched here, without what the recipe itself would search."""
    wanted = [search.split("=")[0] for search in searches]
    return {key: choice for key, choice in load_space(recipe, searches).items() if key in wanted}


def knn_plan(**changes: Any) -> Plan:
    return Plan(load_recipe("item-knn"), space("item-knn", KNN), **changes)


def ncf_plan() -> Plan:
    return Plan(load_recipe("ncf", EPOCHS), space("ncf", NCF))


def told(search: Search) -> list[tuple[Any, ...]]:
    """Everything about the trials but their time."""
    return [(trial.number, trial.values, trial.state, trial.metric, trial.best_epoch) for trial in search.trials]


class PowerCutError(BaseException):
    """Stands for a kill: nobody inside catches it."""


def test_the_best_trial_becomes_a_recipe_that_can_be_trained(dataset: Dataset, tmp_path: Path) -> None:
    search = tune(dataset, ncf_plan(), tmp_path / "search", Budget(3))
    assert [trial.number for trial in search.trials] == [1, 2, 3]
    assert search.best is not None
    assert search.best.metric == max(trial.metric for trial in search.trials if trial.metric is not None)
    best = load_recipe(tmp_path / "search" / "best.toml")
    assert best == search.best_recipe
    assert best.train.learning_rate == search.best.values["train.learning_rate"]
    assert best.train.refit  # as the recipe says: only the trials leave the validation events out
    document = json.loads((tmp_path / "search" / "trials.json").read_text())
    assert (document["metric"], document["best"], len(document["trials"])) == ("NDCG@10", search.best.number, 3)
    assert (tmp_path / "search" / "search.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("plan", [knn_plan(), ncf_plan()], ids=["item-knn", "ncf"])
def test_the_value_of_a_trial_is_the_validation_metric_of_a_model_that_saw_the_training_part_only(
    dataset: Dataset, tmp_path: Path, plan: Plan
) -> None:
    trial = tune(dataset, plan, tmp_path / "search", Budget(1)).trials[0]
    overrides = [f"{key}={json.dumps(value)}" for key, value in trial.values.items()]
    recipe = load_recipe(plan.recipe.model, [*(EPOCHS if plan.recipe.model == "ncf" else []), *overrides, "train.refit=false"])
    fitted = Recommender(recipe).fit(dataset)
    cases = cut(dataset, recipe.split).validation
    assert trial.metric == fitted.validate() == fitted.evaluate(cases).means["NDCG@10"]


def test_the_test_part_is_never_looked_at(dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Cases] = []
    measure = evaluate

    def watched(scorer: Any, cases: Cases, *rest: Any) -> Any:
        asked.append(cases)
        return measure(scorer, cases, *rest)

    monkeypatch.setattr("aisle.experiment.recommender.evaluate", watched)
    for name, plan in (("knn", knn_plan()), ("ncf", ncf_plan())):
        tune(dataset, plan, tmp_path / name, Budget(2))
    validation = cut(dataset, load_recipe("item-knn").split).validation
    assert asked
    assert all(np.array_equal(cases.target_item, validation.target_item) for cases in asked)


def test_a_search_has_no_test_cases_to_look_at_and_no_validation_answers_to_learn(dataset: Dataset) -> None:
    recipe = load_recipe("item-knn", ["train.refit=false"])
    split = without_test(cut(dataset, recipe.split))
    assert len(split.test) == 0
    assert split.refit is split.train
    with pytest.raises(AisleError, match="E700"):
        Recommender(recipe).fit(dataset, split).evaluate()


def test_a_model_that_learned_the_answers_is_not_validated_on_them(dataset: Dataset) -> None:
    with pytest.raises(AisleError, match="E311"):
        Recommender(load_recipe("item-knn")).fit(dataset).validate()


def test_the_first_trial_is_the_recipe_itself_where_it_lies_in_the_space(dataset: Dataset, tmp_path: Path) -> None:
    first = tune(dataset, knn_plan(), tmp_path / "inside", Budget(1)).trials[0]
    assert first.values == {"parameters.shrink": 10.0, "parameters.weighting": "tfidf"}
    outside = Plan(load_recipe("item-knn", ["parameters.shrink=1000"]), space("item-knn", KNN))
    lines: list[str] = []
    tune(dataset, outside, tmp_path / "outside", Budget(1), say=lines.append)
    assert "outside the space" in lines[0]


def test_the_seed_fixes_the_search(dataset: Dataset, tmp_path: Path) -> None:
    a, b, c = (tune(dataset, knn_plan(seed=seed), tmp_path / name, Budget(3)) for name, seed in (("a", 1), ("b", 1), ("c", 2)))
    assert told(a) == told(b) != told(c)


@pytest.mark.parametrize("cut_at", [1, 2, 12])
def test_a_search_that_was_cut_ends_with_the_trials_it_would_have_had(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut_at: int
) -> None:
    """12 is past the ten random trials: there the sampler proposes from those before."""
    whole = tune(dataset, knn_plan(), tmp_path / "whole", Budget(13 if cut_at > 10 else 3))
    fit, calls = Recommender.fit, iter(range(1, 100))

    def fit_until_the_cut(self: Recommender, *args: Any, **kwargs: Any) -> Recommender:
        if next(calls) == cut_at:
            raise PowerCutError
        return fit(self, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(Recommender, "fit", fit_until_the_cut)
        # A killed process says nothing more: not even that its trial failed.
        patch.setattr("aisle.experiment.study.Asked.forget", lambda self: None)
        with pytest.raises(PowerCutError):
            tune(dataset, knn_plan(), tmp_path / "cut", Budget(len(whole.trials)))
    assert told(tune(dataset, knn_plan(), tmp_path / "cut", Budget(len(whole.trials)), resume=True)) == told(whole)
    journal = (tmp_path / "cut" / "study.journal").read_text()
    assert journal.count('"state":3') + journal.count('"state": 3') == 1  # Optuna's number for a trial that failed


def test_a_search_can_be_made_longer_and_a_finished_one_runs_nothing(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = tune(dataset, knn_plan(), tmp_path / "search", Budget(2))
    longer = tune(dataset, knn_plan(), tmp_path / "search", Budget(4), resume=True)
    assert told(longer)[:2] == told(short)
    monkeypatch.setattr(Recommender, "fit", None)
    assert told(tune(dataset, knn_plan(), tmp_path / "search", Budget(4), resume=True)) == told(longer)


def test_after_the_timeout_no_trial_begins(dataset: Dataset, tmp_path: Path) -> None:
    lines: list[str] = []
    search = tune(dataset, knn_plan(), tmp_path / "search", Budget(5, timeout_s=0), say=lines.append)
    assert (search.trials, search.best) == ((), None)
    assert lines == ["0 s are over after 0 of 5 trials"]


def test_a_trial_that_is_behind_the_median_is_stopped(dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Five good learning rates, then one that learns nothing."""
    rates = iter([0.01, 0.011, 0.012, 0.013, 0.014, 1e-7])

    def next_rate(study: object, trial: Any, key: str) -> float:
        rate = next(rates)
        return float(trial.suggest_float(key, rate, rate))

    monkeypatch.setattr("aisle.experiment.study.Study._suggest", next_rate)
    recipe = load_recipe("ncf", [*EPOCHS, "train.epochs=5", "train.patience=0"])
    lines: list[str] = []
    search = tune(dataset, Plan(recipe, space("ncf", NCF[:1])), tmp_path / "search", Budget(6), say=lines.append)
    assert [trial.state for trial in search.trials] == ["finished"] * 5 + ["pruned"]
    assert search.ranked[-1].number == 6
    assert "trial 6/6 pruned" in lines[-1]


def test_a_trial_that_diverges_is_kept_as_refused_and_the_search_goes_on(dataset: Dataset, tmp_path: Path) -> None:
    plan = Plan(load_recipe("ncf", [*EPOCHS, "train.optimiser=sgd"]), space("ncf", ["train.learning_rate=0.01,1e30"]))
    search = tune(dataset, plan, tmp_path / "search", Budget(6))
    states = {trial.values["train.learning_rate"]: trial.state for trial in search.trials}
    assert states == {0.01: "finished", 1e30: "refused"}
    refused = search.ranked[-1]
    assert "E507" in (refused.reason or "")
    assert search.best is not None
    assert search.best.values == {"train.learning_rate": 0.01}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"recipe": load_recipe("item-knn", ["parameters.neighbours=7"])}, "parameters.neighbours"),
        ({"space": space("item-knn", ["parameters.shrink=1:2"])}, r"parameters.shrink in \[tune\]"),
        ({"seed": 9}, "--seed"),
    ],
)
def test_another_search_is_not_gone_on_with(dataset: Dataset, tmp_path: Path, change: dict[str, Any], said: str) -> None:
    tune(dataset, knn_plan(), tmp_path / "search", Budget(1))
    plan = Plan(**{"recipe": knn_plan().recipe, "space": knn_plan().space, **change})
    with pytest.raises(AisleError, match=said) as caught:
        tune(dataset, plan, tmp_path / "search", Budget(1), resume=True)
    assert caught.value.code == "E409"


def test_a_folder_is_taken_only_where_that_is_wanted(dataset: Dataset, tmp_path: Path) -> None:
    tune(dataset, knn_plan(), tmp_path / "search", Budget(1))
    with pytest.raises(AisleError, match="E409"):
        tune(dataset, knn_plan(), tmp_path / "search", Budget(1))
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(AisleError, match="E604"):
        tune(dataset, knn_plan(), tmp_path, Budget(1), resume=True)
    with tune_module._alone(tmp_path / "search"), pytest.raises(AisleError, match="E603"):
        tune(dataset, knn_plan(), tmp_path / "search", Budget(2), resume=True)


def test_what_would_fail_in_every_trial_is_refused_before_the_first(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = load_recipe("item-knn")
    for plan, code in (
        (Plan(recipe, {}), "E407"),
        (Plan(recipe, space("item-knn", ["parameters.weighting=tfidf,tf"])), "E402|E302"),
        (Plan(load_recipe("item-knn", ["split.kind=files"]), knn_plan().space), "E252"),
    ):
        with pytest.raises(AisleError, match=code):
            tune(dataset, plan, tmp_path / "search", Budget(1))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(AisleError, match="E408") as caught:
        tune(dataset, knn_plan(), tmp_path / "search", Budget(1))
    assert caught.value.hint == "pip install 'aisle[tune]'"
    assert not (tmp_path / "search").exists()
