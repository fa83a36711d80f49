"""One request as the service sees it, and what it is answered with."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import orjson

_SANE_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
JSON = b"application/json"

# Seeded by the system once. `os.urandom` for every request would let go of the interpreter and wait to get it back.
_ids = random.Random()  # noqa: S311 - a name, not a secret

Scope = Mapping[str, Any]


def new_request_id() -> str:
    """Return a name for a request that has none."""
    return f"{_ids.getrandbits(128):032x}"


@dataclass(slots=True)
class Visit:
    """One request.

    Attributes:
        request_id: as the caller calls it, or made here.
        method, path: of the request.
        content_type, content_length: of its body; None = not said.
        key: the API key as sent.
        host: whom the caller believes to speak to; None = not said.
        endpoint: what it was for; "none" until that is known.
        params: parts of the path.
        caller: name of the key, where there are keys.
        status: of the answer; 0 before there is one.
        reason: code of the error that it was answered with.
    """

    request_id: str
    method: str
    path: str
    content_type: bytes | None = None
    content_length: int | None = None
    key: str | None = None
    host: bytes | None = None
    query_string: bytes = b""
    endpoint: str = "none"
    params: Mapping[str, str] = field(default_factory=dict)
    caller: str | None = None
    status: int = 0
    reason: str | None = None

    @classmethod
    def of(cls, scope: Scope) -> Visit:
        """Read the head of a request once."""
        visit = cls(new_request_id(), scope["method"], scope["path"], query_string=scope["query_string"])
        for name, value in scope["headers"]:
            if name == b"content-type":
                visit.content_type = value.split(b";", 1)[0].strip().lower()
            elif name == b"content-length":
                visit.content_length = int(value) if value.isdigit() else None
            elif name == b"host":
                visit.host = value
            elif name == b"x-request-id" and _SANE_ID.fullmatch(value):
                visit.request_id = value.decode()
            elif name == b"authorization" and value[:7].lower() == b"bearer ":
                visit.key = value[7:].decode("latin-1").strip()
            elif name == b"x-api-key":
                visit.key = value.decode("latin-1").strip()
        return visit

    @property
    def query(self) -> dict[str, str]:
        """Return the query's words; of one that is given twice the last counts."""
        return dict(parse_qsl(self.query_string.decode("latin-1"), keep_blank_values=True))


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer.

    Attributes:
        body: its bytes.
        status: HTTP status.
        content_type: of the body.
        headers: further ones.
    """

    body: bytes
    status: int = 200
    content_type: bytes = JSON
    headers: tuple[tuple[bytes, bytes], ...] = ()

    @classmethod
    def json(cls, document: object, status: int = 200) -> Reply:
        """Return a document as an answer; dataclasses in it become objects."""
        return cls(orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY), status)

    @property
    def head(self) -> list[tuple[bytes, bytes]]:
        """All headers."""
        length = str(len(self.body)).encode()
        return [(b"content-type", self.content_type), (b"content-length", length), *self.headers]
