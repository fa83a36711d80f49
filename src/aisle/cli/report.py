"""`aisle report`: several runs on one leaderboard."""

from __future__ import annotations

from pathlib import Path

import click

from aisle.cli.measured import count_of, with_interval
from aisle.cli.output import JSON_OPTION, print_json, print_table
from aisle.experiment.leaderboard import leaderboard
from aisle.experiment.plots import label
from aisle.experiment.report import LEADERBOARD_NAME, REPORT_NAME, write_report
from aisle.experiment.run import read_run


@click.command("report")
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--truth", type=click.Path(path_type=Path), help="The simulated shop's folder: adds a perfect model's row.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for leaderboard.json and report.html.")
@JSON_OPTION
def command(runs: tuple[Path, ...], truth: Path | None, out: Path, as_json: bool) -> None:
    """Put RUNS side by side: a table here, leaderboard.json and a page with plots in OUT.

    \b
    Example:
      aisle report runs/popularity runs/ncf --out runs/report
    """
    read = [read_run(run) for run in runs]
    board = leaderboard(read, truth)
    write_report(board, read, out)
    if as_json:
        print_json(board)
        return
    # The rest stands in the JSON and on the page: a terminal is not that wide.
    shown = ("HR@", "NDCG@", "Recall@")
    names = [key.removesuffix("_ci") for key in board["models"][0] if key.endswith("_ci") and key.startswith(shown)]
    rows = []
    for row in board["models"]:
        cells = [with_interval(row[name], row[f"{name}_ci"]) for name in names]
        rows.append((label(row), *cells, "" if row["train_seconds"] is None else f"{row['train_seconds']:.1f}"))
    protocol = board["protocol"]
    ranking = "full ranking" if protocol["ranking"] == "full" else "SAMPLED ranking"
    simulated = "simulated shop, " if board["simulated"] else ""
    cases = count_of(protocol["cases"], "case")
    title = f"leaderboard: {simulated}{protocol['split']['kind']} split, {ranking}, {cases}, 95% intervals"
    print_table(title, ("model", *names, "train s"), rows)
    click.echo(f"{out / LEADERBOARD_NAME}\n{out / REPORT_NAME}")
