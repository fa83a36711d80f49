"""Small prepared datasets, written as `aisle prepare` lays them out, so that a split is tested on what it will read."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from aisle.dataset import layout
from aisle.dataset.reader import Dataset
from aisle.schema.events import Event
from aisle.schema.manifest import MANIFEST_NAME, Manifest, RowCounts
from aisle.storage.arrays import write_array

Row = tuple[int, int, int] | tuple[int, int, int, Event]


def dataset_of(
    folder: Path,
    rows: Iterable[Row],
    *,
    users: int,
    items: int,
    time_kind: Literal["timestamp", "order"] = "timestamp",
    test: dict[str, NDArray[Any]] | None = None,
) -> Dataset:
    """Write rows of (user, item, time[, event]) as a dataset and open it; events are purchases unless said otherwise."""
    full = sorted((row[0], row[2], row[1], row[3] if len(row) == 4 else Event.purchase) for row in rows)
    table = np.array(full, np.int64).reshape(-1, 4)
    arrays: dict[str, NDArray[Any]] = {
        layout.USER_ID: np.arange(users, dtype=np.int64),
        layout.ITEM_ID: np.arange(items, dtype=np.int64),
        layout.OFFSETS: np.searchsorted(table[:, 0], np.arange(users + 1)).astype(np.int64),
        layout.ITEM: table[:, 2].astype(np.int32),
        layout.EVENT: table[:, 3].astype(np.uint8),
        layout.TIME: table[:, 1].copy(),
        **(test or {}),
    }
    folder.mkdir(parents=True, exist_ok=True)
    infos = {name: write_array(folder / f"{name}.npy", array) for name, array in arrays.items()}
    manifest = Manifest(
        aisle_version="0", created="", time_kind=time_kind, time_min=0, time_max=0, users=users, items=items,
        events=len(table), events_by_kind={}, user_id_type="int", item_id_type="int", mapping={}, recipe={}, sources=(),
        rows=RowCounts(read=len(table), kept=len(table), rejected=0, filtered=0), rejects={}, filters={},
        event_columns={}, item_features={}, user_features={}, arrays=infos, content_hash="",
    )  # fmt: skip
    (folder / MANIFEST_NAME).write_text(manifest.model_dump_json())
    return Dataset(folder)
