"""The OpenAPI document, made of the operations and their contracts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from aisle import __version__
from aisle.serve.operations import Operation
from aisle.serve.schemas import ErrorAnswer

_REF = "#/components/schemas/{model}"
# What any operation may answer: not JSON, too slow, too large, does not fit, overloaded or not ready.
_ALWAYS = {"open": (421, 503), "key": (401, 403, 421, 429, 500, 503), "query": (422,), "body": (400, 408, 413, 415, 422)}
_WORDS = {
    200: "answered", 400: "no JSON", 401: "no valid key", 403: "the key may not do this", 404: "not found",
    408: "the request came too slowly", 409: "refused; what was there stays", 413: "the body is too large",
    415: "the body is not said to be JSON", 421: "asked by a name that is not this service's", 422: "does not fit",
    429: "the key is used too often", 500: "a bug",
    503: "overloaded, not ready or shutting down; see Retry-After",
}  # fmt: skip


def openapi(operations: Sequence[Operation], *, keys: bool) -> dict[str, Any]:
    """Return the document.

    Args:
        operations: what there is.
        keys: whether this service asks for API keys.
    """
    paths: dict[str, dict[str, Any]] = {}
    for one in operations:
        paths.setdefault(one.path, {})[one.method.lower()] = _operation(one, keys)
    taken: list[tuple[type[BaseModel], Any]] = [(one.endpoint.body, "validation") for one in operations if one.endpoint.body]
    given: list[tuple[type[BaseModel], Any]] = [(one.answer, "serialization") for one in operations if one.answer]
    _, schemas = models_json_schema([*taken, *given, (ErrorAnswer, "serialization")], ref_template=_REF)
    return {
        "openapi": "3.1.0",
        "info": {"title": "aisle", "version": __version__, "description": "Recommendations from a bundle."},
        "paths": paths,
        "components": {"schemas": schemas["$defs"], "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}}},
    }


def _operation(one: Operation, keys: bool) -> dict[str, Any]:
    endpoint = one.endpoint
    words = (endpoint.handle.__doc__ or "").strip().splitlines()[0]
    operation: dict[str, Any] = {"operationId": endpoint.name, "summary": words, "responses": _responses(one)}
    parameters = [_parameter(name, "path", {"type": "string", "minLength": 1}) for name in re.findall(r"{(\w+)}", one.path)]
    if endpoint.query is not None:
        schema = endpoint.query.model_json_schema(ref_template=_REF)
        parameters += [_parameter(name, "query", field) for name, field in schema["properties"].items()]
    if parameters:
        operation["parameters"] = parameters
    if endpoint.body is not None:
        content = {"application/json": {"schema": {"$ref": _REF.format(model=endpoint.body.__name__)}}}
        operation["requestBody"] = {"required": True, "content": content}
    if keys and endpoint.scope != "open":
        operation["security"] = [{"key": []}]
    return operation


def _parameter(name: str, place: str, schema: dict[str, Any]) -> dict[str, Any]:
    # A query has no null: what is not given is left out.
    kinds = [kind for kind in schema.get("anyOf", []) if kind != {"type": "null"}]
    plain = {key: value for key, value in schema.items() if key not in ("anyOf", "description", "title", "default")}
    return {
        "name": name,
        "in": place,
        "required": place == "path",
        "schema": kinds[0] if kinds else plain,
        "description": schema.get("description", "raw id as in the log"),
    }


def _responses(one: Operation) -> dict[str, Any]:
    endpoint = one.endpoint
    statuses = {*one.errors, *_ALWAYS["open" if endpoint.scope == "open" else "key"]}
    statuses |= set(_ALWAYS["query"]) if endpoint.query else set()
    statuses |= set(_ALWAYS["body"]) if endpoint.body else set()
    answer = {} if one.answer is None else {"$ref": _REF.format(model=one.answer.__name__)}
    good = {"application/json": {"schema": answer}}
    if endpoint.name == "metrics":
        good = {"text/plain": {"schema": {"type": "string"}}}
    elif endpoint.name == "docs":
        good = {"text/html": {"schema": {"type": "string"}}}
    bad = {"application/json": {"schema": {"$ref": _REF.format(model=ErrorAnswer.__name__)}}}
    responses = {"200": {"description": _WORDS[200], "content": good}}
    return responses | {str(status): {"description": _WORDS[status], "content": bad} for status in sorted(statuses)}
