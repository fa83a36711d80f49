"""A batch as bytes: what the service asks its inference process, and what that answers. JSON, so that nothing is unpickled."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson

from aisle.bundle.bundle import Bundle
from aisle.bundle.question import question_as_json, question_from_json
from aisle.errors import AisleError
from aisle.serve.answering import Asked, Given, SimilarWanted, Wanted


class RemoteError(Exception):
    """What nobody foresaw, in the other process; its text is the traceback from there."""


def asked_as_json(asked: Sequence[Asked], number_of: Callable[[Bundle], int]) -> list[Any]:
    """Return a batch; a bundle is told by its number."""
    return [
        [number_of(one.bundle), one.variant, question_as_json(one.question)]
        if isinstance(one, Wanted)
        else [number_of(one.bundle), one.item_id, one.k]
        for one in asked
    ]


def asked_from_json(told: Sequence[Any], bundles: Mapping[int, Bundle]) -> list[Asked]:
    """Return what `asked_as_json` took apart."""
    return [
        Wanted(name, bundles[number], question_from_json(more))
        if isinstance(more, dict)
        else SimilarWanted(bundles[number], name, more)
        for number, name, more in told
    ]


def given_as_bytes(given: Sequence[Given | Exception]) -> bytes:
    """Return the replies to a batch: a line that tells of each, then the lists, which nobody has to read on the way."""
    told = [error_as_json(one) if isinstance(one, Exception) else [one.known, len(one.items)] for one in given]
    lists = [one.items for one in given if isinstance(one, Given)]
    return b"".join([dumps({"result": told}), b"\n", *lists])


def given_from_bytes(told: Sequence[Any], lists: bytes, asked: Sequence[Asked]) -> list[Given | Exception]:
    """Return what `given_as_bytes` put together, each from the bundle that was asked."""
    given: list[Given | Exception] = []
    start = 0
    for one, to in zip(told, asked, strict=True):
        if isinstance(one, dict):
            given.append(error_from_json(one))
        else:
            known, size = one
            given.append(Given(to.bundle, known, lists[start : start + size]))
            start += size
    return given


def error_as_json(error: Exception) -> dict[str, Any]:
    """Return an error, with its traceback where nobody foresaw it."""
    if isinstance(error, AisleError):
        return {"message": error.message, "hint": error.hint, "code": error.code}
    return {"traceback": "".join(traceback.format_exception(error))}


def error_from_json(told: Mapping[str, Any]) -> Exception:
    """Return what `error_as_json` took apart."""
    return RemoteError(told["traceback"]) if "traceback" in told else AisleError(**told)


def dumps(document: object) -> bytes:
    """Return a document as one line."""
    return orjson.dumps(document)
