"""`aisle serve` as a user types it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from aisle.cli.main import main
from aisle.serve.keys import Keys, read_keys
from aisle.serve.settings import LISTS, Settings

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run `aisle serve ...` in this process: exit status, output, errors."""

    def call(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["aisle", "serve", *map(str, words)])
        capsys.readouterr()
        status = main()
        out, err = capsys.readouterr()
        return status, out, err

    return call


def test_a_new_key_is_printed_once_and_opens_what_it_was_made_for(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    status, out, err = run("--new-key", "shop", "--scope", "recommend", "--scope", "events", "--per-second", 5, "--keys", path)
    assert status == 0
    assert "shown once" in err
    record = Keys(path).admit(out.strip(), "events")
    assert record is not None
    assert (record.name, record.scopes, record.per_second) == ("shop", ("recommend", "events"), 5.0)
    status, out, err = run("--new-key", "shop", "--keys", path)
    assert (status, out) == (11, "")
    assert "[E079]" in err
    assert len(read_keys(path).keys) == 1


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ((), "E082"),
        (("bundle", "--model", "x"), "E082"),
        (("bundle", "--scope", "events"), "E079"),
        (("bundle", "--max-batch", 0), "E080"),
        (("bundle", "--keys", "nowhere.json"), "E078"),
        (("bundle", "--host", "0.0.0.0"), "E077"),  # noqa: S104 - that is the point
    ],
)
def test_what_cannot_be_served_is_refused_before_anything_listens(run: Run, words: tuple[object, ...], code: str) -> None:
    status, out, err = run(*words)
    assert (status, out) == (11, "")
    assert f"[{code}]" in err


def test_every_setting_is_an_option_with_words(run: Run) -> None:
    status, out, _ = run("--help")
    assert status == 0
    for name, field in Settings.model_fields.items():
        assert f"--{(name.removesuffix('s') if name in LISTS else name).replace('_', '-')}" in out
        assert field.description


def test_an_option_stands_before_the_environment(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AISLE_KEYS", str(tmp_path / "environment.json"))
    assert run("--new-key", "one")[0] == 0
    assert run("--new-key", "two", "--keys", tmp_path / "option.json")[0] == 0
    named = {path.name: json.loads(path.read_text())["keys"][0]["name"] for path in tmp_path.glob("*.json")}
    assert named == {"environment.json": "one", "option.json": "two"}
