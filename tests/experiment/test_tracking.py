"""A tracked run is told to MLflow whole, and a place that cannot be used ends in an error before training."""

from __future__ import annotations

import importlib.util
import json
import socket
from pathlib import Path
from typing import Any

import pytest

from aisle.cli.main import main
from aisle.dataset.reader import Dataset
from aisle.errors import AisleError
from aisle.experiment.recipe import load_recipe, recipe_as_dict
from aisle.experiment.run import Screen, train_run
from aisle.experiment.tracking import Tracker, flat, named_metrics, shown
from aisle.train.watch import Progress

QUICK = ["train.epochs=2", "train.patience=0", "evaluate.resamples=20", "baselines=['popularity']"]


def test_a_recipe_is_told_key_by_key() -> None:
    told = flat(recipe_as_dict(load_recipe("ncf", ["train.learning_rate=0.25"])))
    assert (told["model"], told["train.learning_rate"], told["parameters.hidden"]) == ("ncf", 0.25, "[64, 32]")
    assert "split.cut_times" not in told  # None: nothing was set


def test_metrics_have_names_that_mlflow_takes_and_their_intervals() -> None:
    def measured(mean: float, ci: list[float] | None) -> dict[str, Any]:
        return {"metrics": {"HR@10": {"mean": mean, "ci": ci}}, "aggregates": {"Coverage@10": 0.5}}

    told = named_metrics(
        {"train_seconds": 2, "test": measured(0.3, [0.2, 0.4]), "baselines": {"popularity": {"test": measured(0.1, None)}}}
    )
    assert told == {
        "train_seconds": 2.0,
        "test/HR_at_10": 0.3,
        "test/HR_at_10/low": 0.2,
        "test/HR_at_10/high": 0.4,
        "test/Coverage_at_10": 0.5,
        "baseline/popularity/HR_at_10": 0.1,
        "baseline/popularity/Coverage_at_10": 0.5,
    }


def test_a_password_in_the_uri_is_not_shown() -> None:
    assert shown("https://ann:secret@tracking.example:5000/x") == "https://tracking.example:5000/x"
    assert shown("sqlite:///runs@home.db") == "sqlite:///runs@home.db"


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.mark.parametrize("missing", [True, False], ids=["mlflow is missing", "the server is down"])
def test_what_is_configured_and_cannot_be_had_is_said_before_training(
    missing: bool, dataset_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if missing:
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://ann:secret@127.0.0.1:{closed_port()}")
    words = ["train", str(dataset_folder), "--recipe", "popularity", "--out", str(tmp_path / "run")]
    monkeypatch.setattr("sys.argv", ["aisle", *words])
    assert main() == 6
    said = capsys.readouterr().err
    assert ("[E411]" if missing else "[E412]") in said
    assert "secret" not in said
    assert not (tmp_path / "run").exists()


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A store in a file; MLflow puts artifacts beside it, below the working folder."""
    monkeypatch.chdir(tmp_path)
    return f"sqlite:///{tmp_path / 'mlflow.db'}"


class PowerCutError(Exception):
    """Stands for anything that stops a run from outside."""


@pytest.mark.slow  # MLflow takes seconds to load and to make its tables
@pytest.mark.filterwarnings("ignore")  # of MLflow and what it loads, not ours
def test_a_run_is_told_whole_and_a_resumed_one_goes_on_in_the_same_mlflow_run(
    dataset: Dataset, tmp_path: Path, store: str
) -> None:
    recipe = load_recipe("ncf", QUICK)

    def cut_in_second_epoch(progress: Progress) -> None:
        if progress.epoch == 2:
            raise PowerCutError

    with pytest.raises(PowerCutError):
        train_run(dataset, recipe, tmp_path / "run", screen=Screen(on_progress=cut_in_second_epoch, tracker=Tracker(store)))

    from mlflow.tracking import MlflowClient  # noqa: PLC0415 - seconds to load

    client = MlflowClient(tracking_uri=store)
    run_id = json.loads((tmp_path / "run" / "mlflow.json").read_text())["run_id"]
    assert client.get_run(run_id).info.status == "FAILED"

    run = train_run(dataset, recipe, tmp_path / "run", resume=True, screen=Screen(tracker=Tracker(store)))
    (told,) = client.search_runs([client.get_run(run_id).info.experiment_id])
    assert (told.info.run_id, told.info.status, told.info.run_name) == (run_id, "FINISHED", "run")
    assert told.data.params["train.epochs"] == "2"
    assert told.data.tags["dataset"] == dataset.manifest.content_hash
    hit_rate = run.metrics["test"]["metrics"]["HR@10"]
    low_high = [told.data.metrics[f"test/HR_at_10/{end}"] for end in ("low", "high")]
    assert (told.data.metrics["test/HR_at_10"], low_high) == (hit_rate["mean"], hit_rate["ci"])
    epochs = client.get_metric_history(run_id, "choose/validation")
    assert [epoch.step for epoch in epochs] == [1, 2]
    records = [record for record in json.loads((run.folder / "epochs.json").read_text()) if record["phase"] == "choose"]
    assert [epoch.value for epoch in epochs] == [record["validation"] for record in records]
    files = {file.path for file in client.list_artifacts(run_id)}
    assert {"recipe.toml", "metrics.json", "environment.json", "epochs.json", "curves.png", "log.txt"} <= files


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("uri", ["file:///nowhere", "ftp://example.org"])  # MLflow 3 has given its plain files up
def test_a_store_that_cannot_be_opened_is_an_error_with_a_code(uri: str) -> None:
    with pytest.raises(AisleError, match="E412"):
        Tracker(uri)
