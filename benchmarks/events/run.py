"""Accepted events a second and the time to the acknowledgement, for 1, 16 and 64 writers, beside a bare loop of syncs.

    python -m benchmarks.events.run --out benchmarks/events/results.json
    python -m benchmarks.events.run --store redis://127.0.0.1:6379/0

A writer sends an event, waits until it is acknowledged, and sends the next: events of simulated shoppers, each with an id of its
own. The bare loop appends 4 KiB to a file and calls fdatasync, nothing else: one writer cannot be faster than that, many can,
since one sync serves all that wait. Three rounds in turn; what is shown is the middle one, with the slowest and the fastest.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from aisle.environment.facts import environment
from aisle.schema.events import Event
from aisle.serve.events.protocol import EventStore, Shopper, StoredEvent
from aisle.serve.events.store import open_store

WRITERS = (1, 16, 64)
ROUNDS = 3
SHOPPERS, ITEMS = 10_000, 50_000


def bare_syncs(folder: Path, seconds: float) -> dict[str, float]:
    """Append and sync in a loop: the ceiling of one writer."""
    taken = []
    handle = os.open(folder / "bare", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    start = time.perf_counter()
    try:
        while (now := time.perf_counter()) - start < seconds:
            os.write(handle, b"x" * 4096)
            os.fdatasync(handle)
            taken.append(time.perf_counter() - now)
    finally:
        os.close(handle)
        (folder / "bare").unlink()
    return figures(taken, seconds)


def figures(taken: list[float], seconds: float) -> dict[str, float]:
    """Return the rate a second and quantiles in ms."""
    quantiles = {f"p{share}_ms": round(1000 * float(np.quantile(taken, share / 100)), 3) for share in (50, 99)}
    return {"per_s": round(len(taken) / seconds), **quantiles}


async def writers(store: EventStore, count: int, seconds: float, seed: int) -> dict[str, float]:
    """Let so many writers append one event after another."""
    taken: list[float] = []
    start = time.perf_counter()
    commits = store.counts()["commits"]

    async def one(number: int) -> None:
        draw = random.Random(f"{seed} {number}")  # noqa: S311 which shopper, not a secret
        while (sent := time.perf_counter()) - start < seconds:
            user, item = draw.randrange(SHOPPERS), draw.randrange(ITEMS)
            name = f"{draw.getrandbits(128):032x}"
            await store.append([StoredEvent(f"i{item}", Event.view, time.time_ns() // 1000, f"u{user}", f"s{user}", name)])
            taken.append(time.perf_counter() - sent)

    await asyncio.gather(*(one(number) for number in range(count)))
    written = store.counts()["commits"] - commits
    return {**figures(taken, seconds), "events_per_commit": round(len(taken) / max(written, 1), 1)}


async def reads(store: EventStore, seconds: float) -> dict[str, float]:
    """Read the history of one shopper after another, as a recommendation does."""
    taken = []
    draw = random.Random(0)  # noqa: S311
    start = time.perf_counter()
    while (asked := time.perf_counter()) - start < seconds:
        await store.histories([Shopper(f"u{draw.randrange(SHOPPERS)}")])
        taken.append(time.perf_counter() - asked)
    return figures(taken, seconds)


async def round_of(address: str, folder: Path, seconds: float, seed: int) -> dict[str, dict[str, float]]:
    """Measure everything once, one after the other."""
    found = {"bare fdatasync": bare_syncs(folder, seconds)}
    store = await open_store(address)
    try:
        for count in WRITERS:
            found[f"{count} writers"] = await writers(store, count, seconds, seed)
        found["histories"] = await reads(store, seconds)
    finally:
        await store.close()
    return found


def summary(rounds: list[dict[str, dict[str, float]]]) -> dict[str, dict[str, Any]]:
    """Return of each figure the middle round, and the spread of the rates."""
    table: dict[str, dict[str, Any]] = {}
    for what in rounds[0]:
        rows = [one[what] for one in rounds]
        table[what] = {name: median(row[name] for row in rows) for name in rows[0]}
        table[what]["per_s_rounds"] = [row["per_s"] for row in rows]
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", help="a file, a folder or redis://; by default a new file beside the bare loop's")
    parser.add_argument("--folder", type=Path, help="on the disk to be measured; by default where temporary files are")
    parser.add_argument("--seconds", type=float, default=5.0, help="for each figure of each round")
    parser.add_argument("--out", type=Path, help="write the figures here")
    options = parser.parse_args()
    load_before = os.getloadavg()[0]
    rounds = []
    for seed in range(ROUNDS):
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            address = options.store or str(Path(folder) / "events.db")
            rounds.append(asyncio.run(round_of(address, Path(folder), options.seconds, seed)))
    table = summary(rounds)
    for what, row in table.items():
        print(f"{what:16} {row['per_s']:>9,.0f}/s   p50 {row['p50_ms']:7.3f} ms   p99 {row['p99_ms']:7.3f} ms")
    if load_before > 0.5:
        print(f"contended: load {load_before:.2f} before the first round")
    if options.out:
        facts = {
            "machine": environment(),
            "seconds": options.seconds,
            "load_before": load_before,
            "store": options.store or "sqlite",
        }
        options.out.write_text(json.dumps({**facts, "figures": table}, indent=2) + "\n")


if __name__ == "__main__":
    main()
