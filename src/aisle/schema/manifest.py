"""The manifest of a prepared dataset: what is in the folder, where it came from, and what was left out."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from aisle.errors import AisleError
from aisle.schema.columns import ColumnKind

SCHEMA_VERSION = 1
MANIFEST_NAME = "manifest.json"


class _Contract(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ArrayInfo(_Contract):
    """One .npy file: its dtype (NumPy's name, little-endian), its shape and the SHA-256 of its data bytes (not the header)."""

    dtype: str
    shape: tuple[int, ...]
    sha256: str


class SourceInfo(_Contract):
    """One file that was read."""

    path: str
    size_bytes: int
    sha256: str
    rows: int


class RowCounts(_Contract):
    """Where every row that was read went: read = kept + rejected + filtered, always."""

    read: int
    kept: int
    rejected: int
    filtered: int


class Manifest(_Contract):
    """The contract between `prepare` and everything that reads a dataset.

    Attributes:
        time_kind: "timestamp" (microseconds since 1970-01-01 UTC) or "order" (only the order means something).
        event_columns, item_features, user_features: name -> kind; see `schema.columns` for what a kind stores.
        mapping: our name -> the log's column; unused_columns: the log's columns that no part of the dataset comes from.
        rejects, filters: reason -> rows.
        arrays: array name -> what its file must hold; the file is `<name>.npy`.
        content_hash: the same for the same rows, whatever the order or the names of the source files.
    """

    schema_version: int = SCHEMA_VERSION
    aisle_version: str
    created: str
    time_kind: Literal["timestamp", "order"]
    time_min: int
    time_max: int
    users: int
    items: int
    events: int
    events_by_kind: dict[str, int]
    user_id_type: Literal["int", "string"]
    item_id_type: Literal["int", "string"]
    mapping: dict[str, str]
    unused_columns: tuple[str, ...] = ()
    recipe: dict[str, Any]
    sources: tuple[SourceInfo, ...]
    rows: RowCounts
    rejects: dict[str, int]
    filters: dict[str, int]
    event_columns: dict[str, ColumnKind]
    item_features: dict[str, ColumnKind]
    user_features: dict[str, ColumnKind]
    arrays: dict[str, ArrayInfo]
    content_hash: str


def content_hash(
    time_kind: str, user_id_type: str, item_id_type: str, kinds: dict[str, dict[str, ColumnKind]], arrays: dict[str, ArrayInfo]
) -> str:
    """Return the SHA-256 over everything in the folder that a model could see."""
    content = {
        "schema_version": SCHEMA_VERSION,
        "time_kind": time_kind,
        "id_types": [user_id_type, item_id_type],
        "kinds": kinds,
        "arrays": {name: [info.dtype, list(info.shape), info.sha256] for name, info in arrays.items()},
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def parse_manifest(text: str, where: str) -> Manifest:
    """Parse and check a manifest.

    Args:
        text: the JSON text.
        where: the path, for messages.

    Raises:
        AisleError: E201 when it is no manifest, E202 when its schema is newer than this aisle reads.
    """
    try:
        raw = json.loads(text)
        version = raw["schema_version"]
    except (ValueError, KeyError, TypeError) as error:
        raise AisleError(
            f"{where} is not a dataset manifest ({error!r})", hint="run `aisle prepare` again", code="E201"
        ) from error
    if not isinstance(version, int) or version > SCHEMA_VERSION:
        raise AisleError(
            f"{where} has schema version {version}; this aisle reads versions up to {SCHEMA_VERSION}",
            hint="upgrade aisle, or prepare the logs again with this version",
            code="E202",
        )
    try:
        return Manifest.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise AisleError(
            f"{where} is damaged at '{place}': {first['msg']}", hint="run `aisle prepare` again", code="E201"
        ) from error
