"""Measure `simulate`: wall time, rows a second, peak memory, size on disk. Simulated data only.

    python benchmarks/simulate/measure.py --events 100000000 --users 4000000 --items 200000 --repeats 1 --json result.json

Each run is a fresh process, so that its peak memory is its own.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

CHILD = """
import json, resource, sys, time
from pathlib import Path
from aisle.simulate.config import ShopConfig
from aisle.simulate.shop import simulate
users, items, events, threads = map(int, sys.argv[1:5])
start = time.perf_counter()
simulate(ShopConfig(users=users, items=items, events=events, seed=1), Path(sys.argv[5]), threads=threads or None)
wall_s = time.perf_counter() - start
peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps({"wall_s": wall_s, "cpu_s": time.process_time(), "peak_bytes": peak_bytes}))
"""


def measure(arguments: argparse.Namespace) -> dict[str, float]:
    """Run once in a process of its own."""
    with tempfile.TemporaryDirectory(dir=arguments.scratch) as scratch:
        out = Path(scratch) / "shop"
        numbers = [str(arguments.users), str(arguments.items), str(arguments.events), str(arguments.threads)]
        done = subprocess.run([sys.executable, "-c", CHILD, *numbers, str(out)], check=True, stdout=subprocess.PIPE, text=True)
        result: dict[str, float] = json.loads(done.stdout)
        result["disk_bytes"] = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--users", type=int, default=400_000)
    parser.add_argument("--items", type=int, default=50_000)
    parser.add_argument("--threads", type=int, default=0, help="0 = as `simulate` chooses")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--scratch", type=Path, default=None, help="where to write; default: the system's temporary folder")
    parser.add_argument("--json", type=Path, default=None, help="also write the result here")
    arguments = parser.parse_args()
    runs = [measure(arguments) for _ in range(arguments.repeats)]
    wall = sorted(run["wall_s"] for run in runs)
    result = {
        "what": "simulate",
        "simulated": True,
        "events": arguments.events,
        "users": arguments.users,
        "items": arguments.items,
        "machine": {
            "cores": len(os.sched_getaffinity(0)),
            "architecture": platform.machine(),
            "python": platform.python_version(),
        },
        "wall_s": {"median": wall[len(wall) // 2], "least": wall[0], "most": wall[-1]},
        "events_per_s": arguments.events / wall[len(wall) // 2],
        "peak_bytes": max(run["peak_bytes"] for run in runs),
        "disk_bytes": runs[0]["disk_bytes"],
        "runs": runs,
    }
    text = json.dumps(result, indent=2)
    print(text)
    if arguments.json is not None:
        arguments.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
