"""What TorchServe calls inside a model archive: the answers of the bundle beside it, from the torch model.

`export.torchserve` copies this file into the archive. It needs aisle, of the version that wrote the archive, in the Python of
TorchServe's workers. TorchServe hands over requests in lists; each is answered or refused by itself.
"""

from __future__ import annotations

import functools
import importlib.metadata
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from aisle.bundle.bundle import Bundle
from aisle.bundle.manifest import MANIFEST_NAME, Versions, parse_manifest
from aisle.bundle.question import MAX_K, Answer, Question, RawEvent
from aisle.doctor.finding import errors
from aisle.doctor.judge import judge
from aisle.doctor.wanted import Wanted
from aisle.environment.compat import load_compat
from aisle.environment.described import Environment
from aisle.environment.facts import environment
from aisle.errors import AisleError
from aisle.export.torchserve_model import open_eager

BUNDLE = "bundle"  # the folder in the archive
TORCHSERVE = "0.12"
_RULES = ("min_price", "max_price", "available_only", "exclude_events", "max_per_category")

Id = Annotated[str, Field(min_length=1, max_length=256, strict=True)] | Annotated[int, Field(strict=True)]
Kind = Literal["view", "click", "impression", "favourite", "cart", "purchase", "dislike", "rating"]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Happened(_Body):
    """One thing that the shopper did; without a time, in the order given."""

    item_id: Id
    event: Kind = "view"
    timestamp: Annotated[float, Field(ge=0, le=7_258_118_400)] | AwareDatetime | None = None


class Request(_Body):
    """Who asks, for what: as POST /v1/recommend of `aisle serve`, without sessions, which TorchServe does not have."""

    user_id: Id | None = None
    history: Annotated[tuple[Happened, ...], Field(max_length=1000)] | None = None
    k: Annotated[int, Field(ge=1, le=MAX_K, strict=True)] = 10
    filter_seen: bool = True
    candidates: Annotated[tuple[Id, ...], Field(min_length=1, max_length=10_000)] | None = None
    categories: Annotated[tuple[str, ...], Field(min_length=1, max_length=256)] | None = None
    min_price: Annotated[float, Field(ge=0)] | None = None
    max_price: Annotated[float, Field(ge=0)] | None = None
    available_only: bool | None = None
    exclude_events: Annotated[tuple[Kind, ...], Field(max_length=8)] | None = None
    max_per_category: Annotated[int, Field(ge=1, le=MAX_K, strict=True)] | None = None
    context: dict[str, str | int | float | bool] | None = None


def handle(data: Sequence[dict[str, Any]] | None, context: Any) -> list[str] | None:
    """Answer a batch of requests; called with None once, when a worker loads the model.

    Args:
        data: one dict a request; its "body" is what was sent, already read where it was JSON.
        context: TorchServe's own.

    Returns:
        One JSON document a request; those that were refused say why, with status 400.

    Raises:
        AisleError: when the worker starts: E090 where aisle, torch or TorchServe do not fit, and what a damaged bundle raises.
    """
    bundle = opened(str(context.system_properties["model_dir"]))
    if data is None:
        return None
    told: list[str] = []
    for place, reply in enumerate(answer_all(bundle, [_body(row) for row in data])):
        refused = isinstance(reply, AisleError)
        context.set_response_content_type(place, "application/json")
        if refused:
            context.set_response_status(400, "Bad Request", place)
        told.append(json.dumps(_problem(reply) if isinstance(reply, AisleError) else _document(bundle, reply)))
    return told


@functools.cache
def opened(model_dir: str) -> Bundle:
    """Check the versions, then open the bundle; once a worker. What does not fit is said in TorchServe's log.

    With AISLE_PUBLIC_KEY in the worker's environment the bundle must be signed with that key, as everywhere in aisle.
    """
    key = os.environ.get("AISLE_PUBLIC_KEY")
    folder = Path(model_dir) / BUNDLE
    torch.set_num_threads(1)  # workers share the cores; TorchServe starts one a core
    try:
        manifest = parse_manifest((folder / MANIFEST_NAME).read_bytes(), folder / MANIFEST_NAME)
        check_versions(manifest.versions, Environment.of(environment(), "this worker"), _torchserve())
        return open_eager(folder, public_key=Path(key) if key else None)
    except AisleError as error:
        print(f"aisle refuses this archive: {error.message} [{error.code}]", file=sys.stderr, flush=True)
        raise


