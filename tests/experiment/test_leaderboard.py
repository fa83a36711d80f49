"""Runs side by side: what they share is shown, and nothing breaks where an interval was not asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from aisle.dataset.reader import Dataset
from aisle.errors import AisleError
from aisle.experiment.leaderboard import leaderboard
from aisle.experiment.plots import label
from aisle.experiment.recipe import load_recipe
from aisle.experiment.report import write_report
from aisle.experiment.run import Run, train_run


def popular(dataset: Dataset, folder: Path, k: str, *more: str) -> Run:
    return train_run(
        dataset, load_recipe("popularity", [f"evaluate.k={k}", "evaluate.resamples=20", "baselines=[]", *more]), folder
    )


def test_runs_with_other_list_lengths_show_the_metrics_that_all_have(dataset: Dataset, tmp_path: Path) -> None:
    runs = [popular(dataset, tmp_path / "a", "[5, 10]"), popular(dataset, tmp_path / "b", "[10, 20]")]
    for row in leaderboard(runs)["models"]:
        assert "HR@10_ci" in row
        assert not {"HR@5_ci", "HR@20_ci"} & set(row)


def test_runs_without_a_metric_in_common_are_refused(dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(AisleError, match="E704"):
        leaderboard([popular(dataset, tmp_path / "a", "[5]"), popular(dataset, tmp_path / "b", "[10]")])


def test_a_report_of_runs_without_intervals_has_none(dataset: Dataset, tmp_path: Path) -> None:
    run = popular(dataset, tmp_path / "plain", "[10]", "evaluate.resamples=0", "baselines=['item-knn']")
    board = leaderboard([run])
    assert board["models"][0]["HR@10_ci"] is None
    write_report(board, [run], tmp_path / "report")
    page = (tmp_path / "report" / "report.html").read_text()
    assert f"<td>{board['models'][0]['HR@10']:.4f}</td>" in page
    assert "nan" not in page


def test_two_runs_of_one_model_are_told_apart_by_their_folders() -> None:
    assert label({"model": "ncf", "run": "ncf"}) == "ncf"
    assert label({"model": "ncf", "run": "ncf-wide"}) == "ncf (ncf-wide)"
    assert label({"model": "perfect (simulated truth)"}) == "perfect (simulated truth)"
