"""GET /page/history: what a shopper did, as far as the bundles and the event store know it, with titles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from aisle.bundle.bundle import Bundle
from aisle.bundle.question import RawEvent
from aisle.features.histories import together
from aisle.schema.events import Event
from aisle.serve.events.protocol import Live, Shopper
from aisle.serve.page.items import facts_of
from aisle.serve.service import Service
from aisle.serve.visit import Reply, Visit

_SHOWN = 200
# Logs without times have the place in their order instead. As a time, that would be before this day in January 1970.
_FIRST_TIME_US = 10**12

_Name = Annotated[str, Field(min_length=1, max_length=256)]


class HistoryQuery(BaseModel):
    """Whose history: of a user, of a session, or of both."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    user_id: _Name | None = None
    session_id: _Name | None = None


@dataclass(frozen=True)
class _Done:
    """Something that a shopper did; `live` = after everything that the oldest of the bundles knows."""

    event: RawEvent
    live: bool


async def history(service: Service, visit: Visit, asked: HistoryQuery) -> Reply:
    """Return a history, the newest event first."""
    bundles = {slot.name: slot.now().bundle for slot in service.slots}
    until_us = min(slot.now().until_us for slot in service.slots)
    live = await _live(service, asked)
    # Of somebody who was erased only what came afterwards is shown, as it alone is used.
    known = {name: [] if live.erased else remembered(bundle, live.user_id) for name, bundle in bundles.items()}
    done = _all(known, live, until_us)
    newest = done[:_SHOWN]
    facts: dict[str, Any] = {}
    for bundle in bundles.values():
        facts = facts_of(bundle, [one.event.item_id for one in newest]) | facts
    document = {
        "request_id": visit.request_id,
        "known": any(known.values()),
        "erased": live.erased,
        "events_by_model": {name: len(events) for name, events in known.items()},
        "total": len(done),
        "events": [_told(one, facts) for one in newest],
    }
    return Reply.json(document)


def remembered(bundle: Bundle, user_id: str | None) -> list[RawEvent]:
    """Return what a bundle remembers of a user; nothing of one that it does not know."""
    code = -1 if user_id is None else int(bundle.users.encode([user_id])[0])
    row = np.array([code])
    met = bundle.known.take(row)
    if bundle.seen is not None:
        met = together(met, bundle.seen.take(row))
    triples = dict.fromkeys(zip(met.item.tolist(), met.event.tolist(), met.time.tolist(), strict=True))
    return [RawEvent(bundle.items[item], Event(event).name, time_us) for item, event, time_us in triples]


async def _live(service: Service, asked: HistoryQuery) -> Live:
    if service.store is None or (asked.user_id, asked.session_id) == (None, None):
        return Live(asked.user_id)
    return (await service.store.histories([Shopper(asked.user_id, asked.session_id)]))[0]


def _all(known: dict[str, list[RawEvent]], live: Live, until_us: int) -> list[_Done]:
    """Put what every model remembers and what came later together, each once, the newest first."""
    done = {_same(event): _Done(event, live=False) for events in known.values() for event in events}
    shown = [event for event in live.events if event.event != Event.impression.name]
    done = {_same(event): _Done(event, event.time_us > until_us) for event in shown} | done
    # Of two at one moment, the one that stands later in its history comes first.
    return sorted(done.values(), key=lambda one: one.event.time_us)[::-1]


def _same(event: RawEvent) -> tuple[str, str, int]:
    return str(event.item_id), event.event, event.time_us


def _told(one: _Done, facts: dict[str, Any]) -> dict[str, Any]:
    event = one.event
    at = event.time_us / 1e6 if event.time_us >= _FIRST_TIME_US else None
    about = facts.get(str(event.item_id), {})
    return {"item_id": event.item_id, "event": event.event, "at": at, "live": one.live, **about}
