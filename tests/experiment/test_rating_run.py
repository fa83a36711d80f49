"""Rating prediction from a log to a report, on simulated ratings: how much of a user and an item there is, plus their match."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from aisle.cli.measured import protocol_line, result_line
from aisle.dataset.prepare import prepare
from aisle.dataset.reader import Dataset
from aisle.experiment.leaderboard import leaderboard
from aisle.experiment.recipe import load_recipe
from aisle.experiment.report import write_report
from aisle.experiment.run import Run, train_run
from aisle.logs.recipe import make_log_recipe

USERS, ITEMS, NOISE = 200, 60, 0.3
QUICK = ["parameters.factors=2", "parameters.dropout=0", "train.batch_size=256", "train.learning_rate=0.02", "train.epochs=12"]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    random, folder = np.random.default_rng(2), tmp_path_factory.mktemp("ratings")
    mood_U, appeal_V, taste_U, kind_V = (random.normal(0, 0.5, n) for n in (USERS, ITEMS, USERS, ITEMS))
    user, item = np.nonzero(random.random((USERS, ITEMS)) < 0.5)
    rating = 3 + mood_U[user] + appeal_V[item] + 2 * taste_U[user] * kind_V[item] + random.normal(0, NOISE, len(user))
    part = random.integers(0, 5, len(user))
    events = pl.DataFrame({"user_id": user, "item_id": item, "rating": rating, "part": part})
    recipe = make_log_recipe({"event": "rating", "order": "rows", "columns": {"fold": "part"}}, "test")
    prepare(events, folder / "data", recipe=recipe)
    return Dataset(folder / "data")


@pytest.fixture(scope="module")
def runs(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    folder = tmp_path_factory.mktemp("runs")
    names = ["fm-side-ml-1m-ratings", "fm-ml-1m-ratings"]
    return [train_run(dataset, load_recipe(name, QUICK), folder / name) for name in names]


def test_the_error_comes_near_the_noise(runs: list[Run]) -> None:
    for run in runs:
        rmse = run.metrics["test"]["metrics"]["RMSE"]
        # The noise, 0.3, is the least that can be left; the mean rating alone leaves about 1.
        assert NOISE < rmse["mean"] < 0.45
        assert rmse["ci"][0] < rmse["mean"] < rmse["ci"][1]
        assert run.evaluation().to_json() == run.metrics["test"]


def test_the_epoch_with_the_smallest_error_is_kept(runs: list[Run]) -> None:
    lines = pl.read_json(runs[0].folder / "epochs.json").filter(pl.col("phase") == "choose")
    # What is maximised is minus the error.
    assert lines["validation"].max() == lines.filter(pl.col("epoch") == runs[0].metrics["best_epoch"])["validation"].item()
    assert (lines["validation"] < 0).all()


def test_the_smallest_error_is_first_on_the_board_and_on_the_page(runs: list[Run], tmp_path: Path) -> None:
    board = leaderboard(runs)
    errors = [row["RMSE"] for row in board["models"]]
    assert errors == sorted(errors)
    write_report(board, runs, tmp_path)
    page = (tmp_path / "report.html").read_text()
    assert "rating prediction" in page
    assert "RMSE" in page


def test_a_run_says_what_was_measured(runs: list[Run]) -> None:
    assert protocol_line(runs[0].metrics["test"]).startswith("rating prediction, ")
    assert "RMSE 0." in result_line(runs[0])
