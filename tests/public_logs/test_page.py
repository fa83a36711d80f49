"""The page names what there is: recipes, options and keys, without any log at hand."""

from __future__ import annotations

from typing import Any

import click
import pytest

from aisle.cli.main import aisle
from aisle.experiment.recipe import load_recipe
from aisle.logs.recipe import builtin_log_recipes, load_log_recipe
from tests.public_logs.page import commands, rows, scripts
from tests.recipes.test_public_logs import LOGS


def parsed(words: list[str]) -> dict[str, Any]:
    """What click makes of a command's words; a word that it does not know raises."""
    name, *rest = words
    command = aisle.get_command(click.Context(aisle), name)
    assert command is not None, name
    return command.make_context(name, rest).params


def test_every_log_has_a_block_and_a_row_with_the_known_counts() -> None:
    assert list(rows()) == list(scripts())
    told = {log: (row.events, row.users, row.items) for log, row in rows().items()}
    assert told == {known.log.split("/")[0]: (known.events, known.users, known.items) for known in LOGS}


@pytest.mark.parametrize("log", scripts())
def test_a_block_goes_from_file_to_figures_with_recipes_and_keys_that_exist(log: str) -> None:
    prepare, *rest = [(words[0], parsed(words)) for words in commands(scripts()[log])]
    assert prepare[0] == "prepare"
    assert prepare[1]["recipe_name"] in builtin_log_recipes()
    assert str(prepare[1]["out"]) == f"data/{log}"
    assert [name for name, _ in rest] == ["train", "evaluate"] * (len(rest) // 2)
    trained = [values for name, values in rest if name == "train"]
    for values in trained:
        load_recipe(values["recipe"], values["overrides"])
        assert str(values["dataset"]) == f"data/{log}"
    assert [values["run"] for name, values in rest if name == "evaluate"] == [values["out"] for values in trained]
    assert str(trained[0]["out"]) == f"runs/{log}"


@pytest.mark.parametrize("log", scripts())
def test_a_row_names_the_order_and_the_split_of_its_block(log: str) -> None:
    prepare, train = (parsed(words) for words in commands(scripts()[log])[:2])
    row = rows()[log]
    assert row.ordered_by == ("time" if load_log_recipe(prepare["recipe_name"]).order is None else "order")
    assert row.split == load_recipe(train["recipe"], train["overrides"]).split.kind
