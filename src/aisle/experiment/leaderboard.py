"""Several runs on the same cases, best first, with the row of a perfect model where the truth is known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aisle.dataset.split import split
from aisle.errors import AisleError
from aisle.evaluate.evaluation import Evaluation, evaluate
from aisle.evaluate.rating import LOWER_IS_BETTER
from aisle.experiment.facts import facts_of
from aisle.experiment.run import Run
from aisle.simulate.truth import TrueShop

PERFECT = "perfect (simulated truth)"


def leaderboard(runs: Sequence[Run], truth: Path | None = None) -> dict[str, Any]:
    """Put runs side by side.

    Args:
        runs: finished runs on one dataset under one protocol.
        truth: the folder of the simulated shop that the logs came from; adds the perfect model's row.

    Returns:
        `{"protocol": {...}, "simulated": bool, "models": [{"model": ..., "HR@10": x, "HR@10_ci": [low, high], ...,
        "train_seconds": s}, ...]}`, best first by the first metric.

    Raises:
        AisleError: E703 when the runs were not asked the same cases, E704 when they have no metric in common.
    """
    first = runs[0].metrics["test"]["protocol"]
    for run in runs[1:]:
        if run.metrics["test"]["protocol"] != first:
            raise AisleError(
                f"{run.folder} and {runs[0].folder} were not measured on the same cases under the same protocol",
                hint="put runs of one dataset, split and protocol on a leaderboard",
                code="E703",
            )
    shared = _shared_metrics(runs)
    rows = [_row(run.name, run.metrics["test"], shared, run.metrics["train_seconds"]) | {"run": run.folder.name} for run in runs]
    if truth is not None:
        rows.append(_perfect_row(runs[0], truth, shared))
    rows.sort(key=lambda row: row[shared[0]] if shared[0] in LOWER_IS_BETTER else -row[shared[0]])
    counts = runs[0].metrics["test"]["counts"]
    return {
        "protocol": {**first, "split": runs[0].metrics["split"], "cases": counts["cases"]},
        "simulated": truth is not None,
        "models": rows,
    }


def _shared_metrics(runs: Sequence[Run]) -> list[str]:
    """Return the metrics that every run has: runs of one protocol may differ in k."""
    names = [list(run.metrics["test"]["metrics"]) for run in runs]
    shared = [name for name in names[0] if all(name in others for others in names)]
    if not shared:
        raise AisleError(
            f"no metric in common: {', '.join(sorted({name for some in names for name in some}))}",
            hint="evaluate all with the same k",
            code="E704",
        )
    return shared


def _row(model: str, measured: dict[str, Any], shared: Sequence[str], train_seconds: float | None) -> dict[str, Any]:
    row: dict[str, Any] = {"model": model}
    for name in shared:
        metric = measured["metrics"][name]
        row |= {name: metric["mean"], f"{name}_ci": metric["ci"]}
    row |= measured["aggregates"]
    return row | {"train_seconds": train_seconds}


def _perfect_row(run: Run, truth: Path, shared: Sequence[str]) -> dict[str, Any]:
    return _row(PERFECT, perfect(run, truth).to_json(), shared, None) | {"perfect": True}


def perfect(run: Run, truth: Path) -> Evaluation:
    """Measure the true preferences on a run's test cases, as of the moment of the test cut."""
    dataset = run.dataset()
    parts = split(dataset, run.recipe.split)
    last_known = int(parts.refit.time.max())
    users, items = dataset.users.decode(range(dataset.n_users)), dataset.items.decode(range(dataset.n_items))
    shop = TrueShop(truth, [str(user) for user in users], [str(item) for item in items], time_us=last_known)
    config = run.recipe.evaluate
    facts = facts_of(dataset, parts, refit=run.recipe.train.refit, fallback_days=config.fallback_days)
    return evaluate(shop, parts.test, config, facts)
