"""The runs behind a row: one a seed (or fold), each in a folder of its own, resumed where it was interrupted."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Callable
from importlib import resources
from pathlib import Path

from aisle.dataset.reader import Dataset
from aisle.errors import AisleError, did_you_mean
from aisle.experiment.identity import identity_of
from aisle.experiment.recipe import Recipe, load_recipe, recipe_names
from aisle.experiment.run import Run, Screen, read_run, train_run
from aisle.experiment.run_folder import METRICS_NAME
from benchmarks.quality.question import Question, Row

_RECIPES = resources.files("aisle.recipes") / "models"


def ships(row: Row) -> bool:
    """Say whether the row's recipe ships with aisle."""
    return row.recipe in recipe_names()


def recipe_of(question: Question, row: Row, number: int) -> Recipe:
    """Return the recipe of one run; rows are measured against each other, so no run repeats the baselines."""
    return load_recipe(row.recipe, [*row.set, f"{question.vary}={number}", "baselines=[]"])


def recipe_sha256(row: Row) -> str:
    """Return a hash of what the recipe file and the row's overrides say: equal for recipes that differ in comments only."""
    said = tomllib.loads((_RECIPES / f"{row.recipe}.toml").read_text())
    for decides_no_row in ("baselines", "tune"):
        said.pop(decides_no_row, None)
    return hashlib.sha256(json.dumps([said, row.set], sort_keys=True).encode()).hexdigest()


def chosen_rows(question: Question, keys: list[str] | None, say: Callable[[str], None]) -> list[Row]:
    """Return the rows to run: those named, or all whose recipe ships.

    Raises:
        AisleError: E400 for a row that there is not, and for a named one whose recipe does not ship yet.
    """
    if keys is None:
        for row in question.rows:
            if not ships(row):
                say(f"not measured: {row.key}, because no recipe '{row.recipe}' ships with aisle yet")
        return [row for row in question.rows if ships(row)]
    return [_named(question, key) for key in keys]


def _named(question: Question, key: str) -> Row:
    rows = question.by_key
    if key not in rows:
        raise AisleError(f"{question.name} has no row '{key}'", hint=did_you_mean(key, rows), code="E400")
    if not ships(rows[key]):
        recipe = rows[key].recipe
        hint = f"write src/aisle/recipes/models/{recipe}.toml"
        raise AisleError(f"row {key}: no recipe '{recipe}' ships with aisle yet", hint=hint, code="E400")
    return rows[key]


def run_folder(question: Question, row: Row, number: int, work: Path) -> Path:
    """Return where a run lies, such as work/fm-frappe/seed2."""
    return work / row.key / f"{question.vary.removeprefix('train.').removeprefix('split.')}{number}"


def measure(  # noqa: PLR0913 - one run, every part of it named
    question: Question, row: Row, number: int, dataset: Dataset, work: Path, *, again: bool, say: Callable[[str], None]
) -> Run:
    """Train one run, or go on with it, or only read it when it is finished."""
    folder = run_folder(question, row, number, work)
    recipe = recipe_of(question, row, number)
    return train_run(dataset, recipe, folder, resume=not again, overwrite=again, screen=Screen(say))


def finished(question: Question, row: Row, dataset_hash: str, work: Path) -> dict[int, Run]:
    """Return the row's finished runs of today's recipe on this dataset, by seed."""
    runs = {}
    for number in question.numbers(row):
        folder = run_folder(question, row, number, work)
        if not (folder / METRICS_NAME).exists():
            continue
        run = read_run(folder)
        wanted = identity_of(dataset_hash, recipe_of(question, row, number))
        if identity_of(run.metrics["dataset"], run.recipe) == wanted:
            runs[number] = run
    return runs
