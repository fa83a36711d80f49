"""`aisle publish`, `promote`, `rollback` and `registry`, as a person and as a job call them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from aisle.bundle.signature import make_key
from aisle.cli.main import COMMANDS, aisle
from aisle.errors import AisleError
from tests.registry.bundles import make_bundle, sign_later


def run(*arguments: str, env: dict[str, str] | None = None) -> str:
    result = CliRunner().invoke(aisle, arguments, catch_exceptions=False, env=env)
    assert result.exit_code == 0, result.output
    return result.output


def ask(*arguments: str) -> Any:
    return json.loads(run(*arguments, "--json"))


@pytest.fixture
def two(tmp_path: Path) -> tuple[str, str]:
    """A registry that serves b and served a before, and the ids of both."""
    ids = make_bundle(tmp_path / "a", "first", content="a"), make_bundle(tmp_path / "b", "second", content="b")
    for name in "ab":
        run("publish", str(tmp_path / name), str(tmp_path / "registry"), "--promote", "--why", f"model {name}", "--who", "ann")
    return ids


def test_publish_says_the_id_and_that_a_second_time_changes_nothing(tmp_path: Path) -> None:
    made = make_bundle(tmp_path / "bundle", "gifts")
    arguments = ("publish", str(tmp_path / "bundle"), str(tmp_path / "registry"))
    assert run(*arguments) == f"gifts published as {made} in {tmp_path / 'registry'}\n"
    assert "was published before" in run(*arguments)
    assert ask(*arguments) == {
        "id": made,
        "name": "gifts",
        "is_new": False,
        "is_signed_now": False,
        "registry": str(tmp_path / "registry"),
        "promoted": None,
    }


def test_a_bundle_that_is_signed_later_is_published_with_its_signature(tmp_path: Path) -> None:
    make_key(tmp_path / "key")
    made = make_bundle(tmp_path / "bundle", "gifts")
    arguments = ("publish", str(tmp_path / "bundle"), str(tmp_path / "registry"))
    run(*arguments)
    sign_later(tmp_path / "bundle", tmp_path / "key")
    assert run(*arguments) == f"gifts was published before and is signed now as {made} in {tmp_path / 'registry'}\n"
    assert (tmp_path / "registry" / "bundles" / made / "manifest.sig").is_file()


def test_the_key_of_the_environment_counts_as_one_that_is_given(tmp_path: Path) -> None:
    make_key(tmp_path / "key")
    make_bundle(tmp_path / "bundle")
    key = {"AISLE_PUBLIC_KEY": str(tmp_path / "key.pub")}
    with pytest.raises(AisleError) as caught:
        run("publish", str(tmp_path / "bundle"), str(tmp_path / "registry"), env=key)
    assert caught.value.code == "E010"


def test_promote_and_rollback_say_what_is_served_now(tmp_path: Path, two: tuple[str, str]) -> None:
    registry = str(tmp_path / "registry")
    assert run("rollback", registry) == f"production serves {two[0]} again (entry 3)\n"
    assert run("promote", registry, two[1], "--channel", "trial") == f"trial serves {two[1]} (entry 1)\n"
    assert ask("promote", registry, two[1], "--why", "again")["why"] == "again"


def test_the_listing_shows_every_bundle_and_every_change(tmp_path: Path, two: tuple[str, str]) -> None:
    about = ask("registry", str(tmp_path / "registry"))
    assert {name: bundle["name"] for name, bundle in about["bundles"].items()} == {two[0]: "first", two[1]: "second"}
    production = about["channels"]["production"]
    assert production["serves"] == two[1]
    assert [(entry["who"], entry["why"]) for entry in production["history"]] == [("ann", "model a"), ("ann", "model b")]
    page = run("registry", str(tmp_path / "registry"))
    for word in (*two, "model a", "production", "popularity"):
        assert word in page


def test_a_job_signs_with_the_user_who_started_it(tmp_path: Path) -> None:
    made = make_bundle(tmp_path / "bundle")
    registry = str(tmp_path / "registry")
    run("publish", str(tmp_path / "bundle"), registry)
    said = run("promote", registry, made, "--json", env={"GITHUB_ACTOR": "octo"})
    assert json.loads(said)["who"] == "octo"


def test_what_is_not_there_is_named(tmp_path: Path, two: tuple[str, str]) -> None:
    with pytest.raises(AisleError) as caught:
        run("promote", str(tmp_path / "registry"), two[0][::-1])
    assert caught.value.code == "E041"
    assert {"publish", "promote", "rollback", "registry"} <= set(COMMANDS)
