"""`aisle evaluate`: measure a run again, or under another protocol."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import click

from aisle.cli.measured import metric_cells, print_run, print_slices, protocol_line
from aisle.cli.output import JSON_OPTION, print_json, print_table
from aisle.dataset.cases import Cases
from aisle.errors import AisleError
from aisle.evaluate.protocol import EvaluateConfig
from aisle.experiment.recommender import Recommender
from aisle.experiment.run import Run, read_run


@click.command("evaluate")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--protocol", type=click.Choice(["full", "sampled"]), help="Measure again under this protocol.")
@click.option("--negatives", type=int, help="Random wrong answers a case, for --protocol sampled.")
@click.option("--k", "ks", type=int, multiple=True, help="List length; repeatable.")
@JSON_OPTION
def command(run: Path, protocol: str | None, negatives: int | None, ks: tuple[int, ...], as_json: bool) -> None:
    """Print what RUN measured on its test part; with options, load its model and measure again.

    \b
    Examples:
      aisle evaluate runs/ncf
      aisle evaluate runs/ncf --k 5 --k 20
      aisle evaluate runs/ncf --protocol sampled --negatives 99
    """
    done = read_run(run)
    if protocol is None and negatives is None and not ks:
        if as_json:
            print_json({"run": str(run), **done.metrics})
        else:
            print_run(done)
        return
    changes: dict[str, object] = {"protocol": protocol, "negatives": negatives, "k": ks or None}
    measured = _measure_again(done, {name: value for name, value in changes.items() if value is not None})
    if as_json:
        print_json({"run": str(run), "model": done.name, "test": measured})
    else:
        names = [*measured["metrics"], *measured["aggregates"]]
        print_table(f"{run}: {protocol_line(measured)}", ("model", *names), [(done.name, *metric_cells(measured, names))])
        print_slices(measured)


def _measure_again(run: Run, changes: dict[str, object]) -> dict[str, Any]:
    # With its dataset, so that prices, categories and segments are there as they were when the run was measured.
    model = Recommender.load(run.folder / "model", run.dataset())
    config = dataclasses.replace(run.recipe.evaluate, **changes)  # type: ignore[arg-type]
    if "negatives" in changes:
        _check_negatives(config, model.test_cases)
    return model.evaluate(config=config).to_json()


def _check_negatives(config: EvaluateConfig, cases: Cases) -> None:
    """Refuse a number of random wrong answers that would not be used."""
    if config.protocol != "sampled":
        reason, hint = "this is a full ranking, without random wrong answers", "add --protocol sampled, or leave --negatives out"
    elif cases.negatives is not None:
        reason = f"the test of this split brings its own {cases.negatives.shape[1]} wrong answers a case"
        hint = "leave --negatives out"
    else:
        return
    raise AisleError(f"--negatives {config.negatives} cannot be used: {reason}", hint=hint, code="E905")
