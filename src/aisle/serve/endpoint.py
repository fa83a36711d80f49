"""The way from bytes to a handler: key, body, contract; a handler sees what fits or is not called."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass
from reprlib import Repr
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from aisle.serve import keys
from aisle.serve.problems import ProblemError
from aisle.serve.schemas import BatchRequest
from aisle.serve.service import Service
from aisle.serve.visit import JSON, Reply, Visit

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Model = TypeVar("Model", bound=BaseModel)

_SHOWN = 80  # letters of a wrong value that are shown
_MANY = 100  # more keys than any object of a contract has
_MAX_LISTS = 50_000  # far more than any contract has; half a million, which fit into 1 MB, take half a second to read
_brief = Repr()  # `repr` of a wrong value writes out all of it
_brief.maxstring = _brief.maxlong = _brief.maxother = _SHOWN


class GoneError(Exception):
    """The caller closed the connection before the answer."""


@dataclass(frozen=True)
class Endpoint:
    """An ASGI application for one path and method.

    Attributes:
        name: for metrics and logs.
        handle: (service, visit, body) -> reply.
        scope: what a key must allow; "open" = no key is asked for, None = any key.
        body: contract of the body; None = there is none.
        query: contract of the query; None = the query is not looked at. One of `body` and `query` is given to `handle`.
    """

    name: str
    handle: Callable[[Service, Visit, Any], Awaitable[Reply]]
    scope: keys.Scope | str | None = None
    body: type[BaseModel] | None = None
    query: type[BaseModel] | None = None

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        service: Service = scope["app"]
        visit: Visit = scope["aisle.visit"]
        visit.endpoint, visit.params = self.name, scope.get("path_params", {})
        if "user_id" in visit.params:  # logs name nobody
            visit.path = scope["route"].path_format
        record: keys.KeyRecord | None = None
        if self.scope != "open":
            record = service.keys.admit(visit.key, self.scope)  # type: ignore[arg-type]
            visit.caller = None if record is None else record.name
        asked: BaseModel | None = None
        if self.body is not None:
            content = await read_body(visit, receive, service.settings.max_body_bytes)
            asked = parse(self.body, content)
        elif self.query is not None:
            asked = fit(self.query, visit.query)
        if record is not None and isinstance(asked, BatchRequest):
            reply = await self._charged(service, visit, asked, record)
        else:
            reply = await self.handle(service, visit, asked)
        await send({"type": "http.response.start", "status": reply.status, "headers": reply.head})
        await send({"type": "http.response.body", "body": reply.body})

    async def _charged(self, service: Service, visit: Visit, asked: BatchRequest, record: keys.KeyRecord) -> Reply:
        """Answer a batch, which counts its questions; refused as a whole it counts as one call."""
        further = len(asked.requests) - 1
        service.keys.charge(record, further)
        try:
            return await self.handle(service, visit, asked)
        except ProblemError:
            service.keys.charge(record, -further)
            raise


async def read_body(visit: Visit, receive: Receive, limit_bytes: int) -> bytes:
    """Read a JSON body.

    Raises:
        ProblemError: E062 (413) for one that is too large, before it is read; E063 (415) for one that is not said to be JSON.
        GoneError: when the caller goes away.
    """
    if visit.content_length is not None and visit.content_length > limit_bytes:
        raise _too_large(limit_bytes)
    if visit.content_type != JSON:
        seen = "none" if visit.content_type is None else visit.content_type.decode("latin-1")[:_SHOWN]
        raise ProblemError(415, f"the content type is {seen}", hint="send `Content-Type: application/json`", code="E063")
    chunks: list[bytes] = []
    size_bytes = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise GoneError
        chunk = message.get("body", b"")
        size_bytes += len(chunk)
        if size_bytes > limit_bytes:
            raise _too_large(limit_bytes)
        chunks.append(chunk)
        if not message.get("more_body", False):
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def parse(model: type[Model], content: bytes) -> Model:
    """Make a contract of JSON.

    Raises:
        ProblemError: E060 (400) for what is no JSON, E061 (422) for what does not fit.
    """
    if len(content) > _MAX_LISTS and (lists := content.count(b"[")) > _MAX_LISTS:
        raise _does_not_fit(f"the body opens {lists:,} lists; expected at most {_MAX_LISTS:,}")
    try:
        return model.model_validate_json(content)
    except ValidationError as error:
        raise unfit(error, content) from error


def fit(model: type[Model], values: dict[str, str]) -> Model:
    """Make a contract of the words of a query.

    Raises:
        ProblemError: E061 (422) for what does not fit.
    """
    if len(values) > _MANY:
        raise _does_not_fit(f"the query has {len(values):,} words; no query here has so many")
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise unfit(error) from error


def unfit(error: ValidationError, content: bytes = b"{}") -> ProblemError:
    """Say what is wrong first with a query, or with a body of this content."""
    if error.error_count() > _MANY and (crowded := _crowded(from_json(content), ())) is not None:
        return _does_not_fit(crowded)
    first = error.errors(include_url=False)[0]
    if first["type"] == "json_invalid":
        return ProblemError(400, f"the body is no JSON: {first['msg']}", hint="send one JSON object in UTF-8", code="E060")
    return _does_not_fit(f"{_place(first['loc'])} is {_shown(first['input'])}: {first['msg']}")


def _crowded(value: Any, where: tuple[str | int, ...]) -> str | None:
    """Return what is wrong with the first object that has more keys than any contract: pydantic would list every one of them."""
    inside: Iterable[tuple[str | int, Any]] = enumerate(value) if isinstance(value, list) else ()
    if isinstance(value, dict):
        if len(value) > _MANY:
            return f"{_place(where)} has {len(value):,} keys, such as {_shown(next(iter(value)))}; no object here has so many"
        inside = value.items()
    return next((found for key, one in inside if (found := _crowded(one, (*where, key))) is not None), None)


def _place(where: tuple[str | int, ...]) -> str:
    return ".".join(map(str, where)) or "the body"


def _shown(value: Any) -> str:
    text = _brief.repr(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."


def _does_not_fit(message: str) -> ProblemError:
    return ProblemError(422, message, hint="/openapi.json says what fits, /docs shows it", code="E061")


def _too_large(limit_bytes: int) -> ProblemError:
    return ProblemError(
        413, f"the body has more than {limit_bytes:,} bytes", hint="send less at a time, in several requests", code="E062"
    )
