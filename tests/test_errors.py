"""Errors: every code is documented once and says what to do."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click

from aisle.cli.main import COMMANDS, aisle
from aisle.errors import EXIT_STATUS, AisleError, did_you_mean

ROOT = Path(__file__).parent.parent


def codes_in_source() -> set[str]:
    found: set[str] = set()
    for file in (ROOT / "src").rglob("*.py"):
        found |= set(re.findall(r"\"(E\d\d\d)\"", file.read_text()))
    return found


def test_every_code_is_documented_and_no_documented_code_is_gone() -> None:
    documented = re.findall(r"^\| (E\d{3}) \|", (ROOT / "docs" / "errors.md").read_text(), re.MULTILINE)
    assert len(documented) == len(set(documented))
    assert set(documented) == codes_in_source()


def test_each_family_of_codes_has_its_own_exit_status() -> None:
    assert {code[1] for code in codes_in_source()} <= set(EXIT_STATUS)
    assert len(set(EXIT_STATUS.values())) == len(EXIT_STATUS)


def test_an_error_shows_what_is_wrong_what_to_do_and_its_code() -> None:
    error = AisleError("item 7 is unknown", hint="export again", code="E301")
    assert str(error) == "item 7 is unknown\n  hint: export again [E301]"
    assert error.exit_status == 5


def test_a_near_miss_gets_a_suggestion_and_a_far_one_the_list() -> None:
    assert did_you_mean("epoch", ["epochs", "seed"]) == "did you mean 'epochs'?"
    assert did_you_mean("x", ["b", "a"]) == "known names: a, b"


def test_the_page_names_the_exit_status_of_each_family() -> None:
    page = (ROOT / "docs" / "errors.md").read_text()
    assert dict(re.findall(r"^## (\d): .*\(exit status (\d+)\)$", page, re.MULTILINE)) == {
        family: str(status) for family, status in EXIT_STATUS.items()
    }
    for family, rows in re.findall(r"^## (\d): .*\n((?:(?!## ).*\n?)*)", page, re.MULTILINE):
        assert {code[1] for code in re.findall(r"^\| (E\d{3}) \|", rows, re.MULTILINE)} == {family}


def words_of_errors() -> Iterator[str]:
    """Every piece of text in a `raise AisleError(...)` of the source, and the page."""
    yield (ROOT / "docs" / "errors.md").read_text()
    for file in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "AisleError":
                yield from (
                    part.value for part in ast.walk(node) if isinstance(part, ast.Constant) and isinstance(part.value, str)
                )


def test_every_option_that_an_error_recommends_exists() -> None:
    context = click.Context(aisle)
    commands = [command for name in COMMANDS if (command := aisle.get_command(context, name))]
    commands += [inner for group in commands if isinstance(group, click.Group) for inner in group.commands.values()]
    options = {name for command in commands for parameter in command.params for name in parameter.opts}
    named = {option for text in words_of_errors() for option in re.findall(r"--[a-z][a-z-]+", text)}
    assert "--max-rejects" in named
    assert named <= options | {"--help"}
