"""POST /v1/recommend, POST /v1/recommend/batch, GET /v1/similar/{item_id}."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import orjson

from aisle.bundle.bundle import Bundle
from aisle.bundle.question import Question, RawEvent
from aisle.errors import AisleError
from aisle.recommend.rules import Rules
from aisle.serve.answering import Given, SimilarWanted, Wanted
from aisle.serve.events.protocol import Live, Served, Shopper
from aisle.serve.problems import ProblemError, bug, problem_of
from aisle.serve.schemas import BatchRequest, HistoryEvent, RecommendRequest, SimilarQuery
from aisle.serve.service import Service
from aisle.serve.visit import Reply, Visit

_RULES = ("min_price", "max_price", "available_only", "exclude_events", "max_per_category")


async def recommend(service: Service, visit: Visit, asked: RecommendRequest) -> Reply:
    """Answer one shopper."""
    wanted = _one(service, asked, (await _lives(service, [asked]))[0])
    given = (await service.batcher.ask([wanted]))[0]
    if isinstance(given, Exception):
        raise given
    reply = Reply.json(_told(visit.request_id, wanted, given))
    _note(service, visit.request_id, asked, wanted, given)
    return reply


async def recommend_batch(service: Service, visit: Visit, asked: BatchRequest) -> Reply:
    """Answer many shoppers; who cannot be answered gets an error in their place."""
    documents: list[dict[str, Any] | None] = [None] * len(asked.requests)
    fine: list[tuple[int, Wanted]] = []
    lives = await _lives(service, asked.requests)
    for place, (request, live) in enumerate(zip(asked.requests, lives, strict=True)):
        try:
            fine.append((place, _one(service, request, live)))
        except AisleError as error:
            documents[place] = problem_of(error).document
    lists = []
    for (place, wanted), given in zip(fine, await _ask_in_blocks(service, [wanted for _, wanted in fine]), strict=True):
        request_id = f"{visit.request_id}.{place}"
        if isinstance(given, Exception):
            documents[place] = _problem(service, visit, given).document
        else:
            documents[place] = _told(request_id, wanted, given)
            lists.append((request_id, asked.requests[place], wanted, given))
    reply = Reply.json({"request_id": visit.request_id, "answers": documents})
    for one in lists:
        _note(service, *one)
    return reply


async def similar(service: Service, visit: Visit, asked: SimilarQuery) -> Reply:
    """Answer with items like one."""
    slot = service.slots.get(asked.model)
    item_id = visit.params["item_id"]
    given = (await service.batcher.ask([SimilarWanted(slot.now().bundle, item_id, asked.k)]))[0]
    if isinstance(given, Exception):
        raise given
    head = _head(visit.request_id, slot.name, given)
    return Reply.json({**head, "item_id": item_id, "items": orjson.Fragment(given.items)})


async def _ask_in_blocks(service: Service, wanted: Sequence[Wanted]) -> list[Given | Exception]:
    """Ask for as many at a time as one batch holds: those who ask for one list get their turn in between.

    Raises:
        ProblemError: E069 where no block at all found room; a block that found none among others has it in its places.
    """
    replies: list[Given | Exception] = []
    size = service.settings.max_batch
    for start in range(0, len(wanted), size):
        block = wanted[start : start + size]
        try:
            replies += await service.batcher.ask(block)
        except ProblemError as error:
            replies += [error] * len(block)
    refused = [one for one in replies if isinstance(one, ProblemError) and one.status == 503]
    if refused and len(refused) == len(replies):
        raise refused[0]
    return replies


async def _lives(service: Service, requests: Sequence[RecommendRequest]) -> list[Live | None]:
    """Return what the store knows of each shopper; of one whose history was sent along, only `erased` is of interest."""
    lives: list[Live | None] = [None] * len(requests)
    store = service.store
    if store is None:
        return lives
    shoppers = [Shopper(_text(one.user_id), _text(one.session_id) if one.history is None else None) for one in requests]
    rows = [row for row, shopper in enumerate(shoppers) if (shopper.user_id, shopper.session_id) != (None, None)]
    if not rows:
        return lives
    found = await store.histories([shoppers[row] for row in rows])
    for row, live in zip(rows, found, strict=True):
        lives[row] = live
    return lives


def _one(service: Service, asked: RecommendRequest, live: Live | None) -> Wanted:
    """Put a question together for the bundle that answers now, and hold on to that bundle."""
    slot = service.slots.get(asked.model)
    loaded = slot.now()
    rules = _rules(loaded.bundle, asked)
    user_id, whole = asked.user_id, asked.history is not None
    events: tuple[RawEvent, ...] = ()
    if live is not None and not whole:
        until_us = loaded.until_us
        events = tuple([RawEvent(event.item_id, event.event, event.time_us) for event in live.events if event.time_us > until_us])
        user_id = live.user_id
    if live is not None and live.erased:
        # What the bundle knows of somebody who was erased is not used; what they did afterwards is.
        user_id, whole = None, True
    if asked.history is not None:
        events = _history(asked.history)
    question = Question(
        user_id,
        events,
        whole,
        asked.k,
        asked.filter_seen,
        asked.candidates,
        asked.categories,
        rules,
        () if asked.context is None else tuple((name, str(value)) for name, value in asked.context.items()),
    )
    return Wanted(slot.name, loaded.bundle, question)


def _rules(bundle: Bundle, asked: RecommendRequest) -> Rules | None:
    """Return the shop's own rules with those that the request names in their place; None = the shop's own."""
    given = {name: value for name in _RULES if (value := getattr(asked, name)) is not None}
    return replace(bundle.knowledge.rules, **given) if given else None


def _history(history: Sequence[HistoryEvent]) -> tuple[RawEvent, ...]:
    """Return a history sent along; without times, events are taken as done just now, one after another."""
    now_us = time.time_ns() // 1000
    return tuple(
        RawEvent(one.item_id, one.event, now_us - len(history) + place if one.time_us is None else one.time_us)
        for place, one in enumerate(history)
    )


def _told(request_id: str, wanted: Wanted, given: Given) -> dict[str, Any]:
    """Return an answer as a document."""
    return {**_head(request_id, wanted.variant, given), "known": given.known, "items": orjson.Fragment(given.items)}


def _note(service: Service, request_id: str, asked: RecommendRequest, wanted: Wanted, given: Given) -> None:
    """Count a list, and put it aside to be logged; not before the whole answer that it stands in is formed."""
    service.metrics.answer(wanted.variant, known=given.known)
    if service.store is None or not service.settings.impressions:
        return
    served = Served(
        request_id,
        given.item_ids,
        time.time_ns() // 1000,
        given.bundle.id,
        wanted.variant,
        _text(asked.user_id),
        _text(asked.session_id),
    )
    service.store.log_impressions([served])


def _head(request_id: str, variant: str, given: Given) -> dict[str, Any]:
    return {"request_id": request_id, "bundle": given.bundle.id, "model": given.bundle.manifest.name, "variant": variant}


def _problem(service: Service, visit: Visit, error: Exception) -> ProblemError:
    if isinstance(error, AisleError):
        return problem_of(error)
    service.log.failure("bug", error, http__request__id=visit.request_id)
    return bug()


def _text(raw: int | str | None) -> str | None:
    return None if raw is None else str(raw)
