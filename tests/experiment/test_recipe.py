"""A recipe says everything that decides a run, and refuses what it does not know."""

from __future__ import annotations

from pathlib import Path

import pytest

from aisle.errors import AisleError
from aisle.experiment.recipe import Recipe, load_recipe, parse_recipe, recipe_names, write_recipe


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_of_aisle_loads_and_survives_writing_and_reading(name: str, tmp_path: Path) -> None:
    recipe = load_recipe(name)
    write_recipe(recipe, tmp_path / "recipe.toml")
    assert load_recipe(tmp_path / "recipe.toml") == recipe


def test_set_changes_a_key_and_the_last_one_wins() -> None:
    recipe = load_recipe("ncf", ["train.epochs=3", "train.epochs=4", "parameters.head=gmf", "split.kind=leave-one-out"])
    assert (recipe.train.epochs, recipe.parameters.head, recipe.split.kind) == (4, "gmf", "leave-one-out")


@pytest.mark.parametrize(
    ("override", "code", "hint"),
    [
        ("train.epoch=3", "E401", "did you mean 'epochs'?"),
        ("trian.epochs=3", "E401", "did you mean 'train'?"),
        ("parameters.factor=3", "E401", "did you mean 'factors'?"),
        ("train.epochs", "E401", "for example --set train.epochs=5"),
        ("model.name=fm", "E401", "leave the rest out"),
        ("train.epochs=many", "E402", "mend train.epochs and run again"),
        ("train=3", "E402", "write it as [train]"),
        ("split.target_events=purchase", "E402", 'write split.target_events = ["purchase"]'),
        ("model=nfc", "E402", "did you mean 'ncf'?"),
        ("baselines=['popularty']", "E402", "did you mean 'popularity'?"),
    ],
)
def test_a_wrong_key_or_value_is_refused_with_a_suggestion(override: str, code: str, hint: str) -> None:
    with pytest.raises(AisleError) as caught:
        load_recipe("ncf", [override])
    assert (caught.value.code, caught.value.hint) == (code, hint)


def test_a_misspelt_recipe_gets_a_suggestion() -> None:
    with pytest.raises(AisleError, match="no recipe 'nfc'") as caught:
        load_recipe("nfc")
    assert caught.value.hint == "did you mean 'ncf'?"


def test_a_file_that_is_not_toml_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text("model: ncf")
    with pytest.raises(AisleError) as caught:
        load_recipe(path)
    assert caught.value.code == "E403"


def test_the_smallest_recipe_is_a_model_name() -> None:
    recipe = parse_recipe({"model": "popularity"}, "test")
    assert isinstance(recipe, Recipe)
    assert recipe.baselines == ("popularity", "item-knn")


@pytest.mark.parametrize(
    "override",
    ["baselines=item-knn", "baselines=5", "baselines=[['a']]", "model=['ncf']", "evaluate.seed=-1", "split.seed=-1",
     "train.average_epochs=inf", "split.test_share=nan"],
)  # fmt: skip
def test_a_value_of_the_wrong_kind_is_refused_before_anything_is_done(override: str) -> None:
    with pytest.raises(AisleError, match="E402"):
        load_recipe("fm", [override])


def test_repeats_cannot_be_asked_for_and_hidden_at_once() -> None:
    with pytest.raises(AisleError, match="E402") as caught:
        load_recipe("item-knn", ["split.repeats=true"])
    assert "filter_seen" in caught.value.hint
    assert load_recipe("item-knn", ["split.repeats=true", "evaluate.filter_seen=false"]).split.repeats
