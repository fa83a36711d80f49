"""`aisle train`: a dataset and a recipe become a run."""

from __future__ import annotations

from pathlib import Path

import click

from aisle.cli.measured import print_run, result_line
from aisle.cli.output import JSON_OPTION, OVERWRITE_OPTION, print_json
from aisle.cli.progress import screen
from aisle.dataset.reader import Dataset
from aisle.errors import AisleError
from aisle.experiment.recipe import load_recipe, recipe_names
from aisle.experiment.run import train_run
from aisle.experiment.run_folder import RECIPE_NAME
from aisle.experiment.tracking import Tracker


@click.command("train")
@click.argument("dataset", type=click.Path(path_type=Path))
@click.option("--recipe", help=f"A recipe of aisle ({', '.join(recipe_names())}) or a TOML file.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change a key of the recipe; repeatable.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Run folder to write.")
@click.option("--resume", is_flag=True, help="Go on with an interrupted run at --out.")
@OVERWRITE_OPTION
@click.option(
    "--track", metavar="URI", envvar="MLFLOW_TRACKING_URI", show_envvar=True, help="Tell the run to this MLflow server or store."
)
@click.option("--quiet", is_flag=True, help="Print the result line only; everything stands in the run folder.")
@JSON_OPTION
def command(
    dataset: Path,
    recipe: str | None,
    overrides: tuple[str, ...],
    out: Path,
    resume: bool,
    overwrite: bool,
    track: str | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Train a model on DATASET, measure it on the test part beside its baselines, and write a run folder.

    \b
    Examples:
      aisle train data/shop-dataset --recipe ncf --out runs/ncf
      aisle train data/shop-dataset --recipe fm --set train.epochs=5 --set parameters.factors=16 --out runs/fm
      aisle train data/shop-dataset --out runs/ncf --resume
      aisle train data/shop-dataset --recipe ncf --out runs/ncf --track sqlite:///mlflow.db
    """
    chosen = load_recipe(_recipe_source(recipe, out, resume=resume), overrides)
    tracker = Tracker(track) if track else None
    run = train_run(
        Dataset(dataset),
        chosen,
        out,
        resume=resume,
        overwrite=overwrite,
        screen=screen(quiet=quiet, tracker=tracker),
    )
    if as_json:
        print_json({"run": str(out), **run.metrics})
    elif quiet:
        click.echo(result_line(run))
    else:
        print_run(run)


def _recipe_source(recipe: str | None, out: Path, *, resume: bool) -> str | Path:
    if recipe is not None:
        return recipe
    if resume and (out / RECIPE_NAME).exists():
        return out / RECIPE_NAME
    raise AisleError(
        "no recipe given", hint=f"pass --recipe with one of {', '.join(recipe_names())}, or a TOML file", code="E902"
    )
