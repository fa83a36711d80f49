"""The circumstances of an event or a question, such as daytime and weather, as one row of codes."""

# E events of the dataset   C cases of the publisher's test   F context columns

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aisle.dataset import layout
from aisle.dataset.reader import Dataset
from aisle.schema.columns import OPTIONAL
from aisle.schema.manifest import Manifest


def context_columns(manifest: Manifest) -> list[str]:
    """Return the log's context columns that hold words; numbers have no codes and are left to those who read them."""
    return [name for name, kind in manifest.event_columns.items() if name not in OPTIONAL and kind == "category"]


def event_context(dataset: Dataset) -> NDArray[np.int32] | None:
    """Return the context of every event, -1 where a value is missing: (E, F); None for a log without any."""
    names = context_columns(dataset.manifest)
    return np.stack([dataset.array(layout.event_column(name)) for name in names], axis=1) if names else None


def test_context(dataset: Dataset) -> NDArray[np.int32] | None:
    """Return the context of every case of the publisher's test, -1 where it does not say: (C, F); None as above."""
    names = [layout.test_context(name) for name in context_columns(dataset.manifest)]
    missing = np.full(len(dataset.array(layout.TEST_USER)), -1, np.int32)
    columns = [np.array(dataset.array(name)) if name in dataset.manifest.arrays else missing for name in names]
    return np.stack(columns, axis=1) if names else None


def asks_in_context(dataset: Dataset) -> bool:
    """Say whether each line of the publisher's test asks in circumstances of its own."""
    return any(layout.test_context(name) in dataset.manifest.arrays for name in context_columns(dataset.manifest))


test_context.__test__ = False  # type: ignore[attr-defined]  # not a pytest test
