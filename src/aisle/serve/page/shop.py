"""GET /page/shop and /page/shoppers: what the page offers to choose from, and shoppers by how their id begins."""

# U users

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import Iterator
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from aisle.bundle.bundle import Bundle
from aisle.features.vocabulary import Vocabulary
from aisle.serve.service import Service
from aisle.serve.visit import Reply, Visit
from aisle.storage.strings import Strings

_OF_A_KIND = 2  # example shoppers of each kind
_FOUND = 20  # shoppers that a search shows
_CATEGORIES = 300  # that a list shows; the ones with most items
_DIGITS = 19  # of a 64-bit id


class PrefixQuery(BaseModel):
    """How the ids begin."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    prefix: Annotated[str, Field(max_length=256)] = ""


async def shop(service: Service, visit: Visit, asked: None) -> Reply:
    """Say which models there are, and offer some shoppers and the categories."""
    bundles = {slot.name: slot.now().bundle for slot in service.slots}
    first = next(iter(bundles.values()))
    document = {
        "request_id": visit.request_id,
        "notice": service.settings.page_notice or first.manifest.data_note or None,
        "events": service.store is not None,
        "models": [{"variant": name, "bundle": one.id, "model": one.manifest.name} for name, one in bundles.items()],
        "users": len(first.users),
        "items": first.live.n_items,
    }
    # Some passes over all users and items: not for the event loop, which answers others.
    return Reply.json(document | await asyncio.to_thread(_offered, first))


async def shoppers(service: Service, visit: Visit, asked: PrefixQuery) -> Reply:
    """Find shoppers."""
    bundle = service.slots.get(None).now().bundle
    user = list(starting_with(bundle.users, asked.prefix, _FOUND))
    return Reply.json({"request_id": visit.request_id, "shoppers": _told(bundle, user)})


def starting_with(ids: Vocabulary, prefix: str, most: int) -> Iterator[int]:
    """Yield the codes of the first ids that begin like this, in their order; numbers as they are written.

    Example:
        >>> list(starting_with(Vocabulary(np.array([5, 17, 50, 51])), "5", 2))
        [0, 2]
    """
    if isinstance(ids.ids, Strings):
        start = bisect_left(range(len(ids)), prefix.encode(errors="replace"), key=ids.ids.bytes_at)
        for code in range(start, min(start + most, len(ids))):
            if not ids.ids[code].startswith(prefix):
                return
            yield code
    elif not prefix:
        yield from range(min(most, len(ids)))
    elif prefix.isascii() and prefix.isdigit() and len(prefix) <= _DIGITS and prefix == str(int(prefix)):
        yield from _numbers(ids.ids, int(prefix), most)


def _numbers(id_U: NDArray[np.int64], prefix: int, most: int) -> Iterator[int]:
    """Yield the places of numbers that are written with this beginning: 5, then 50 to 59, then 500 to 599, ..."""
    left = most
    for more in range(_DIGITS - len(str(prefix)) + 1):
        low, high = (end * 10**more for end in (prefix, prefix + 1))
        if prefix == 0 and more:
            return
        start, end = (bisect_left(id_U, bound) for bound in (low, high))
        places = range(start, min(end, start + left))
        yield from places
        left -= len(places)


def _offered(bundle: Bundle) -> dict[str, Any]:
    length_U = _lengths(bundle)
    examples = {kind: _told(bundle, user) for kind, user in _examples(length_U).items()}
    return {"examples": examples, "categories": _categories(bundle), "columns": list(bundle.live.columns)}


def _examples(length_U: NDArray[np.int64]) -> dict[str, list[int]]:
    """Return kind -> user codes: the longest histories, those around the median, the shortest, and empty ones."""
    some, none = np.flatnonzero(length_U > 0), np.flatnonzero(length_U == 0)
    found = some[np.argsort(length_U[some], kind="stable")].tolist()
    middle = max((len(found) - _OF_A_KIND) // 2, 0)
    return {
        "long": found[: -_OF_A_KIND - 1 : -1],
        "median": found[middle : middle + _OF_A_KIND],
        "short": found[:_OF_A_KIND],
        "none": none[:_OF_A_KIND].tolist(),
    }


def _lengths(bundle: Bundle) -> NDArray[np.int64]:
    """Return how many events the bundle remembers of each user: (U,)."""
    longest_U: NDArray[np.int64] = bundle.known.lengths
    return longest_U if bundle.seen is None else np.maximum(longest_U, bundle.seen.lengths)


def _told(bundle: Bundle, user: list[int]) -> list[dict[str, Any]]:
    # Of these few alone: this runs on the event loop with every letter that is typed.
    lengths = bundle.known.take(np.array(user, np.int64)).lengths
    if bundle.seen is not None:
        lengths = np.maximum(lengths, bundle.seen.take(np.array(user, np.int64)).lengths)
    return [{"user_id": bundle.users[code], "events": int(length)} for code, length in zip(user, lengths, strict=True)]


def _categories(bundle: Bundle) -> list[dict[str, Any]]:
    if "category" not in bundle.live.columns:
        return []
    code_V, names = bundle.live.columns["category"], bundle.live.names["category"]
    count = np.bincount(code_V[code_V >= 0], minlength=len(names))
    largest = np.sort(np.argsort(-count, kind="stable")[:_CATEGORIES])
    return [{"name": names[code], "items": int(count[code])} for code in largest.tolist() if count[code]]
