"""Accepted means on disk: the system calls of the store, and kill -9 while it writes."""

from __future__ import annotations

import asyncio
import os
import random
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from aisle.serve.events.protocol import EventStore, Shopper
from aisle.serve.events.store import open_store
from tests.serve.events.acknowledging import USERS, event
from tests.serve.events.conftest import DURABLE, Address, RedisServer, needed

EVENTS = 10_000
WRITERS = 32
TRACED = 40
STRACE = ("-f", "-y", "-s", "64", "-e", "trace=write,writev,pwrite64,pwritev,fsync,fdatasync,sendto", "-o")


def command(address: str, first: int, count: int, writers: int, *more: str) -> list[str]:
    return [sys.executable, "-m", "tests.serve.events.acknowledging", address, str(first), str(count), str(writers), *more]


def strace(trace: Path) -> list[str]:
    """Return the beginning of a command that traces; skip (or fail, where it is required) when nothing may be traced here."""
    words = [needed("strace", "AISLE_REQUIRE_STRACE"), *STRACE, str(trace)]
    tried = subprocess.run([*words, "true"], capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        if os.environ.get("AISLE_REQUIRE_STRACE") == "1":
            pytest.fail(f"strace cannot trace here: {tried.stderr}")
        pytest.skip(f"SKIPPED: strace cannot trace here: {tried.stderr.strip()}")
    return words


def unsynced(trace: Path, file: str, acknowledgement: str) -> tuple[int, list[str]]:
    """Return how many acknowledgements a trace holds, and those that left before what was written had been synced.

    Since the acknowledgement before it, each must have seen a write to the file and, after the last one, a sync that had
    come back. A call that another thread interrupts is written in two lines; a sync counts from the second one.
    """
    written = synced = False
    syncing: set[str] = set()
    seen, bad = 0, []
    for line in trace.read_text(errors="replace").splitlines():
        thread = line.split(" ", 1)[0]
        if re.search(acknowledgement, line):
            seen += 1
            if not (written and synced):
                bad.append(line)
            written = synced = False
        elif re.search(rf"p?writev?(64)?\(\d+<[^>]*{file}>", line):
            written, synced = True, False
        elif re.search(rf"f(data)?sync\(\d+<[^>]*{file}>", line):
            syncing.add(thread)
        if thread in syncing and re.search(r"sync(\(.*\)| resumed>.*) += 0$", line):
            synced = True
            syncing.discard(thread)
    return seen, bad


@pytest.mark.parametrize("mode", ["as it is", "no-sync"])
def test_the_log_of_a_file_is_synced_before_each_acknowledgement(tmp_path: Path, mode: str) -> None:
    trace = tmp_path / "trace"
    subprocess.run(
        [*strace(trace), *command(str(tmp_path / "events.db"), 0, TRACED, 1, mode)], check=True, timeout=60, capture_output=True
    )
    seen, bad = unsynced(trace, r"events\.db-wal", r'write\(1<[^>]*>, "ack \d+')
    assert seen == TRACED
    # The same look at a store that trusts the operating system finds it out: it does look.
    assert len(bad) == (0 if mode == "as it is" else TRACED)


@pytest.mark.parametrize("policy", ["always", "everysec"])
def test_the_log_of_a_redis_is_synced_before_each_answer(tmp_path: Path, policy: str) -> None:
    trace = tmp_path / "trace"
    server = RedisServer(tmp_path / "redis", *DURABLE, under=strace(trace))
    try:
        asyncio.run(_append_to(server, policy))
    finally:
        server.stop()
    seen, bad = unsynced(trace, r"appendonly\.aof[^>]*\.aof", r'"\*3\\r\\n:1\\r\\n:0')
    assert seen == TRACED
    assert bool(bad) == (policy == "everysec")


async def _append_to(server: RedisServer, policy: str) -> None:
    store = await open_store(server.url)
    # After it was looked at: so that the trace can be seen to find it out.
    with server.client() as client:
        client.config_set("appendfsync", policy)
    for number in range(TRACED):
        await store.append([event(number)])
    await store.close()


def killed(address: str, first: int, after: int) -> list[int]:
    """Write events until so many are acknowledged, kill -9, and return all that were acknowledged."""
    words = command(address, first, EVENTS, WRITERS)
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if len(lines) == after:
                process.kill()
    # The pipe may end in the middle of a line.
    return [int(line.split()[1]) for line in lines if line.endswith("\n")]


def moments(seed: int) -> Iterator[int]:
    """Yield after how many acknowledgements the process is killed: at once, soon, or late."""
    draw = random.Random(seed)
    while True:
        yield draw.choice([1, draw.randrange(2, 50), draw.randrange(50, 1500)])


@pytest.mark.slow
def test_kill_9_while_10_000_events_are_written_loses_none_that_was_acknowledged(tmp_path: Path) -> None:
    address = str(tmp_path / "events.db")
    acknowledged: set[int] = set()
    kills = first = 0

    async def check(store: EventStore) -> None:
        found = Counter(int(one.item_id[1:]) for _, one in [pair async for pair in store.read()])
        assert acknowledged - set(found) == set(), "acknowledged, and lost"
        assert [number for number, times in found.items() if times > 1] == [], "stored twice"
        lives = await store.histories([Shopper(f"u{user}") for user in range(USERS)])
        assert sum(len(live.events) for live in lives) == sum(found.values())

    for after in moments(4):
        acknowledged |= set(killed(address, first, after))
        kills += 1
        Address(address).run(check)
        if len(acknowledged) >= EVENTS:
            break
        # As a client would: what it has no answer for is sent again, what was answered may be sent again too.
        first = max(min(set(range(EVENTS)) - acknowledged) - WRITERS, 0)
    assert kills >= 10
