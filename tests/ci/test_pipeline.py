"""The script that a nightly job runs, whole: from a log to the bundle in production, and no further than the gate."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

ROOT = Path(__file__).parent.parent.parent
SCRIPT = ROOT / "ci" / "pipeline.sh"
STEPS = ["prepare", "train", "gate", "export", "verify", "publish"]


def pipeline(*steps: str, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "AISLE": str(Path(sys.executable).with_name("aisle")), "OMP_NUM_THREADS": "1", **settings}
    return subprocess.run([SCRIPT, *steps], capture_output=True, text=True, env=environment, check=False, timeout=280)


@pytest.mark.parametrize("name", ["github-actions.yml", "gitlab-ci.yml"])
def test_a_job_calls_every_step_of_the_script_in_order_and_nothing_else(name: str) -> None:
    job = (ROOT / "ci" / name).read_text()
    assert re.findall(r"ci/pipeline\.sh (\w+)", job) == STEPS
    assert not re.search(r"^\s*(- |run: )aisle ", job, re.MULTILINE)


def test_the_script_defines_the_steps_that_it_names() -> None:
    script = SCRIPT.read_text()
    assert re.findall(r"^step_(\w+)\(\)", script, re.MULTILINE) == STEPS
    assert f'STEPS="{" ".join(STEPS)}"' in script


def test_a_misspelt_step_stops_before_anything_is_done(tmp_path: Path) -> None:
    done = pipeline("prepare", "trian", OUT=str(tmp_path / "out"))
    assert done.returncode == 2
    assert "no step 'trian'" in done.stderr
    assert not (tmp_path / "out").exists()


def test_what_the_gate_did_not_pass_is_not_promoted(tmp_path: Path) -> None:
    done = pipeline("publish", OUT=str(tmp_path))
    assert done.returncode == 12
    assert "has not passed" in done.stderr


def test_every_setting_is_documented() -> None:
    settings = set(re.findall(r"^([A-Z_]+)=\$\{", SCRIPT.read_text(), re.MULTILINE))
    page = (ROOT / "docs" / "automation.md").read_text()
    assert settings == set(re.findall(r"^\| `([A-Z_]+)` \|", page, re.MULTILINE))


@pytest.fixture(scope="module")
def first_days(shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The log of the simulated shop, without its last fifth: what there was some days ago."""
    events = pl.read_parquet(shop / "events.parquet").sort("timestamp")
    path = tmp_path_factory.mktemp("days") / "events.parquet"
    events.head(len(events) * 4 // 5).write_parquet(path)
    return path


@pytest.mark.slow
def test_night_after_night_a_better_model_goes_into_production_and_a_worse_one_stops(
    shop: Path, first_days: Path, tmp_path: Path
) -> None:
    settings = {"OUT": str(tmp_path), "ITEMS": str(shop / "items.parquet"), "EXPORT_OPTIONS": "--name nightly"}

    first = pipeline(LOGS=str(first_days), RECIPE="popularity", **settings)
    assert first.returncode == 0, first.stderr
    assert "serves nothing yet" in first.stdout
    bundle = served(tmp_path)

    # Newer events, and a model that knows more than what is popular.
    second = pipeline(LOGS=str(shop / "events.parquet"), RECIPE="item-knn", **settings)
    assert second.returncode == 0, second.stderr
    better = served(tmp_path)
    assert better != bundle
    (reason,) = [entry["why"] for entry in history(tmp_path) if entry["bundle"] == better]
    assert re.search(r"^passed: NDCG@10 of .* \+0\.\d+ \[.*where the bundle was asked again", reason)

    # On the same data what is popular is worse: the script ends at the gate, and production stays as it is.
    third = pipeline(LOGS=str(shop / "events.parquet"), RECIPE="popularity", **settings)
    assert third.returncode == 12
    assert "stopped: NDCG@10" in third.stderr
    assert "$ aisle export" not in third.stdout
    assert served(tmp_path) == better

    # A step alone: nothing that the gate stopped gets past it.
    assert pipeline("publish", **settings).returncode == 12
    assert [entry["number"] for entry in history(tmp_path)] == [1, 2]


def served(out: Path) -> str:
    bundle: str = history(out)[-1]["bundle"]
    return bundle


def history(out: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted((out / "registry" / "history" / "production").iterdir())]
