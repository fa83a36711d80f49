"""`aisle reproduce` as a user types it: what it prints, and how it ends."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from aisle.dataset.reader import Dataset
from aisle.experiment.recipe import load_recipe
from aisle.experiment.run import train_run
from tests.cli.test_commands import Shell
from tests.experiment.test_reproduce import alter_weight, elsewhere, one_commit, shift_cases

__all__ = ["one_commit"]  # a fixture


@pytest.fixture(scope="module")
def recorded(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    recipe = load_recipe("popularity", ["evaluate.resamples=50", "baselines=[]"])
    return train_run(dataset, recipe, tmp_path_factory.mktemp("recorded") / "run").folder


@pytest.fixture
def run(recorded: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(recorded, tmp_path / "run"))


@pytest.fixture
def aisle(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(monkeypatch, capsys)


def test_an_identical_rerun_says_so_in_one_line_and_leaves_nothing(
    aisle: Shell, run: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    status, out, err = aisle.run("reproduce", run)
    assert status == 0
    assert out.startswith(f"{run}: identical: ")
    assert out.count("\n") == 1
    assert "the same bits are expected" in err
    assert "trained" in err, "progress as of `aisle train`"
    assert not list(scratch.iterdir())


def test_a_rerun_can_be_kept(aisle: Shell, run: Path, tmp_path: Path) -> None:
    document = aisle.json("reproduce", run, "--out", tmp_path / "kept")
    assert (document["verdict"], document["rerun"]) == ("identical", str(tmp_path / "kept"))
    assert (tmp_path / "kept" / "metrics.json").exists()
    status, _, err = aisle.run("reproduce", run, "--out", tmp_path / "kept")
    assert (status, "E406" in err) == (6, True)


def test_other_bits_in_the_same_environment_end_with_a_status_and_the_array(aisle: Shell, run: Path) -> None:
    alter_weight(run, "facts.fallback", 2)
    status, out, err = aisle.run("reproduce", run)
    assert status == 6
    assert "1 of " in out
    assert "facts.fallback" in out
    assert "not reproduced: " in err
    assert "such as facts.fallback: 1 of 120 values, 2;" in err
    assert "E414" in err


def test_with_json_a_difference_is_one_document_and_the_same_status(aisle: Shell, run: Path) -> None:
    alter_weight(run, "facts.fallback", 2)
    status, out, _ = aisle.run("reproduce", run, "--json")
    assert status == 6
    assert json.loads(out)["verdict"] == "differs"


def test_elsewhere_the_environment_and_the_intervals_are_printed(aisle: Shell, run: Path) -> None:
    elsewhere(run)
    shift_cases(run, 0.001)
    status, out, _ = aisle.run("reproduce", run)
    assert status == 0
    assert "the environment is not the recorded one" in out
    assert "2.6.0+cu124" in out
    assert "rerun minus recorded, case by case" in out
    assert "within the interval: not the same bits, as the environment differs" in out


def test_a_metric_outside_its_interval_is_named(aisle: Shell, run: Path) -> None:
    elsewhere(run)
    shift_cases(run, 0.5)
    status, out, err = aisle.run("reproduce", run)
    assert status == 6
    assert "OUTSIDE" in out
    assert "outside the interval (metric, recorded, rerun): HR@10 " in err
    assert "E415" in err


def test_the_dataset_may_have_moved(aisle: Shell, run: Path, dataset_folder: Path, tmp_path: Path) -> None:
    about = json.loads((run / "dataset.json").read_text())
    (run / "dataset.json").write_text(json.dumps({**about, "path": str(tmp_path / "gone")}))
    status, _, err = aisle.run("reproduce", run)
    assert (status, "E404" in err, "--dataset" in err) == (6, True, True)
    assert aisle.run("reproduce", run, "--dataset", dataset_folder)[0] == 0
