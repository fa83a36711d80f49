from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aisle.dataset.prepare import prepare
from aisle.dataset.reader import Dataset
from aisle.logs.recipe import load_log_recipe
from aisle.schema.events import Event

Prepare = Callable[..., Dataset]
SECOND_US = 1_000_000


@pytest.fixture
def prepared(tmp_path: Path) -> Prepare:
    """Prepare a log with a built-in recipe, as `aisle prepare LOG --recipe NAME` does."""

    def run(recipe: str, log: Path, **files: Any) -> Dataset:
        prepare([log], tmp_path / "dataset", recipe=load_log_recipe(recipe), max_rejects=1.0, **files)
        return Dataset(tmp_path / "dataset")

    return run


def rows(dataset: Dataset) -> list[tuple[Any, Any, str, int]]:
    """Every event in canonical order: raw user, raw item, event, time."""
    events = dataset.histories
    return [
        (dataset.users[user], dataset.items[item], Event(event).name, time)
        for user, item, event, time in zip(
            events.rows.tolist(), events.item.tolist(), events.event.tolist(), events.time.tolist(), strict=True
        )
    ]


def test_cases(dataset: Dataset) -> dict[Any, list[Any]]:
    """Raw user -> raw items of the explicit test file."""
    offsets, item = dataset.array("test.offsets"), dataset.array("test.item")
    return {
        dataset.users[user]: dataset.items.decode(item[offsets[place] : offsets[place + 1]])
        for place, user in enumerate(dataset.array("test.user").tolist())
    }


test_cases.__test__ = False  # type: ignore[attr-defined]
