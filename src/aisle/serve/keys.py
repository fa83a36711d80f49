"""API keys: shown once, kept as salted hashes, compared in constant time, each with scopes and a rate.

A key is `aisle_<id>_<secret>`. The secret has 256 random bits, so that one SHA-256 is as good as a slow hash: there is nothing to
guess. The id finds the one hash to compare with.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from aisle.errors import AisleError
from aisle.serve.problems import ProblemError
from aisle.storage.atomic import write_atomic

Scope = Literal["recommend", "events", "erase", "admin"]
SCOPES: tuple[Scope, ...] = ("recommend", "events", "erase", "admin")

_HINT = "send a key as `Authorization: Bearer KEY` or `X-API-Key: KEY`; `aisle serve --new-key NAME --keys FILE` makes one"
_NOBODY_SALT, _NOBODY_HASH = "00" * 16, "00" * 32  # what the secret of an unknown id is compared with, for the same time


class KeyRecord(BaseModel):
    """What is kept of one key.

    Attributes:
        id: the part of the key that finds this record.
        name: who uses it.
        salt, hash: hexadecimal; hash is SHA-256(salt + secret).
        scopes: what it may do; "admin" may do everything.
        per_second: questions or other requests a second, in the long run; a second's worth at once. None = any number.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    id: Annotated[str, Field(pattern=r"^[0-9a-f]{12}$")]
    name: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[\w.-]+$")]
    salt: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    hash: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    scopes: tuple[Scope, ...]
    per_second: Annotated[float, Field(gt=0)] | None = None


class KeyFile(BaseModel):
    """The file of keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    keys: tuple[KeyRecord, ...] = ()


@dataclass
class _Bucket:
    """A token bucket: fills at `rate` a second up to one second's worth, at least one token."""

    rate: float
    tokens: float = field(init=False)
    at: float = field(init=False)

    def __post_init__(self) -> None:
        self.tokens, self.at = max(self.rate, 1.0), time.monotonic()

    def take(self, now: float) -> float:
        """Take a token and return 0, or return the seconds until there is one."""
        self.tokens = min(max(self.rate, 1.0), self.tokens + (now - self.at) * self.rate)
        self.at = now
        if self.tokens < 1:
            return (1 - self.tokens) / self.rate
        self.tokens -= 1
        return 0.0

    def owe(self, tokens: int) -> None:
        """Take more, of what is not there yet if need be: who asked for much at once waits the longer afterwards."""
        self.tokens -= tokens


class Keys:
    """The keys of one service; none at all where `path` is None.

    Args:
        path: the file; read now, and again by `read`.

    Raises:
        AisleError: E078 when it cannot be read.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._records: dict[str, KeyRecord] = {}
        self._buckets: dict[str, _Bucket] = {}
        self.read()

    @property
    def needed(self) -> bool:
        """Whether a caller needs a key."""
        return self._path is not None

    def read(self) -> None:
        """Read the file again: a key that is gone is refused from now on, the others keep their rates."""
        if self._path is None:
            return
        records = {record.id: record for record in read_keys(self._path).keys}
        kept = {key: self._buckets[key] for key in records if self._records.get(key) == records[key] and key in self._buckets}
        made = {key: _Bucket(one.per_second) for key, one in records.items() if one.per_second is not None and key not in kept}
        self._records, self._buckets = records, kept | made

    def admit(self, key: str | None, scope: Scope | None) -> KeyRecord | None:
        """Return whose key it is, None where no keys are needed.

        Args:
            key: as it was sent.
            scope: what is to be done; None = any valid key will do.

        Raises:
            ProblemError: E066 (401) without a valid key, E067 (403) for one that may not do this, E068 (429) for one that is used
                too often.
        """
        if self._path is None:
            return None
        record = self._find(key)
        if record is None:
            what = "no API key was sent" if key is None else "this API key is not valid here"
            raise ProblemError(401, what, hint=_HINT, code="E066")
        if scope is not None and scope not in record.scopes and "admin" not in record.scopes:
            raise ProblemError(
                403, f"key '{record.name}' may not do this; it needs the scope '{scope}'", hint="use another key", code="E067"
            )
        bucket = self._buckets.get(record.id)
        wait_s = 0.0 if bucket is None else bucket.take(time.monotonic())
        if wait_s:
            raise ProblemError(
                429,
                f"key '{record.name}' is used more than {record.per_second:g} times a second",
                hint="ask again after Retry-After, or have the key's rate raised",
                code="E068",
                retry_after_s=max(1, round(wait_s + 0.5)),
            )
        return record

    def charge(self, record: KeyRecord, questions: int) -> None:
        """Count further questions of a call that was admitted as one: nothing is refused, what comes next waits the longer."""
        bucket = self._buckets.get(record.id)
        if bucket is not None:
            bucket.owe(questions)

    def _find(self, key: str | None) -> KeyRecord | None:
        parts = (key or "").split("_", 2)
        known = len(parts) == 3 and parts[0] == "aisle"
        record = self._records.get(parts[1]) if known else None
        secret = parts[2] if known else ""
        seen = _hash(record.salt if record else _NOBODY_SALT, secret)
        same = hmac.compare_digest(seen, record.hash if record else _NOBODY_HASH)
        return record if same else None


def read_keys(path: Path) -> KeyFile:
    """Read a file of keys.

    Raises:
        AisleError: E078 when it is not there or no such file.
    """
    try:
        return KeyFile.model_validate_json(path.read_bytes())
    except OSError as error:
        raise AisleError(
            f"the keys in {path} cannot be read: {error.strerror}", hint="make one with `aisle serve --new-key NAME`", code="E078"
        ) from error
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        raise AisleError(
            f"{path} is no file of API keys: {'.'.join(map(str, first['loc']))} {first['msg']}",
            hint="make one with `aisle serve --new-key NAME`",
            code="E078",
        ) from error


def new_key(path: Path, name: str, scopes: tuple[Scope, ...], per_second: float | None = None) -> str:
    """Make a key, add its hash to a file and return it; it cannot be shown again.

    Args:
        path: the file; made, for this user alone, when missing.
        name: who is to use it.
        scopes: what it may do.
        per_second: its rate.

    Raises:
        AisleError: E078 for a file that is none of keys, E079 for a name that is taken or none.
    """
    kept = read_keys(path) if path.exists() else KeyFile()
    if any(record.name == name for record in kept.keys):
        raise AisleError(f"a key is called '{name}' already", hint=f"choose another name, or remove it from {path}", code="E079")
    key_id, salt, secret = secrets.token_hex(6), secrets.token_hex(16), secrets.token_urlsafe(32)
    try:
        record = KeyRecord(id=key_id, name=name, salt=salt, hash=_hash(salt, secret), scopes=scopes, per_second=per_second)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        raise AisleError(
            f"a key cannot be made: {first['loc'][0]}: {first['msg']}",
            hint="a name of letters, digits, '.', '_' or '-'; a rate above 0",
            code="E079",
        ) from error
    document = KeyFile(keys=(*kept.keys, record)).model_dump(mode="json")
    mask = os.umask(0o077)
    try:
        write_atomic(path, json.dumps(document, indent=1) + "\n")
    finally:
        os.umask(mask)
    return f"aisle_{key_id}_{secret}"


def _hash(salt: str, secret: str) -> str:
    return hashlib.sha256(bytes.fromhex(salt) + secret.encode()).hexdigest()
