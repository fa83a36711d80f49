"""kill -9 at random moments of `aisle train`: a resume ends with the same bits, and nothing is left over."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

KILLS = 25
RECIPE = ("--set", "train.epochs=6", "--set", "train.patience=6", "--set", "evaluate.resamples=20", "--set", "baselines=[]")


def command(dataset: Path, run: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "aisle.cli.main", "train", str(dataset), "--out", str(run), "--quiet", *options]


def start(*words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def outcome(run: Path) -> tuple[str, str]:
    """The bits that must not depend on interruptions: the weights, and the per-case results."""
    weights = hashlib.sha256((run / "model" / "model.safetensors").read_bytes()).hexdigest()
    results = hashlib.sha256()
    for path in sorted((run / "test").iterdir()):
        results.update(path.name.encode() + path.read_bytes())
    return weights, results.hexdigest()


def leftovers(folder: Path) -> list[str]:
    hidden = [str(path.relative_to(folder)) for path in folder.rglob("*") if path.name.startswith(".")]
    return sorted(hidden + [str(path.relative_to(folder)) for path in folder.rglob("checkpoints")])


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_25_kills_of_train_end_as_if_nothing_had_happened(dataset_folder: Path, tmp_path: Path) -> None:
    begun = time.monotonic()
    whole = subprocess.run(
        command(dataset_folder, tmp_path / "whole", "--recipe", "ncf", *RECIPE), check=True, capture_output=True
    )
    duration_s = time.monotonic() - begun
    assert whole.returncode == 0
    expected, files = outcome(tmp_path / "whole"), {path.name for path in (tmp_path / "whole").iterdir()}
    moments = random.Random(11)
    interrupted = 0
    for kill in range(KILLS):
        run = tmp_path / f"run-{kill}"
        process = start(*command(dataset_folder, run, "--recipe", "ncf", *RECIPE))
        try:
            process.wait(timeout=moments.uniform(0.25, 1.0) * duration_s)
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            interrupted += 1
        assert process.stderr is not None
        process.stderr.close()
        again = subprocess.run(
            command(dataset_folder, run, "--recipe", "ncf", *RECIPE, "--resume"), check=False, capture_output=True, text=True
        )
        assert again.returncode == 0, again.stderr
        assert outcome(run) == expected, f"kill {kill}"
        assert leftovers(run) == []
        assert {path.name for path in run.iterdir()} - {"environment.resume.json"} == files
    # A test whose kills all came too late would prove nothing.
    assert interrupted >= KILLS // 2
