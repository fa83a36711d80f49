"""`aisle tune`: a search for better settings, on validation data only."""

from __future__ import annotations

from pathlib import Path

import click

from aisle.cli.output import JSON_OPTION, print_json, print_table
from aisle.dataset.reader import Dataset
from aisle.experiment.recipe import load_recipe, load_space, recipe_names
from aisle.experiment.search import BEST_NAME, Plan, Search
from aisle.experiment.tune import Budget, tune


@click.command("tune")
@click.argument("dataset", type=click.Path(path_type=Path))
@click.option("--recipe", required=True, help=f"A recipe of aisle ({', '.join(recipe_names())}) or a TOML file.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change a key of the recipe; repeatable.")
@click.option(
    "--search",
    "searches",
    multiple=True,
    metavar="KEY=LOW:HIGH[:log]|KEY=A,B,C",
    help="Search this key, besides or instead of what the recipe's [tune] says; repeatable.",
)
@click.option("--trials", type=click.IntRange(min=1), default=20, show_default=True, help="Trials in all, resumed ones included.")
@click.option("--timeout", "timeout_s", type=click.FloatRange(min=0), help="Begin no trial after so many seconds.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the search; the recipe has its own.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder to keep the search in.")
@click.option("--resume", is_flag=True, help="Go on with an interrupted search at --out, or make it longer.")
@click.option("--quiet", is_flag=True, help="Do not print a line a trial.")
@JSON_OPTION
def command(
    dataset: Path,
    recipe: str,
    overrides: tuple[str, ...],
    searches: tuple[str, ...],
    trials: int,
    timeout_s: float | None,
    seed: int,
    out: Path,
    resume: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """Search the settings of a recipe on the validation cases of DATASET; the test part is not looked at.

    What is searched stands in the recipe's [tune] section. Each trial trains on the training part; trials that are worse
    than the median at the same epoch are stopped. --out gets best.toml (for `aisle train`), trials.json and search.png.

    \b
    Examples:
      aisle tune data/shop-dataset --recipe ncf --trials 30 --out runs/tune-ncf
      aisle tune data/shop-dataset --recipe fm --search parameters.factors=16,32,64 --out runs/tune-fm
      aisle tune data/shop-dataset --recipe ncf --trials 60 --out runs/tune-ncf --resume
      aisle train data/shop-dataset --recipe runs/tune-ncf/best.toml --out runs/ncf
    """
    plan = Plan(load_recipe(recipe, overrides), load_space(recipe, searches), seed)
    say = None if quiet else _say
    search = tune(Dataset(dataset), plan, out, Budget(trials, timeout_s), resume=resume, say=say)
    if as_json:
        print_json({"search": str(out), **search.to_json()})
    else:
        _print(search, out, dataset)


def _say(line: str) -> None:
    click.echo(line, err=True)


def _print(search: Search, out: Path, dataset: Path) -> None:
    keys = list(search.plan.space)
    rows = [
        (
            trial.number,
            trial.state,
            "" if trial.metric is None else f"{trial.metric:.4f}",
            trial.best_epoch,
            f"{trial.seconds:.1f}",
            *(f"{trial.values[key]:.4g}" if isinstance(trial.values[key], float) else trial.values[key] for key in keys),
        )
        for trial in search.ranked
    ]
    title = f"{out}: {search.plan.recipe.model}, measured on validation"
    print_table(title, ("trial", "state", search.metric, "epoch", "s", *keys), rows, left=2)
    if search.best is not None:
        click.echo(f"train it: aisle train {dataset} --recipe {out / BEST_NAME} --out RUN")
