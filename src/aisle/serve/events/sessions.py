"""Storing events: which are new, whose they are, and which sessions become a user's by them."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field

from aisle.errors import AisleError
from aisle.serve.events.live import Key
from aisle.serve.events.protocol import LiveEvent, StoredEvent
from aisle.serve.events.tables import insert_event, link_session, owner_of, same_event


@dataclass(slots=True)
class Written:
    """What became of events.

    Attributes:
        rows: of each new event: whose it is, its row, what a recommendation needs of it.
        repeated: events that were there before.
        changed: users and sessions whose older events changed hands.
    """

    rows: list[tuple[Key, int, LiveEvent]] = field(default_factory=list)
    repeated: int = 0
    changed: set[Key] = field(default_factory=set)


def write_events(connection: sqlite3.Connection, events: Sequence[StoredEvent]) -> Written:
    """Store what is new. A user who is seen in a session gets it, with what was done in it before they said who they are.

    Raises:
        AisleError: E050 when an event_id was used for another event; nothing is written then.
    """
    new = _new_events(connection, events)
    written = Written(repeated=len(events) - len(new))
    for event in new:
        user_id, session_id = event.user_id, event.session_id
        if session_id is not None and user_id is None:
            user_id = owner_of(connection, session_id)
        elif session_id is not None and user_id is not None and link_session(connection, session_id, user_id, event.time_us):
            written.changed |= {Key("user", user_id), Key("session", session_id)}
        row = insert_event(connection, event, user_id)
        written.rows.append((key_of(user_id, session_id), row, LiveEvent(event.item_id, event.event.name, event.time_us)))
    return written


def key_of(user_id: str | None, session_id: str | None) -> Key:
    """Return under which name an event is found: its user's, or its session's where there is no user."""
    if user_id is not None:
        return Key("user", user_id)
    assert session_id is not None
    return Key("session", session_id)


def _new_events(connection: sqlite3.Connection, events: Sequence[StoredEvent]) -> list[StoredEvent]:
    """Return the events that are not stored yet, of those with the same id the first; reads only."""
    new: list[StoredEvent] = []
    first: dict[str, StoredEvent] = {}
    for event in events:
        if event.event_id is None:
            new.append(event)
            continue
        known = first.get(event.event_id) or same_event(connection, event)
        if known is None:
            first[event.event_id] = event
            new.append(event)
        else:
            refuse_other(event, known)
    return new


def refuse_other(event: StoredEvent, known: StoredEvent) -> None:
    """Refuse an event that bears the id of another: to call it a repetition would lose it silently.

    The time is not compared (a client that lets the server say it cannot repeat it), and neither is a user that the stored
    event got from its session.

    Raises:
        AisleError: E050.
    """
    mine = (event.item_id, event.event, event.session_id, event.user_id or known.user_id)
    if mine != (known.item_id, known.event, known.session_id, known.user_id):
        raise AisleError(
            f"event_id {event.event_id!r} was used before, for '{known.event.name}' of item {known.item_id!r}; this is "
            f"'{event.event.name}' of item {event.item_id!r}, or somebody else's",
            hint="give every event an id of its own, such as a random UUID; only a repeated event has the same",
            code="E050",
        )
