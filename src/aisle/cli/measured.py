"""Measured results as tables: one row a model, every metric with its interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click

from aisle.cli.output import print_table
from aisle.experiment.run import Run


def metric_cells(measured: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    """Return "mean [low, high]" for each metric of `Evaluation.to_json()`."""
    cells = []
    for name in names:
        metric = measured["metrics"].get(name)
        if metric is None:
            cells.append("" if name not in measured["aggregates"] else f"{measured['aggregates'][name]:.4f}")
        else:
            cells.append(with_interval(metric["mean"], metric["ci"]))
    return cells


def with_interval(mean: float, interval: Sequence[float] | None) -> str:
    """Return "mean [low, high]", the mean alone where no interval was asked for."""
    return f"{mean:.4f}" if interval is None else f"{mean:.4f} [{interval[0]:.4f}, {interval[1]:.4f}]"


def print_run(run: Run) -> None:
    """Print a run's test metrics beside its baselines, then the paired differences and the slices."""
    test = run.metrics["test"]
    names = [*test["metrics"], *test["aggregates"]]
    columns = {run.name: metric_cells(test, names)}
    called = {name: f"plain {name}" if name == run.name else name for name in run.metrics["baselines"]}
    columns |= {called[name]: metric_cells(baseline["test"], names) for name, baseline in run.metrics["baselines"].items()}
    rows = [(name, *(cells[place] for cells in columns.values())) for place, name in enumerate(names)]
    seconds = [run.metrics["train_seconds"], *(baseline["train_seconds"] for baseline in run.metrics["baselines"].values())]
    rows.append(("training, s", *(f"{value:.1f}" for value in seconds)))
    print_table(f"{run.folder}: {protocol_line(test)}", ("metric", *columns), rows)
    for name, baseline in run.metrics["baselines"].items():
        print_differences(f"{run.name} minus {called[name]}", baseline["difference"]["rows"], called[name], run.name)
    print_slices(test)


def result_line(run: Run) -> str:
    """Return a run's outcome in one line."""
    names = list(run.metrics["test"]["metrics"])[:2]
    cells = metric_cells(run.metrics["test"], names)
    kept = f", kept {run.metrics['best_epoch']}"
    epochs = f", {count_of(run.metrics['epochs'], 'epoch')}{kept}" if run.metrics["epochs"] else ""
    measured = ", ".join(f"{name} {cell}" for name, cell in zip(names, cells, strict=True))
    return f"{run.name}: {measured} (trained in {run.metrics['train_seconds']:.1f} s on {run.metrics['device']}{epochs})"


def protocol_line(measured: Mapping[str, Any]) -> str:
    """Return the protocol and the counts in one line."""
    protocol, counts = measured["protocol"], measured["counts"]
    ranking = {"full": "full ranking", "rating": "rating prediction"}.get(protocol["ranking"], "SAMPLED ranking")
    intervals = "95% intervals" if measured["settings"]["resamples"] else "no intervals"
    return f"{ranking}, {count_of(counts['cases'], 'case')}, {intervals}"


def count_of(number: int, noun: str) -> str:
    """Return "1 case" or "2 cases"."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def print_differences(title: str, rows: Sequence[Mapping[str, Any]], a: str, b: str) -> None:
    """Print paired differences, b minus a, with interval and verdict; `a` and `b` are what to call the two."""
    cells = [
        (
            row["metric"],
            f"{row['difference']:+.4f} [{row['interval'][0]:+.4f}, {row['interval'][1]:+.4f}]",
            verdict_in_words(row["metric"], row["verdict"], a, b),
        )
        for row in rows
    ]
    print_table(title, ("metric", "difference [95%]", "verdict"), cells)


def verdict_in_words(metric: str, verdict: str, a: str, b: str) -> str:
    """Name the two runs in a verdict; more diverse lists are not better ones by themselves."""
    name = {"a is better": a, "b is better": b}.get(verdict)
    if name is None:
        return verdict
    return f"{name} is more diverse" if metric.startswith("Diversity") else f"{name} is better"


def print_slices(measured: Mapping[str, Any]) -> None:
    """Print HR and NDCG, or RMSE and MAE, of each slice."""
    shown = [name for name in measured["metrics"] if name.startswith(("HR@", "NDCG@", "RMSE", "MAE"))]
    rows = [(part["name"], f"{part['cases']:,}", *metric_cells({**part, "aggregates": {}}, shown)) for part in measured["slices"]]
    if rows:
        print_table("slices", ("slice", "cases", *shown), rows)
    fallback = measured["counts"].get("fallback_cases", 0)
    if fallback:
        cases = count_of(measured["counts"]["cases"], "case")
        click.echo(f"shoppers that the model does not know, answered with popular items: {fallback:,} of {cases}")
