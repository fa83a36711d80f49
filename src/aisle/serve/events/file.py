"""The file of an event store: made, opened, checked, and held by one service at a time."""

from __future__ import annotations

import fcntl
import os
import secrets
import sqlite3
from pathlib import Path

from aisle.errors import AisleError
from aisle.serve.events.tables import APPLICATION_ID, SCHEMA, VERSION
from aisle.storage.atomic import storage_errors, sync_folder

LOCK_SUFFIX = ".lock"


def take_lock(path: Path) -> int:
    """Hold the store until the handle that is returned is closed.

    A file of its own: SQLite takes its locks back when anybody closes the database's file in the same process.

    Raises:
        AisleError: E054 when another service has it, E601 where no file can be written.
    """
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(path.with_name(path.name + LOCK_SUFFIX), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(lock)
        raise AisleError(
            f"the event store {path} is in use by another service",
            hint="stop that one, give this one another file, or let both share a Redis: redis://HOST:PORT",
            code="E054",
        ) from error
    return lock


def prepare_file(path: Path) -> bytes:
    """Make the file where there is none, check it where there is one; return its salt. The caller holds the lock.

    Raises:
        AisleError: E055 for a file that is damaged or none of ours, E056 for one of a newer aisle, E601.
    """
    with storage_errors(path):
        is_new = not path.exists() or path.stat().st_size == 0
        if is_new:
            # Shoppers' behaviour: for the service's own account only.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    try:
        connection = connect_writer(path)
        try:
            if is_new:
                _make(connection)
                sync_folder(path.parent)
            _check(connection, path)
            return bytes(connection.execute("SELECT value FROM secrets WHERE name = 'salt'").fetchone()[0])
        finally:
            connection.close()
    except sqlite3.DatabaseError as error:
        raise _damaged(path, str(error)) from error


def connect_writer(path: Path) -> sqlite3.Connection:
    """Open for writing: a commit returns when it is on disk, and what is erased is overwritten."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=1)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA secure_delete = ON")
    return connection


def connect_reader(path: Path) -> sqlite3.Connection:
    """Open for reading beside a service that writes.

    Raises:
        AisleError: E055 where there is no store.
    """
    if not path.is_file():
        raise AisleError(f"no event store at {path}", hint="give the file that `aisle serve` was started with", code="E055")
    try:
        connection = sqlite3.connect(
            f"{path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None, check_same_thread=False
        )
        _check_version(connection, path)
    except sqlite3.DatabaseError as error:
        raise _damaged(path, str(error)) from error
    return connection


def _make(connection: sqlite3.Connection) -> None:
    statements = [statement for statement in SCHEMA.split(";") if statement.strip()]
    connection.execute("BEGIN IMMEDIATE")
    for statement in statements:
        connection.execute(statement)
    connection.execute("INSERT INTO secrets VALUES ('salt', ?)", (secrets.token_bytes(32),))
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {VERSION}")
    connection.execute("COMMIT")


def _check(connection: sqlite3.Connection, path: Path) -> None:
    _check_version(connection, path)
    verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if verdict != "ok":
        raise _damaged(path, str(verdict))


def _check_version(connection: sqlite3.Connection, path: Path) -> None:
    if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise AisleError(
            f"{path} is a database, and no event store of aisle", hint="choose another file for the events", code="E055"
        )
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version != VERSION:
        raise AisleError(
            f"the event store {path} has version {version}; this aisle reads version {VERSION}",
            hint="use the aisle that wrote it: `aisle events export` there, and keep the log",
            code="E056",
        )


def _damaged(path: Path, why: str) -> AisleError:
    return AisleError(
        f"the event store {path} cannot be read: {why}",
        hint="put back a copy; `sqlite3 FILE .recover` saves what can be read of a damaged one",
        code="E055",
    )
