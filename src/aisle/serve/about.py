"""What is loaded and what is known of items, and changes of both; health and counters."""

from __future__ import annotations

from typing import Any

from aisle.bundle.live_catalogue import ItemChange
from aisle.serve.problems import ProblemError
from aisle.serve.schemas import CatalogueRequest, ItemQuery, ReloadRequest
from aisle.serve.service import Service
from aisle.serve.slots import Loaded, Slot
from aisle.serve.visit import Reply, Visit

_PROMETHEUS = b"text/plain; version=0.0.4; charset=utf-8"


async def bundles(service: Service, visit: Visit, asked: None) -> Reply:
    """Say what is loaded."""
    return Reply.json({"request_id": visit.request_id, "models": [_summary(slot, slot.now()) for slot in service.slots]})


async def item(service: Service, visit: Visit, asked: ItemQuery) -> Reply:
    """Say what is known of an item."""
    bundle = service.slots.get(asked.model).now().bundle
    item_id = visit.params["item_id"]
    code = int(bundle.live.items.encode([item_id])[0])
    if code < 0:
        raise ProblemError(
            404,
            f"item {item_id[:80]!r} is not in this bundle's catalogue of {bundle.live.n_items:,} items",
            hint="use a raw item id as in the log",
            code="E306",
        )
    return Reply.json({"request_id": visit.request_id, "item_id": bundle.live.items[code], **bundle.live.facts(code)})


async def catalogue(service: Service, visit: Visit, asked: CatalogueRequest) -> Reply:
    """Change prices, availability, titles, or add items; every answer from now on reflects it."""
    slots = list(service.slots) if asked.model is None else [service.slots.get(asked.model)]
    changes = [ItemChange(one.item_id, one.price, one.available, one.title, one.category, one.brand) for one in asked.changes]
    for slot in slots:
        known = len(slot.changes.keys() | {str(one.item_id) for one in changes})
        if known > service.settings.max_changed_items:
            raise ProblemError(
                422,
                f"{known:,} items of '{slot.name}' would be changed; expected at most {service.settings.max_changed_items:,}",
                hint="prepare, train and export with the new catalogue; until then raise --max-changed-items",
                code="E087",
            )
    await service.reloader.change(slots, changes)
    return Reply.json({"request_id": visit.request_id, "changed": len(changes)})


async def reload(service: Service, visit: Visit, asked: ReloadRequest) -> Reply:
    """Load models again from where they come from."""
    slots = list(service.slots) if asked.model is None else [service.slots.get(asked.model)]
    now = await service.reloader.reload(slots)
    return Reply.json({"request_id": visit.request_id, "bundles": now})


async def live(service: Service, visit: Visit, asked: None) -> Reply:
    """Say that the process answers; one that does not is to be started again."""
    if not service.batcher.alive:
        raise ProblemError(503, "the inference thread has ended", hint="start the service again; send us its log", code="E081")
    if service.store is not None and not service.store.alive:
        raise ProblemError(
            503, "the event store's thread has ended", hint="start the service again; send us its log", code="E081"
        )
    return Reply.json({"live": True})


async def ready(service: Service, visit: Visit, asked: None) -> Reply:
    """Say whether the service is to be given requests."""
    if not service.ready:
        what = "the service is shutting down" if service.draining else "bundles are being loaded"
        raise ProblemError(503, what, hint="ask another replica, or again in a second", code="E070", retry_after_s=1)
    return Reply.json({"ready": True})


async def metrics(service: Service, visit: Visit, asked: None) -> Reply:
    """Return the counters."""
    return Reply(service.metrics.text(), content_type=_PROMETHEUS)


def _summary(slot: Slot, loaded: Loaded) -> dict[str, Any]:
    manifest = loaded.bundle.manifest
    about = manifest.model_dump(mode="json", exclude={"files"})
    return {
        "variant": slot.name,
        "bundle": loaded.bundle.id,
        "loaded_at": loaded.loaded_s,
        "changed_items": len(slot.changes),
        "manifest": about,
    }
