"""Reading an event store in SQLite back, beside a service that writes it."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from aisle.serve.events.file import connect_reader
from aisle.serve.events.protocol import Served, StoredEvent
from aisle.serve.events.tables import EVENT_COLUMNS, SERVED_BY, event_of

# A piece is one short read: a long one would keep SQLite's log from being cut.
_PIECE_ROWS = 2_000


class SqliteLog:
    """The events of a store, oldest row first.

    Args:
        path: the store's file.

    Raises:
        AisleError: E055 where there is none, or it cannot be read; E056 for one of another version.
    """

    def __init__(self, path: Path) -> None:
        self._connection = connect_reader(path)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="aisle-events-log")

    async def read(self, since_row: int = 0) -> AsyncIterator[tuple[int, StoredEvent]]:
        """Yield (row, event) after a row."""
        async for row in self._rows("events", EVENT_COLUMNS, since_row):
            yield row[0], event_of(row[1:])

    async def read_served(self, since_row: int = 0) -> AsyncIterator[tuple[int, Served]]:
        """Yield (row, served list) after a row."""
        async for row, request_id, items, *rest in self._rows("served", SERVED_BY, since_row):
            yield row, Served(request_id, tuple(json.loads(items)), *rest)

    async def _rows(self, table: str, columns: str, since_row: int) -> AsyncIterator[tuple[Any, ...]]:
        query = f"SELECT row, {columns} FROM {table} WHERE row > ? ORDER BY row LIMIT {_PIECE_ROWS}"  # noqa: S608 our own names
        loop = asyncio.get_running_loop()
        while rows := await loop.run_in_executor(self._thread, _fetch, self._connection, query, since_row):
            for row in rows:
                yield row
            since_row = rows[-1][0]

    async def close(self) -> None:
        """Let go of the file."""
        await asyncio.to_thread(self._thread.shutdown)
        self._connection.close()


def _fetch(connection: sqlite3.Connection, query: str, since_row: int) -> list[tuple[Any, ...]]:
    return connection.execute(query, (since_row,)).fetchall()