def check_versions(made_with: Versions, here: Environment, torchserve: str) -> None:
    """Refuse a worker whose software does not fit, by name: aisle and TorchServe by version, the rest as the doctor judges.

    Args:
        made_with: of the bundle's manifest.
        here: this worker.
        torchserve: version of it that runs the worker.

    Raises:
        AisleError: E090.
    """
    unfit = []
    if (aisle := here.packages.get("aisle")) != made_with.aisle:  # this file was written for that version's insides
        unfit.append(f"aisle {aisle} where the archive was made by {made_with.aisle}")
    if not torchserve.startswith(f"{TORCHSERVE}."):
        unfit.append(f"TorchServe {torchserve or 'of no version'} where {TORCHSERVE} is what archives are tested with")
    wanted = Wanted("torch", torch=made_with.torch, cuda=made_with.cuda, cudnn=made_with.cudnn, faiss=made_with.faiss)
    wanted = replace(wanted, onnx_opset=made_with.onnx_opset, onnx_ir_version=made_with.onnx_ir_version)
    for finding in errors(judge(wanted, here, load_compat())):
        unfit.append(f"{finding.subject} {finding.seen} where {finding.expected} is needed")
    if unfit:
        raise AisleError(
            f"this worker has {'; '.join(unfit)}",
            hint="install what is named for the Python of TorchServe's workers, or export the run again there",
            code="E090",
        )


def answer_all(bundle: Bundle, bodies: Sequence[Any]) -> list[Answer | AisleError]:
    """Answer requests together; what cannot be answered gets its own error and leaves the others alone.

    Args:
        bundle: with the torch model.
        bodies: JSON values, or bytes where the sender did not say that it is JSON.
    """
    replies: list[Answer | AisleError | None] = []
    fine: list[tuple[int, Question]] = []
    for place, body in enumerate(bodies):
        replies.append(None)
        try:
            fine.append((place, question(bundle, body)))
        except AisleError as error:
            replies[place] = error
    answers = _recommend(bundle, [asked for _, asked in fine])
    for (place, _), reply in zip(fine, answers, strict=True):
        replies[place] = reply
    return [reply for reply in replies if reply is not None]


def question(bundle: Bundle, body: Any) -> Question:
    """Read one request.

    Raises:
        AisleError: E091 when it is none.
    """
    try:
        asked = Request.model_validate_json(bytes(body)) if isinstance(body, bytes | bytearray) else Request.model_validate(body)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the body"
        raise AisleError(
            f"{where}: {first['msg']}", hint="see docs/torchserve.md for what a request may say", code="E091"
        ) from error
    given = {name: value for name in _RULES if (value := getattr(asked, name)) is not None}
    return Question(
        asked.user_id,
        () if asked.history is None else _events(asked.history),
        asked.history is not None,
        asked.k,
        asked.filter_seen,
        asked.candidates,
        asked.categories,
        replace(bundle.knowledge.rules, **given) if given else None,
        tuple((name, str(value)) for name, value in (asked.context or {}).items()),
    )


def _events(history: Sequence[Happened]) -> tuple[RawEvent, ...]:
    """Return a history sent along; without times, events are taken as done just now, one after another."""
    now_us = time.time_ns() // 1000
    return tuple(
        RawEvent(one.item_id, one.event, now_us - len(history) + place if one.timestamp is None else _microseconds(one.timestamp))
        for place, one in enumerate(history)
    )


def _microseconds(moment: float | datetime) -> int:
    return round(1e6 * (moment.timestamp() if isinstance(moment, datetime) else moment))


def _recommend(bundle: Bundle, questions: list[Question]) -> list[Answer | AisleError]:
    if not questions:
        return []
    try:
        return [*bundle.recommend(questions)]
    except AisleError as error:
        if len(questions) == 1:
            return [error]
    # One of them cannot be answered: each by itself, so that it alone is refused.
    return [reply for one in questions for reply in _recommend(bundle, [one])]


def _body(row: dict[str, Any]) -> Any:
    return row.get("body", row.get("data", {}))


def _document(bundle: Bundle, answer: Answer) -> dict[str, Any]:
    return {"bundle": bundle.id, "model": bundle.manifest.name, **asdict(answer)}


def _problem(error: AisleError) -> dict[str, Any]:
    return {"error": {"code": error.code, "message": error.message, "hint": error.hint}}


def _torchserve() -> str:
    try:
        return importlib.metadata.version("torchserve")
    except importlib.metadata.PackageNotFoundError:
        return ""
