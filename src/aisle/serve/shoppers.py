"""POST /v1/events, DELETE /v1/shoppers/{user_id}."""

from __future__ import annotations

import time
from collections.abc import Sequence

from aisle.schema.events import Event
from aisle.serve.events.protocol import EventStore, StoredEvent
from aisle.serve.problems import ProblemError
from aisle.serve.schemas import EventsRequest, ShopperEvent
from aisle.serve.service import Service
from aisle.serve.visit import Reply, Visit


async def events(service: Service, visit: Visit, asked: EventsRequest) -> Reply:
    """Store events; the answer comes when they are on disk."""
    now_us = time.time_ns() // 1000
    stored = [_stored(event, now_us) for event in asked.events]
    appended = await _store(service).append(stored)
    counts = {"accepted": appended.stored + appended.repeated, "repeated": appended.repeated}
    return Reply.json({"request_id": visit.request_id, **counts, "too_old_to_matter": _too_old(service, stored)})


async def erase(service: Service, visit: Visit, asked: None) -> Reply:
    """Erase a shopper and hand out the receipt."""
    receipt = await _store(service).erase(visit.params["user_id"])
    document = {"request_id": visit.request_id, "receipt_id": receipt.receipt_id, "erased_at": receipt.time_us / 1e6}
    counts = {"events": receipt.events, "served": receipt.served, "sessions": receipt.sessions}
    return Reply.json(document | counts)


def _too_old(service: Service, events: Sequence[StoredEvent]) -> int:
    """Count the events of a time that every loaded bundle takes to be in its own log: no list reflects them."""
    until_us = min((slot.loaded.until_us for slot in service.slots if slot.loaded is not None), default=0)
    return sum(event.time_us <= until_us for event in events)


def _store(service: Service) -> EventStore:
    if service.store is None:
        raise ProblemError(
            404,
            "this service keeps no events",
            hint="start it with `--events FOLDER`, or `--events redis://HOST:PORT` where replicas share them",
            code="E084",
        )
    return service.store


def _stored(event: ShopperEvent, now_us: int) -> StoredEvent:
    moment_us = event.time_us
    return StoredEvent(
        str(event.item_id),
        Event[event.event],
        now_us if moment_us is None else moment_us,
        None if event.user_id is None else str(event.user_id),
        None if event.session_id is None else str(event.session_id),
        event.event_id,
        event.request_id,
        event.position,
        event.quantity,
        event.price,
        event.variant,
    )
