"""`aisle compare`: is one run better than another, and how sure are we."""

from __future__ import annotations

from pathlib import Path

import click

from aisle.cli.measured import print_differences
from aisle.cli.output import JSON_OPTION, print_json
from aisle.evaluate.compare import compare
from aisle.experiment.run import read_run


@click.command("compare")
@click.argument("run_a", type=click.Path(path_type=Path))
@click.argument("run_b", type=click.Path(path_type=Path))
@JSON_OPTION
def command(run_a: Path, run_b: Path, as_json: bool) -> None:
    """Print RUN_B minus RUN_A on the cases that both were asked, shopper by shopper, with 95% intervals.

    \b
    Example:
      aisle compare runs/fm runs/ncf
    """
    a, b = read_run(run_a), read_run(run_b)
    result = compare(a.evaluation(), b.evaluation()).to_json()
    if as_json:
        print_json({"a": str(run_a), "b": str(run_b), **result})
    else:
        title = f"{run_b} ({b.name}) minus {run_a} ({a.name}), {result['cases']:,} cases"
        names = (run_a.name, run_b.name) if run_a.name != run_b.name else (str(run_a), str(run_b))
        print_differences(title, result["rows"], *names)
