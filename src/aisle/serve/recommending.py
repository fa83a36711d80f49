"""POST /v1/recommend, POST /v1/recommend/batch, GET /v1/similar/{item_id}."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from aisle.bundle.question import Answer, Question, RawEvent
from aisle.errors import AisleError
from aisle.recommend.rules import Rules
from aisle.serve.answering import Given, SimilarWanted, Wanted
from aisle.serve.events.protocol import Live, Served, Shopper
from aisle.serve.problems import ProblemError, bug, problem_of
from aisle.serve.schemas import BatchRequest, HistoryEvent, RecommendRequest, SimilarQuery
from aisle.serve.service import Service
from aisle.serve.slots import Slot
from aisle.serve.visit import Reply, Visit

_RULES = ("min_price", "max_price", "available_only", "exclude_events", "max_per_category")


async def recommend(service: Service, visit: Visit, asked: RecommendRequest) -> Reply:
    """Answer one shopper."""
    wanted = await _wanted(service, [asked])
    given = (await _ask(service, wanted))[0]
    if isinstance(given, Exception):
        raise given
    return Reply.json(_told(service, visit.request_id, asked, wanted[0].slot, given))


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
    # As many at a time as one batch holds: those who ask for one list get their turn in between.
    for start in range(0, len(fine), service.settings.max_batch):
        block = fine[start : start + service.settings.max_batch]
        replies = await _ask(service, [wanted for _, wanted in block])
        for (place, wanted), reply in zip(block, replies, strict=True):
            request_id = f"{visit.request_id}.{place}"
            if isinstance(reply, Exception):
                documents[place] = _problem(service, visit, reply).document
            else:
                documents[place] = _told(service, request_id, asked.requests[place], wanted.slot, reply)
    return Reply.json({"request_id": visit.request_id, "answers": documents})


async def similar(service: Service, visit: Visit, asked: SimilarQuery) -> Reply:
    """Answer with items like one."""
    slot = service.slots.get(asked.model)
    item_id = visit.params["item_id"]
    given = (await service.batcher.ask([SimilarWanted(slot, item_id, asked.k)]))[0]
    if isinstance(given, Exception):
        raise given
    head = _head(visit.request_id, slot, given)
    return Reply.json({**head, "item_id": item_id, "items": given.answer.items})


async def _ask(service: Service, wanted: Sequence[Wanted]) -> Sequence[Given | Exception]:
    return await service.batcher.ask(wanted)


async def _wanted(service: Service, requests: Sequence[RecommendRequest]) -> list[Wanted]:
    lives = await _lives(service, requests)
    return [_one(service, request, live) for request, live in zip(requests, lives, strict=True)]


async def _lives(service: Service, requests: Sequence[RecommendRequest]) -> list[Live | None]:
    """Return what each shopper did since the oldest bundle that may answer was made."""
    lives: list[Live | None] = [None] * len(requests)
    store = service.store
    rows = [row for row, one in enumerate(requests) if one.history is None and (one.user_id, one.session_id) != (None, None)]
    if store is None or not rows:
        return lives
    found = await store.histories([Shopper(_text(requests[row].user_id), _text(requests[row].session_id)) for row in rows])
    for row, live in zip(rows, found, strict=True):
        lives[row] = live
    return lives


def _one(service: Service, asked: RecommendRequest, live: Live | None) -> Wanted:
    slot = service.slots.get(asked.model)
    rules = _rules(slot, asked)
    user_id, whole = asked.user_id, asked.history is not None
    events: tuple[RawEvent, ...] = ()
    if asked.history is not None:
        events = _history(asked.history)
    elif live is not None:
        until_us = slot.now().until_us
        events = tuple([RawEvent(event.item_id, event.event, event.time_us) for event in live.events if event.time_us > until_us])
        # What the bundle knows of somebody who was erased is not used; what they did afterwards is.
        user_id, whole = (None, True) if live.erased else (live.user_id, False)
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
    return Wanted(slot, question)


def _rules(slot: Slot, asked: RecommendRequest) -> Rules | None:
    """Return the shop's own rules with those that the request names in their place; None = the shop's own."""
    given = {name: value for name in _RULES if (value := getattr(asked, name)) is not None}
    return replace(slot.now().bundle.knowledge.rules, **given) if given else None


def _history(history: Sequence[HistoryEvent]) -> tuple[RawEvent, ...]:
    """Return a history sent along; without times, events are taken as done just now, one after another."""
    now_us = time.time_ns() // 1000
    return tuple(
        RawEvent(one.item_id, one.event, now_us - len(history) + place if one.time_us is None else one.time_us)
        for place, one in enumerate(history)
    )


def _told(service: Service, request_id: str, asked: RecommendRequest, slot: Slot, given: Given) -> dict[str, Any]:
    """Return an answer as a document, counted, and put aside to be logged."""
    answer: Answer = given.answer
    service.metrics.answer(slot.name, known=answer.known)
    if service.store is not None and service.settings.impressions:
        served = Served(
            request_id,
            tuple([str(item.item_id) for item in answer.items]),
            time.time_ns() // 1000,
            given.bundle.id,
            slot.name,
            _text(asked.user_id),
            _text(asked.session_id),
        )
        service.store.log_impressions([served])
    return {**_head(request_id, slot, given), "known": answer.known, "items": answer.items}


def _head(request_id: str, slot: Slot, given: Given) -> dict[str, Any]:
    return {"request_id": request_id, "bundle": given.bundle.id, "model": given.bundle.manifest.name, "variant": slot.name}


def _problem(service: Service, visit: Visit, error: Exception) -> ProblemError:
    if isinstance(error, AisleError):
        return problem_of(error)
    service.log.failure("bug", error, http__request__id=visit.request_id)
    return bug()


def _text(raw: int | str | None) -> str | None:
    return None if raw is None else str(raw)
