"""The tables of an event store in SQLite, and the statements that read and write them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Literal

from aisle.bundle.question import RawEvent
from aisle.schema.events import Event
from aisle.serve.events.live import Entry, Key
from aisle.serve.events.protocol import Served, StoredEvent

VERSION = 1
# "aisl" in ASCII: tells our files from everybody else's databases.
APPLICATION_ID = 0x6169736C

# AUTOINCREMENT: a row number is never used again, so "everything after row N" stays true when the newest rows expire.
SCHEMA = """
CREATE TABLE events (
    row INTEGER PRIMARY KEY AUTOINCREMENT, event_id TEXT UNIQUE, user_id TEXT, session_id TEXT, item_id TEXT NOT NULL,
    event INTEGER NOT NULL, time_us INTEGER NOT NULL, request_id TEXT, position INTEGER, quantity REAL, price REAL, variant TEXT
);
CREATE INDEX events_user ON events (user_id, time_us) WHERE user_id IS NOT NULL;
CREATE INDEX events_anonymous ON events (session_id, time_us) WHERE user_id IS NULL;
CREATE INDEX events_age ON events (event, time_us);
CREATE TABLE sessions (session_id TEXT PRIMARY KEY, user_id TEXT NOT NULL, time_us INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX sessions_user ON sessions (user_id);
CREATE INDEX sessions_age ON sessions (time_us);
CREATE TABLE served (
    row INTEGER PRIMARY KEY AUTOINCREMENT, request_id TEXT NOT NULL, items TEXT NOT NULL, time_us INTEGER NOT NULL,
    bundle TEXT NOT NULL, variant TEXT, user_id TEXT, session_id TEXT
);
CREATE INDEX served_user ON served (user_id) WHERE user_id IS NOT NULL;
CREATE INDEX served_session ON served (session_id) WHERE session_id IS NOT NULL;
CREATE INDEX served_age ON served (time_us);
CREATE TABLE receipts (
    receipt_id TEXT PRIMARY KEY, pseudonym TEXT NOT NULL, time_us INTEGER NOT NULL, events INTEGER NOT NULL,
    served INTEGER NOT NULL, sessions INTEGER NOT NULL, stands INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE secrets (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
"""

EVENT_COLUMNS = "item_id, event, time_us, user_id, session_id, event_id, request_id, position, quantity, price, variant"
SERVED_COLUMNS = "request_id, items, time_us, bundle, variant, user_id, session_id"
# Read back: a list that a visitor was shown who later said who they are is that user's.
SERVED_BY = SERVED_COLUMNS.replace(
    "user_id", "coalesce(user_id, (SELECT user_id FROM sessions WHERE sessions.session_id = served.session_id))"
)

_INSERT = f"INSERT INTO events ({EVENT_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 our own constant
# Session links are refreshed once a day, not with every event: what they cost is an index entry.
_REFRESH_US = 86_400 * 1_000_000
# Old rows go in pieces, between which other things are written.
_PIECE_ROWS = 5_000


def insert_event(connection: sqlite3.Connection, event: StoredEvent, user_id: str | None) -> int:
    """Insert one event as a user's; return its row."""
    values = (event.item_id, int(event.event), event.time_us, user_id, event.session_id, event.event_id)
    more = (event.request_id, event.position, event.quantity, event.price, event.variant)
    row = connection.execute(_INSERT, (*values, *more)).lastrowid
    assert row is not None
    return row


def event_of(row: Sequence[object]) -> StoredEvent:
    """Return the event of a row of EVENT_COLUMNS."""
    item_id, kind, *rest = row
    return StoredEvent(item_id, Event(kind), *rest)  # type: ignore[arg-type]


def same_event(connection: sqlite3.Connection, event: StoredEvent) -> StoredEvent | None:
    """Return the stored event of this event's id, or None where there is none."""
    query = f"SELECT {EVENT_COLUMNS} FROM events WHERE event_id = ?"  # noqa: S608
    row = connection.execute(query, (event.event_id,)).fetchone()
    return None if row is None else event_of(row)


def owner_of(connection: sqlite3.Connection, session_id: str) -> str | None:
    """Return the user that a session belongs to."""
    row = connection.execute("SELECT user_id FROM sessions WHERE session_id = ?", (session_id,)).fetchone()
    return None if row is None else str(row[0])


def link_session(connection: sqlite3.Connection, session_id: str, user_id: str, time_us: int) -> bool:
    """Give a session, and what was done in it without a user, to a user; return whether it was not theirs before."""
    row = connection.execute("SELECT user_id, time_us FROM sessions WHERE session_id = ?", (session_id,)).fetchone()
    if row is not None and row[0] == user_id:
        if time_us - row[1] > _REFRESH_US:
            connection.execute("UPDATE sessions SET time_us = ? WHERE session_id = ?", (time_us, session_id))
        return False
    connection.execute("INSERT OR REPLACE INTO sessions VALUES (?, ?, ?)", (session_id, user_id, time_us))
    connection.execute("UPDATE events SET user_id = ? WHERE session_id = ? AND user_id IS NULL", (user_id, session_id))
    return True


def read_entries(connection: sqlite3.Connection, keys: Iterable[Key], limit: int) -> dict[Key, Entry]:
    """Read the latest events of users and sessions from disk, in one view of it.

    Args:
        connection: to read with.
        keys: users and sessions.
        limit: events of each.
    """
    connection.execute("BEGIN")
    try:
        return {key: _read_entry(connection, key, limit) for key in keys}
    finally:
        connection.execute("COMMIT")


def _read_entry(connection: sqlite3.Connection, key: Key, limit: int) -> Entry:
    where = "user_id = ?" if key.kind == "user" else "session_id = ? AND user_id IS NULL"
    query = f"SELECT item_id, event, time_us, row FROM events WHERE {where} ORDER BY time_us DESC, row DESC LIMIT ?"  # noqa: S608
    rows = connection.execute(query, (key.id, limit)).fetchall()
    rows.reverse()
    events = tuple(RawEvent(item, Event(kind).name, time_us) for item, kind, time_us, _ in rows)
    owner = owner_of(connection, key.id) if key.kind == "session" else None
    return Entry(events, max((row[3] for row in rows), default=0), owner)


def insert_served(connection: sqlite3.Connection, lists: Sequence[Served]) -> int:
    """Insert served lists; return how many."""
    query = f"INSERT INTO served ({SERVED_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)"  # noqa: S608
    for one in lists:
        items = json.dumps(one.items, ensure_ascii=False)
        values = (one.request_id, items, one.time_us, one.bundle, one.variant, one.user_id, one.session_id)
        connection.execute(query, values)
    return len(lists)


def delete_old_events(connection: sqlite3.Connection, event: Event, before_us: int) -> int:
    """Remove a piece of the events of one kind from before a time; return how many, 0 when none is left."""
    query = "DELETE FROM events WHERE row IN (SELECT row FROM events WHERE event = ? AND time_us < ? LIMIT ?)"
    return connection.execute(query, (int(event), before_us, _PIECE_ROWS)).rowcount


def delete_old_rows(connection: sqlite3.Connection, table: Literal["served", "sessions"], before_us: int) -> int:
    """Remove a piece of the served lists or sessions from before a time; return how many, 0 when none is left."""
    key = "row" if table == "served" else "session_id"
    query = f"DELETE FROM {table} WHERE {key} IN (SELECT {key} FROM {table} WHERE time_us < ? LIMIT ?)"  # noqa: S608
    return connection.execute(query, (before_us, _PIECE_ROWS)).rowcount
