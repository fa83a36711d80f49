"""kill -9 and Ctrl-C in the middle of `aisle tune`: a resume ends with the trials of a search that nobody stopped."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

TRIALS = 6
OPTIONS = ("--recipe", "ncf", "--set", "train.epochs=3", "--search", "parameters.factors=4,8", "--trials", str(TRIALS))


def command(dataset: Path, out: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "aisle.cli.main", "tune", str(dataset), *OPTIONS, "--out", str(out), *options]


def trials(folder: Path) -> list[dict[str, Any]]:
    """Everything about the trials but their time."""
    told = json.loads((folder / "trials.json").read_text())["trials"]
    return [{key: value for key, value in trial.items() if key != "seconds"} for trial in told]


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_search_that_was_stopped_again_and_again_ends_as_if_nothing_had_happened(dataset_folder: Path, tmp_path: Path) -> None:
    begun = time.monotonic()
    subprocess.run(command(dataset_folder, tmp_path / "whole"), check=True, capture_output=True)
    duration_s = time.monotonic() - begun
    moments, stopped = random.Random(7), 0
    for stop in (signal.SIGKILL, signal.SIGINT, signal.SIGKILL):
        process = subprocess.Popen(
            command(dataset_folder, tmp_path / "cut", "--resume"), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        try:
            process.wait(timeout=moments.uniform(0.4, 0.9) * duration_s)
        except subprocess.TimeoutExpired:
            os.kill(process.pid, stop)
            stopped += 1
        _, said = process.communicate()
        assert process.returncode in (0, -signal.SIGKILL, 130), said.decode()
    assert stopped
    subprocess.run(command(dataset_folder, tmp_path / "cut", "--resume"), check=True, capture_output=True)
    assert len(trials(tmp_path / "cut")) == TRIALS
    assert trials(tmp_path / "cut") == trials(tmp_path / "whole")
    assert {path.name for path in (tmp_path / "cut").iterdir()} == {path.name for path in (tmp_path / "whole").iterdir()}
