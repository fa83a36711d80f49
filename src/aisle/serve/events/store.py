"""Which store an address names: a file, a folder, or a Redis."""

from __future__ import annotations

import importlib
from pathlib import Path

from aisle.errors import AisleError
from aisle.serve.events.config import EventsConfig
from aisle.serve.events.protocol import EventLog, EventStore
from aisle.serve.events.sqlite import SqliteStore
from aisle.serve.events.sqlite_log import SqliteLog

FILE_NAME = "events.db"
_SUFFIXES = (".db", ".sqlite", ".sqlite3")
_REDIS = ("redis://", "rediss://", "unix://")


def store_path(address: str) -> Path:
    """Return the file that an address means: itself if it ends in .db, .sqlite or .sqlite3, else `events.db` in that folder.

    Raises:
        AisleError: E059 for an address of another kind.
    """
    if "://" in address:
        raise AisleError(
            f"{address.split('://', maxsplit=1)[0]}:// is no event store",
            hint="give a file ending in .db, a folder, or redis://HOST:PORT/DATABASE",
            code="E059",
        )
    path = Path(address)
    return path if path.suffix in _SUFFIXES else path / FILE_NAME


async def open_store(address: str, config: EventsConfig | None = None) -> EventStore:
    """Open the store of a service; the file is made where there is none.

    Raises:
        AisleError: E054 to E059, E601 (see the stores).
    """
    if address.startswith(_REDIS):
        return await _redis(address, config)
    return await SqliteStore.open(store_path(address), config)


async def open_log(address: str) -> EventLog:
    """Open a store to read it back, beside a service that may be using it.

    Raises:
        AisleError: E055 to E059.
    """
    if address.startswith(_REDIS):
        return await _redis(address, None)
    return SqliteLog(store_path(address))


async def _redis(address: str, config: EventsConfig | None) -> EventStore:
    # Loaded when it is asked for: a service with a file needs no redis package.
    try:
        module = importlib.import_module("aisle.serve.events.redis")
    except ModuleNotFoundError as error:
        raise AisleError(
            f"events at {address.rsplit('@', maxsplit=1)[-1]} need the package redis", hint="pip install redis", code="E059"
        ) from error
    store: EventStore = await module.RedisStore.open(address, config)
    return store
