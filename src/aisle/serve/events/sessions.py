"""Storing events: which are new, whose they are, and which sessions become a user's by them."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field

from aisle.bundle.question import RawEvent
from aisle.errors import AisleError
from aisle.serve.events.live import Key
from aisle.serve.events.protocol import StoredEvent
from aisle.serve.events.tables import insert_event, link_session, owner_of, same_event


@dataclass(slots=True)
class Written:
    """What became of events.

    Attributes:
        rows: of each new event: whose it is, its row, what a recommendation needs of it.
        repeated: events that were there before.
        changed: users and sessions whose older events changed hands.
    """

    rows: list[tuple[Key, int, RawEvent]] = field(default_factory=list)
    repeated: int = 0
    changed: set[Key] = field(default_factory=set)


def write_events(connection: sqlite3.Connection, events: Sequence[StoredEvent]) -> Written:
    """Store what is new. A user who is seen in a session gets it, with what was done in it before they said who they are.

    Raises:
        AisleError: E050 when an event_id was used for another event; nothing is written then.
    """
    # First everything is looked at, then written: a refusal leaves nothing.
    new = [event for event in first_of_each(events) if _is_new(connection, event)]
    written = Written(repeated=len(events) - len(new))
    for event in new:
        user_id, session_id = event.user_id, event.session_id
        if session_id is not None and user_id is None:
            user_id = owner_of(connection, session_id)
        elif session_id is not None and user_id is not None and link_session(connection, session_id, user_id, event.time_us):
            written.changed |= {Key("user", user_id), Key("session", session_id)}
        row = insert_event(connection, event, user_id)
        written.rows.append((key_of(user_id, session_id), row, RawEvent(event.item_id, event.event.name, event.time_us)))
    return written


def key_of(user_id: str | None, session_id: str | None) -> Key:
    """Return under which name an event is found: its user's, or its session's where there is no user."""
    if user_id is not None:
        return Key("user", user_id)
    assert session_id is not None
    return Key("session", session_id)


def first_of_each(events: Sequence[StoredEvent]) -> list[StoredEvent]:
    """Keep the first event of each event_id, and all without one.

    Raises:
        AisleError: E050 when two different events have one id.
    """
    first: dict[str, StoredEvent] = {}
    kept: list[StoredEvent] = []
    for event in events:
        if event.event_id is not None and event.event_id in first:
            refuse_other(event, first[event.event_id])
            continue
        if event.event_id is not None:
            first[event.event_id] = event
        kept.append(event)
    return kept


def _is_new(connection: sqlite3.Connection, event: StoredEvent) -> bool:
    known = None if event.event_id is None else same_event(connection, event)
    if known is not None:
        refuse_other(event, known)
    return known is None


def refuse_other(event: StoredEvent, known: StoredEvent) -> None:
    """Refuse an event that bears the id of another: to call it a repetition would lose it silently.

    The time is not compared (a client that lets the server say it cannot repeat it), and neither is a user that only one of
    the two names (the stored event may have got it from its session).

    Raises:
        AisleError: E050.
    """
    same = (event.item_id, event.event, event.session_id) == (known.item_id, known.event, known.session_id)
    if not same or (event.user_id and known.user_id and event.user_id != known.user_id):
        raise AisleError(
            f"event_id {event.event_id!r} was used before, for '{known.event.name}' of item {known.item_id!r}; this is "
            f"'{event.event.name}' of item {event.item_id!r}, or somebody else's",
            hint="give every event an id of its own, such as a random UUID; only a repeated event has the same",
            code="E050",
        )
