"""The documents say what is true: their code runs, both languages agree, every link leads somewhere."""

from __future__ import annotations

import dataclasses
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from aisle.cli.main import COMMANDS
from aisle.dataset.split import SplitConfig
from aisle.evaluate.protocol import EvaluateConfig
from aisle.experiment.recipe import load_space, parse_recipe, recipe_names
from aisle.experiment.registry import MODELS
from aisle.logs.recipe import builtin_log_recipes
from aisle.models.candidate_fm import CandidateFMConfig
from aisle.recommend.rules import Rules
from aisle.train.config import TrainConfig
from tests import first_day

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


@pytest.fixture
def beside_data(dataset_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder where the documents' `data/shop` and `data/shop-dataset` are the small simulated shop."""
    (tmp_path / "data").mkdir()
    for name in ("shop", "shop-dataset"):
        (tmp_path / "data" / name).symlink_to(dataset_folder)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_dataset_page_reads_a_dataset_with_numpy_alone(beside_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = blocks(ROOT / "docs" / "dataset.md", "python")
    exec(code, {})  # noqa: S102
    history, first_item, content_hash = capsys.readouterr().out.rsplit("\n", 3)[:3]
    assert history.startswith("[")
    assert first_item.startswith("i0")
    assert len(content_hash) == 64


def test_the_readme_trains_asks_and_saves_from_python(beside_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = blocks(ROOT / "README.md", "python")
    quick = code.replace('load_recipe("ncf")', 'load_recipe("ncf", ["train.epochs=1", "evaluate.resamples=20"])')
    assert quick != code
    exec(quick, {})  # noqa: S102
    assert "similar_item_id" in capsys.readouterr().out
    assert (beside_data / "models" / "ncf" / "model.safetensors").exists()


def test_the_tuning_page_searches_from_python_and_shows_a_space_that_works(
    beside_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = ROOT / "docs" / "tuning.md"
    (space,), (code,) = blocks(page, "toml"), blocks(page, "python")
    (beside_data / "my-ncf.toml").write_text(space)
    assert len(load_space(beside_data / "my-ncf.toml")) == 3
    exec(code, {})  # noqa: S102
    assert capsys.readouterr().out.startswith("NDCG@10 0.")
    assert (beside_data / "runs" / "tune" / "best.toml").exists()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_file_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), f"{page.name} -> {target}"


def test_both_readmes_show_the_same_commands_and_the_same_numbers() -> None:
    english, chinese = (ROOT / name for name in ("README.md", "README.zh-CN.md"))
    for language in ("sh", "text", "python"):
        assert blocks(english, language) == blocks(chinese, language)
    numbers = [re.findall(r"\d*\.?\d+", line) for line in english.read_text().splitlines() if line.startswith("|")]
    assert numbers == [re.findall(r"\d*\.?\d+", line) for line in chinese.read_text().splitlines() if line.startswith("|")]


def test_the_first_day_starts_the_image_as_its_page_does() -> None:
    """And `make test-image` runs that line."""
    (start,) = [line for line in first_day.commands() if line.startswith("docker run ")]
    assert f"    {start}\n" in (ROOT / "docs" / "image.md").read_text()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_and_recipe_named_on_a_page_exists(page: Path) -> None:
    if page.name == "CHANGELOG.md":
        return
    text = page.read_text()
    in_blocks = re.findall(r"^aisle ([a-z]+)", "\n".join(blocks(page, "sh")), re.MULTILINE)
    for name in [*in_blocks, *re.findall(r"(?:\$ |`)aisle ([a-z]+)", text)]:
        assert name in COMMANDS, f"{page.name}: aisle {name}"
    known = {*recipe_names(), *builtin_log_recipes()}
    for name in re.findall(r"--recipe ([a-z][a-z0-9-]+)(?![a-z0-9./-])", text):
        assert name in known, f"{page.name}: recipe {name}"


SECTIONS: dict[str, type[Any]] = {
    "[split]": SplitConfig,
    "[train]": TrainConfig,
    "[evaluate]": EvaluateConfig,
    "[rules]": Rules,
    "The ranker candidate-fm": CandidateFMConfig,
    **{f"[parameters] of {name}": kind.config for name, kind in MODELS.items()},
}


@pytest.mark.parametrize("title", SECTIONS)
def test_the_recipe_page_lists_every_key_with_its_default(title: str) -> None:
    page = (ROOT / "docs" / "recipes.md").read_text()
    section = page.split(f"\n## {title}", 1)[1].split("\n## ", 1)[0]
    documented = dict(re.findall(r"^\| `(\w+)` \| (?:`(.*?)`|none) \|", section, re.MULTILINE))
    defaults: dict[str, Any] = {field.name: field.default for field in dataclasses.fields(SECTIONS[title])}
    assert list(documented) == list(defaults)
    for key, text in documented.items():
        value = tomllib.loads(f"value = {text}")["value"] if text else None
        assert value == (list(defaults[key]) if isinstance(defaults[key], tuple) else defaults[key]), key


def test_the_recipe_page_shows_a_recipe_that_works() -> None:
    (code,) = blocks(ROOT / "docs" / "recipes.md", "toml")
    assert parse_recipe(tomllib.loads(code), "docs/recipes.md").evaluate.k == (10, 20)
