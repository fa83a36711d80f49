"""POST /page/items: what the catalogue says of the items of a list, in one call."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from aisle.bundle.bundle import Bundle
from aisle.serve.schemas import MAX_K, Id
from aisle.serve.service import Service
from aisle.serve.visit import Reply, Visit


class ItemsRequest(BaseModel):
    """Which items, of which model's catalogue; a list and the items that its reasons name fit."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    item_ids: Annotated[tuple[Id, ...], Field(max_length=2 * MAX_K, fail_fast=True)]
    model: Annotated[str, Field(min_length=1, max_length=64)] | None = None


async def facts(service: Service, visit: Visit, asked: ItemsRequest) -> Reply:
    """Say what is known of some items; those that the bundle does not know are left out."""
    bundle = service.slots.get(asked.model).now().bundle
    return Reply.json({"request_id": visit.request_id, "items": facts_of(bundle, asked.item_ids)})


def facts_of(bundle: Bundle, item_ids: Iterable[int | str]) -> dict[str, dict[str, Any]]:
    """Return raw id, as text -> what the catalogue says, for each item that the bundle knows."""
    raw = list(dict.fromkeys(item_ids))
    codes = bundle.live.items.encode(raw).tolist()
    return {str(item_id): bundle.live.facts(code) for item_id, code in zip(raw, codes, strict=True) if code >= 0}
