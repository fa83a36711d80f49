"""Measure `aisle prepare`: wall time and peak memory, beside a bare Polars read, unique, encode and sort. Simulated data only.

    python -m benchmarks.prepare.run --events 10e6 --work /somewhere/with/space

The log is simulated once and kept under --work. Every run is a process of its own, so that its peak memory is its own; runs
of the two alternate, so that a busy moment of the machine hits both.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

RESULTS = Path(__file__).with_name("results.json")
# One shopper in 33 events, as in the shop of the demo; a hundredth as many items as events, at most 100,000.
EVENTS_A_USER = 33
MAX_ITEMS = 100_000

# What nobody can do without: read the columns, number the ids in sorted order, sort the rows. No checks, no writing.
CEILING = """
import sys
import polars as pl
names = ["user_id", "item_id", "event", "timestamp", "session_id", "price"]
log = pl.scan_parquet(sys.argv[1] + "/*.parquet").select(names).collect()
for name in ("user_id", "item_id"):
    ids = log[name].unique().sort()
    log = log.with_columns(pl.col(name).cast(pl.Enum(ids)).to_physical())
log = log.with_columns(pl.col("event").cast(pl.Categorical).to_physical())
log = log.sort("user_id", "timestamp", "item_id", "event")
print(len(log))
"""


@dataclass(frozen=True)
class Usage:
    """One run: seconds of wall clock, bytes of peak resident memory."""

    wall_s: float
    peak_bytes: int


def measure(words: list[str]) -> Usage:
    """Run a command and measure it.

    Raises:
        SystemExit: the command failed.
    """
    begun = time.perf_counter()
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    wall_s = time.perf_counter() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{words[:4]} ended with status {process.returncode}")
    return Usage(wall_s, usage.ru_maxrss * 1024)


def simulated_log(events: int, work: Path) -> Path:
    """Return the simulated log's folder, made once."""
    shop = work / f"shop-{events}"
    if not shop.exists():
        users, items = max(events // EVENTS_A_USER, 10), min(max(events // 100, 10), MAX_ITEMS)
        numbers = [f"--users={users}", f"--items={items}", f"--events={events}", "--seed=1"]
        subprocess.run([sys.executable, "-m", "aisle.cli.main", "simulate", *numbers, f"--out={shop}"], check=True)
    return shop / "events"


def summary(runs: list[Usage]) -> dict[str, Any]:
    """Return median, minimum and maximum of the wall time, and the highest peak memory."""
    wall = [run.wall_s for run in runs]
    return {
        "wall_s": {"median": round(statistics.median(wall), 2), "min": round(min(wall), 2), "max": round(max(wall), 2)},
        "peak_gb": round(max(run.peak_bytes for run in runs) / 1e9, 2),
        "runs": len(runs),
    }


def machine() -> dict[str, Any]:
    """Say where this was measured."""
    model = next((line.split(":")[1].strip() for line in _cpuinfo() if line.startswith("model name")), platform.processor())
    return {
        "cpu": model,
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "python": platform.python_version(),
        "polars": pl.__version__,
        "numpy": np.__version__,
    }


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []


def main() -> None:
    """Measure, print a table, and write `results.json`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=float, default=10e6)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument(
        "--work", type=Path, default=Path(".bench/prepare"), help="for the simulated log and the datasets; not in git"
    )
    parser.add_argument("--without-ceiling", action="store_true", help="leave bare Polars out: it needs the whole log in memory")
    arguments = parser.parse_args()
    events = int(arguments.events)
    log = simulated_log(events, arguments.work)
    out = arguments.work / f"dataset-{events}"
    prepare = [sys.executable, "-m", "aisle.cli.main", "prepare", str(log), f"--out={out}", "--json"]
    ours, bare = [], []
    for _ in range(arguments.repeats):
        shutil.rmtree(out, ignore_errors=True)
        ours.append(measure(prepare))
        if not arguments.without_ceiling:
            bare.append(measure([sys.executable, "-c", CEILING, str(log)]))
    report(events, ours, bare)


def report(events: int, ours: list[Usage], bare: list[Usage]) -> None:
    """Print the table and put it beside the other sizes in `results.json`."""
    entry: dict[str, Any] = {
        "simulated": True,
        "events": events,
        "command": f"python -m benchmarks.prepare.run --events {events} --repeats {len(ours)}",
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine(),
        "aisle prepare": summary(ours),
    }
    if bare:
        entry["bare polars"] = summary(bare)
        entry["ratio"] = round(entry["aisle prepare"]["wall_s"]["median"] / entry["bare polars"]["wall_s"]["median"], 2)
    print(f"{events:,} simulated events, {len(ours)} runs, {entry['machine']['cores']} cores")
    print(f"{'':16}{'median s':>10}{'min':>8}{'max':>8}{'peak GB':>10}")
    for name in ("aisle prepare", "bare polars"):
        if name in entry:
            wall = entry[name]["wall_s"]
            print(f"{name:16}{wall['median']:10.2f}{wall['min']:8.2f}{wall['max']:8.2f}{entry[name]['peak_gb']:10.2f}")
    known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    RESULTS.write_text(json.dumps(known | {str(events): entry}, indent=1) + "\n")


if __name__ == "__main__":
    main()
