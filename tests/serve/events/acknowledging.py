"""A process that writes events and says on standard output which were acknowledged; killed and traced by the tests.

    python -m tests.serve.events.acknowledging STORE FIRST COUNT WRITERS [no-sync]

Event N is `eN`: item iN of user u(N modulo 100). A line "ack N" leaves after the store has acknowledged event N, never before.
With no-sync the store is told to trust the operating system, which the tests must find out.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time

from aisle.schema.events import Event
from aisle.serve.events.protocol import EventStore, StoredEvent
from aisle.serve.events.sqlite import SqliteStore
from aisle.serve.events.store import open_store

USERS = 100


def event(number: int) -> StoredEvent:
    return StoredEvent(f"i{number}", Event.view, time.time_ns() // 1000, f"u{number % USERS}", event_id=f"e{number}")


async def main(address: str, first: int, count: int, writers: int, *, sync: bool) -> None:
    store = await open_store(address)
    if not sync and isinstance(store, SqliteStore):
        store._writer._connection.execute("PRAGMA synchronous = OFF")
    numbers = iter(range(first, first + count))
    await asyncio.gather(*(_write(store, numbers) for _ in range(writers)))
    await store.close()


async def _write(store: EventStore, numbers: object) -> None:
    for number in numbers:  # type: ignore[attr-defined]
        await store.append([event(number)])
        os.write(1, f"ack {number}\n".encode())


if __name__ == "__main__":
    place, *numbers = sys.argv[1:5]
    asyncio.run(main(place, *map(int, numbers), sync="no-sync" not in sys.argv))
