"""Small logs with known datasets, for the tests of prepare."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from aisle.dataset.prepare import prepare
from aisle.dataset.reader import Dataset
from aisle.logs.recipe import LogRecipe, make_log_recipe
from aisle.schema.events import Event

START = 1_500_000_000

# bob's first event comes last in the file; ann has two events in one second, in no order.
LOG = pl.DataFrame(
    {
        "user_id": ["ann", "ann", "ann", "bob", "bob"],
        "item_id": ["mug", "tea", "cup", "tea", "mug"],
        "event": ["cart", "view", "view", "view", "purchase"],
        "timestamp": [START + 60, START, START + 60, START + 90, START + 30],
        "session_id": ["s9", "s4", "s9", "s4", "s1"],
    }
)


def dataset_of(log: Any, folder: Path, recipe: LogRecipe | dict[str, Any] | None = None, **options: Any) -> Dataset:
    """Prepare a log and open the result."""
    made = make_log_recipe(recipe, "test") if isinstance(recipe, dict) else recipe
    prepare(log, folder / "dataset", recipe=made, **options)
    return Dataset(folder / "dataset")


def history(dataset: Dataset, user: int | str) -> list[tuple[int | str, str, int]]:
    """Return a user's events for the eye: item, event name, seconds after START."""

    code = int(dataset.users.encode([user])[0])
    rows = slice(*dataset.histories.offsets[code : code + 2].tolist())
    block = dataset.histories
    return [
        (dataset.items[int(item)], Event(event).name, int(time) // 1_000_000 - START)
        for item, event, time in zip(block.item[rows], block.event[rows], block.time[rows], strict=True)
    ]
