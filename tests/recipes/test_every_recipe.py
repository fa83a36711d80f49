import re
import shlex
from importlib import resources

import pytest

from aisle.cli.prepare import command
from aisle.logs.recipe import builtin_log_recipes, load_log_recipe

NAMES = builtin_log_recipes()
EXPECTED = {
    "amazon-beauty-5core",
    "amazon-beauty-bert4rec",
    "amazon-beauty-bert4rec-original",
    "amazon-reviews",
    "frappe",
    "frappe-original",
    "ml-1m",
    "ml-1m-original",
    "ncf-ml-1m",
    "ncf-ml-1m-original",
    "online-retail",
    "retailrocket",
    "retailrocket-events",
    "retailrocket-multibehaviour",
    "sasrec-ml-1m",
    "sasrec-ml-1m-original",
    "taobao",
}


def text_of(name: str) -> str:
    return resources.files("aisle").joinpath("recipes", "logs", f"{name}.toml").read_text()


def test_every_public_log_has_its_recipes() -> None:
    assert set(NAMES) == EXPECTED


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_loads_and_says_where_its_log_comes_from(name: str) -> None:
    assert load_log_recipe(name).description
    assert re.search(r"^# Publisher: .", text_of(name), re.MULTILINE)
    assert "Licence: " in text_of(name)


@pytest.mark.parametrize("name", NAMES)
def test_the_command_in_a_recipe_is_one_that_aisle_understands(name: str) -> None:
    comment = "\n".join(line.removeprefix("#") for line in text_of(name).splitlines() if line.startswith("#"))
    found = re.search(r"^ +aisle prepare ((?:.*\\\n)*.*)$", comment, re.MULTILINE)
    assert found is not None
    context = command.make_context("prepare", shlex.split(found[1].replace("\\\n", " ")))
    assert context.params["recipe_name"] == name
    assert len(context.params["logs"]) == 1
