"""A search space says what it is, and what is none is refused with a suggestion."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from aisle.errors import AisleError
from aisle.experiment.recipe import load_recipe, load_space, parse_recipe
from aisle.experiment.space import Choices, Range, parse_search, parse_space, space_as_dict

KNOWN = ["train.learning_rate", "parameters.factors", "parameters.hidden"]


def test_ranges_and_choices_are_read() -> None:
    raw = {
        "train.learning_rate": {"low": 1e-4, "high": 1e-2, "log": True},
        "parameters.factors": {"low": 4, "high": 64},
        "parameters.hidden": {"choices": [[32, 16], [64]]},
    }
    space = parse_space(raw, KNOWN, "test")
    assert space["train.learning_rate"] == Range(1e-4, 1e-2, log=True)
    assert space["parameters.hidden"] == Choices(([32, 16], [64]))
    whole = space["parameters.factors"]
    assert isinstance(whole, Range)
    assert whole.whole
    assert parse_space(space_as_dict(space), KNOWN, "again") == space


@pytest.mark.parametrize(("value", "inside"), [(4, True), (64, True), (65, False), (4.5, False), (True, False), ("4", False)])
def test_whole_numbers_stay_whole(value: Any, inside: bool) -> None:
    assert (value in Range(4, 64)) is inside


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a.b=1:8", {"low": 1, "high": 8}),
        ("a.b=1e-4:1e-2:log", {"low": 1e-4, "high": 1e-2, "log": True}),
        ("a.b=16,32", {"choices": [16, 32]}),
        ("a.b=adam,sgd", {"choices": ["adam", "sgd"]}),
        ("a.b=[32, 16],[64]", {"choices": [[32, 16], [64]]}),
        ("a.b=true,false", {"choices": [True, False]}),
    ],
)
def test_the_command_line_says_the_same(text: str, expected: dict[str, Any]) -> None:
    assert parse_search(text) == ("a.b", expected)


@pytest.mark.parametrize("text", ["a.b", "=1:2", "a.b=", "a.b=1:2:lgo", "a.b=1:2:log:3"])
def test_what_is_no_search_is_refused(text: str) -> None:
    with pytest.raises(AisleError, match="E407"):
        parse_search(text)


@pytest.mark.parametrize(
    "value",
    [5, {"low": 1}, {"low": 2, "high": 2}, {"low": "1", "high": 2}, {"low": 0, "high": 1, "log": True}, {"choices": []},
     {"choices": 5}, {"low": 1, "high": 2, "step": 1}, {"low": 1, "high": float("inf")}, {"low": 1, "high": 2, "log": 1}],
)  # fmt: skip
def test_what_is_no_range_is_refused(value: Any) -> None:
    with pytest.raises(AisleError, match="E407"):
        parse_space({"train.learning_rate": value}, KNOWN, "test")


def test_an_unknown_key_is_refused_with_a_suggestion(tmp_path: Path) -> None:
    recipe = tmp_path / "mine.toml"
    recipe.write_text('model = "ncf"\n[tune]\n"train.learning_rat" = {low = 1e-4, high = 1e-2}\n')
    for load in (load_recipe, load_space):
        with pytest.raises(AisleError, match="E401") as caught:
            load(recipe)
        assert caught.value.hint == "did you mean 'train.learning_rate'?"


def test_a_key_without_quotes_is_told_how_to_be_written() -> None:
    with pytest.raises(AisleError, match="E401") as caught:
        parse_recipe({"model": "ncf", "tune": {"train": {"learning_rate": {"low": 1e-4, "high": 1e-2}}}}, "test")
    assert '"train.learning_rate"' in caught.value.hint


@pytest.mark.parametrize("key", ["split.seed", "evaluate.k", "train.seed", "train.refit", "model"])
def test_what_is_no_setting_of_the_model_cannot_be_searched(key: str) -> None:
    with pytest.raises(AisleError, match="E401"):
        load_space("ncf", [f"{key}=1,2"])


def test_models_without_epochs_have_no_training_to_search() -> None:
    with pytest.raises(AisleError, match="E401"):
        load_space("item-knn", ["train.learning_rate=1e-4:1e-2"])


def test_the_space_decides_no_run(tmp_path: Path) -> None:
    recipe = tmp_path / "mine.toml"
    recipe.write_text('model = "item-knn"\n')
    without = load_recipe(recipe)
    recipe.write_text('model = "item-knn"\n[tune]\n"parameters.shrink" = {low = 1.0, high = 100.0, log = true}\n')
    assert load_recipe(recipe) == without
    assert load_space(recipe) == {"parameters.shrink": Range(1.0, 100.0, log=True)}
    # What the command line says stands instead of what the recipe says.
    assert load_space(recipe, ["parameters.shrink=5,10"]) == {"parameters.shrink": Choices((5, 10))}
