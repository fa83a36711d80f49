"""kill -9 at random moments of `prepare`: a rerun gives the same dataset, and nothing is left over."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from aisle.dataset.reader import Dataset

KILLS = 25
ROWS = 300_000
# Small partitions, so that every stage has a good share of the time.
PREPARE = """
import sys
from pathlib import Path
from aisle.dataset import arrange
from aisle.dataset.prepare import prepare
arrange.PARTITION_ROWS = 20_000
prepare(sys.argv[1], Path(sys.argv[2]), items=sys.argv[3], overwrite="overwrite" in sys.argv)
"""


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    rng = np.random.default_rng(2)
    folder = tmp_path_factory.mktemp("log")
    users, items = rng.integers(0, 20_000, ROWS), rng.integers(0, 5_000, ROWS)
    rows = pl.DataFrame({"user_id": users, "item_id": items, "timestamp": 1_500_000_000 + rng.integers(0, 10**7, ROWS)})
    rows = rows.with_columns(
        pl.format("u{}", "user_id").alias("user_id"),
        pl.when(pl.int_range(pl.len()) % 100 == 0).then(pl.lit("gaze")).otherwise(pl.lit("view")).alias("event"),
        (pl.col("timestamp") // 3600).alias("session_id"),
    )
    rows.write_csv(folder / "log.csv")
    pl.DataFrame({"item_id": range(5_000), "title": [f"item {i}" for i in range(5_000)]}).write_parquet(folder / "items.parquet")
    return folder / "log.csv", folder / "items.parquet"


def command(log: tuple[Path, Path], out: Path, *words: str) -> list[str]:
    return [sys.executable, "-c", PREPARE, str(log[0]), str(out), str(log[1]), *words]


def run(log: tuple[Path, Path], out: Path, *words: str) -> str:
    subprocess.run(command(log, out, *words), check=True, timeout=120)
    return Dataset(out).manifest.content_hash


def killed(log: tuple[Path, Path], out: Path, after_s: float, *words: str) -> bool:
    """Start prepare and kill it after a while; say whether it was still at work."""
    process = subprocess.Popen(command(log, out, *words))
    try:
        process.wait(timeout=after_s)
    except subprocess.TimeoutExpired:
        os.kill(process.pid, signal.SIGKILL)
    return process.wait() == -signal.SIGKILL


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_25_kills_of_prepare_leave_no_trace(log: tuple[Path, Path], tmp_path: Path) -> None:
    begun = time.monotonic()
    expected = run(log, tmp_path / "whole")
    duration_s = time.monotonic() - begun
    moments = random.Random(7)
    interrupted = 0
    for kill in range(KILLS):
        place = tmp_path / f"place{kill}"
        place.mkdir()
        interrupted += killed(log, place / "out", moments.uniform(0.1, 1.0) * duration_s)
        assert {path.name for path in place.iterdir()} <= {"out", ".out.partial"}
        if not (place / "out").exists():
            assert run(log, place / "out") == expected
        assert Dataset(place / "out").manifest.content_hash == expected
        assert [path.name for path in place.iterdir()] == ["out"]
    assert interrupted >= KILLS // 2, f"only {interrupted} of {KILLS} kills came in time"


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_killed_replacement_leaves_the_old_dataset_whole(log: tuple[Path, Path], tmp_path: Path) -> None:
    expected = run(log, tmp_path / "out")
    moments = random.Random(8)
    for _ in range(5):
        killed(log, tmp_path / "out", moments.uniform(0.3, 1.2), "overwrite")
        assert Dataset(tmp_path / "out").manifest.content_hash == expected
    assert run(log, tmp_path / "out", "overwrite") == expected
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
