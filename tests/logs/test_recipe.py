from __future__ import annotations

from pathlib import Path

import pytest

from aisle.errors import AisleError
from aisle.logs.recipe import builtin_log_recipes, load_log_recipe, make_log_recipe, parse_log_recipe

ONLINE_RETAIL = """
event = "purchase"
[columns]
user_id = "CustomerID"
[returns]
column = "InvoiceNo"
op = "starts_with"
value = "C"
[[filters]]
reason = "no customer"
column = "CustomerID"
op = "is_null"
"""


def error_of(text: str) -> AisleError:
    with pytest.raises(AisleError) as caught:
        parse_log_recipe(text, "shop.toml")
    assert caught.value.code == "E111"
    return caught.value


def test_a_recipe_reads_back_what_it_says() -> None:
    recipe = parse_log_recipe(ONLINE_RETAIL, "shop.toml")
    assert recipe.event == "purchase"
    assert recipe.returns is not None
    assert recipe.returns.value == "C"
    assert [rule.reason for rule in recipe.filters] == ["no customer"]


@pytest.mark.parametrize(
    ("text", "wrong", "right"),
    [
        ('evnt = "view"', "evnt", "event"),
        ('[columns]\nuser = "u"', "'user'", "user_id"),
        ('[[filters]]\nreason = "x"\ncolumm = "a"\nop = "is_null"', "columm", "column"),
        ("[items]\ncolums = {}", "items.colums", "columns"),
        ('event = "purchas"', "purchas", "purchase"),
    ],
)
def test_a_misspelt_key_or_name_gets_a_suggestion(text: str, wrong: str, right: str) -> None:
    error = error_of(text)
    assert wrong in error.message
    assert f"'{right}'" in str(error)


@pytest.mark.parametrize(
    "text",
    [
        "header = false",
        'header = false\nnames = ["a", "a"]',
        'event = "view"\n[columns]\nevent = "kind"',
        'order = "rows"\n[columns]\ntimestamp = "ts"',
        'context = ["price"]',
        'separator = ""',
        '[[filters]]\nreason = "x"\ncolumn = "a"\nop = "equals"',
        '[[filters]]\nreason = "x"\ncolumn = "a"\nop = "is_null"\nvalue = 1',
        '[[filters]]\nreason = "x"\ncolumn = "a"\nop = "less_than"\nvalue = "b"',
        '[[filters]]\nreason = "x"\ncolumn = "a"\nop = "in"\nvalue = "b"',
        "event = [",
        'format = "pickle"',
    ],
)
def test_a_recipe_that_contradicts_itself_is_refused(text: str) -> None:
    error_of(text)


def test_a_recipe_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AisleError, match="E111"):
        load_log_recipe(tmp_path / "none.toml")


def test_a_recipe_may_be_a_file(tmp_path: Path) -> None:
    (tmp_path / "shop.toml").write_text(ONLINE_RETAIL)
    assert load_log_recipe(tmp_path / "shop.toml").event == "purchase"


def test_every_built_in_recipe_parses() -> None:
    for name in builtin_log_recipes():
        assert load_log_recipe(name) == make_log_recipe(load_log_recipe(name).model_dump(mode="json"), name)
