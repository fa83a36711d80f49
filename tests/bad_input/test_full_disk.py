"""A disk that fills up at any moment of prepare: one clear error, no traceback, nothing half-written."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest

# A file-size limit gives EFBIG, as a full quota does; Python ignores the signal that comes with it.
LIMITED = """
import resource, sys
from pathlib import Path
from aisle.dataset.prepare import prepare
from aisle.errors import AisleError
limit = int(sys.argv[3])
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    prepare(sys.argv[1], Path(sys.argv[2]), max_rejects=0.5)
except AisleError as error:
    print(error.code)
"""
ROWS = 20_000


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(1)
    path = tmp_path_factory.mktemp("log") / "log.parquet"
    rows = {
        "user_id": rng.integers(0, 3_000, ROWS),
        "item_id": rng.integers(0, 500, ROWS),
        "event": np.where(rng.random(ROWS) < 0.1, "gaze", "view"),
        "timestamp": 1_500_000_000 + rng.integers(0, 10**7, ROWS),
    }
    pl.DataFrame(rows).write_parquet(path)
    return path


def run(log: Path, out: Path, limit_bytes: int) -> str:
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(log), str(out), str(limit_bytes)], capture_output=True, text=True, check=False
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("limit_bytes", [1_000, 10_000, 70_000, 100_000, 200_000])
def test_a_file_size_limit_ends_in_a_clear_error_and_leaves_nothing(limit_bytes: int, log: Path, tmp_path: Path) -> None:
    assert run(log, tmp_path / "out", limit_bytes) == "E601"
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 400 kB; needs root and the right to mount."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(disk)], capture_output=True, check=False)
    if mounted.returncode:
        reason = f"SKIPPED: a small tmpfs cannot be mounted here ({mounted.stderr.decode().strip()})"
        with warnings.catch_warnings():
            warnings.simplefilter("default")
            warnings.warn(reason, stacklevel=1)
        pytest.skip(reason)
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_ends_in_a_clear_error_and_leaves_nothing(log: Path, small_disk: Path) -> None:
    assert run(log, small_disk / "out", 0) == "E601"
    assert os.listdir(small_disk) == []
