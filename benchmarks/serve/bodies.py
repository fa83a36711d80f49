"""What the simulated shoppers of a benchmark ask: files with one JSON request a line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.index.vectors import CATEGORIES
from benchmarks.serve.made import Size

COUNT = 5_000  # different requests, drawn at random; so many that no cache of answers would help
K = 10


def by_user(size: Size, path: Path) -> Path:
    """Write requests by user id: the shopper's history of `size.history` events is the bundle's."""
    return _write(path, ({"user_id": user, "k": K} for user in _users(size)))


def by_history(size: Size, path: Path) -> Path:
    """Write requests that bring a history of `size.history` events along."""
    rng = np.random.default_rng(size.seed)

    def requests() -> Iterator[dict[str, Any]]:
        for _ in range(COUNT):
            items = rng.integers(size.items, size=size.history)
            yield {"history": [{"item_id": f"i{item:07}", "event": "view"} for item in items], "k": K}

    return _write(path, requests())


def filtered(size: Size, path: Path) -> Path:
    """Write requests by user id of which half filter: by one category, by price, by what is available, by 200 candidates."""
    rng = np.random.default_rng(size.seed)

    def filters(place: int) -> dict[str, Any]:
        kind = place % 8
        if kind == 0:
            return {"categories": [f"category-{rng.integers(CATEGORIES):02}"]}
        if kind == 1:
            return {"max_price": 20.0}
        if kind == 2:
            return {"available_only": True}
        if kind == 3:
            return {"candidates": [f"i{item:07}" for item in rng.integers(size.items, size=200)]}
        return {}

    return _write(path, ({"user_id": user, "k": K, **filters(place)} for place, user in enumerate(_users(size))))


def _users(size: Size) -> list[str]:
    return [f"u{user:07}" for user in np.random.default_rng(size.seed).integers(size.users, size=COUNT)]


def _write(path: Path, requests: Iterator[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(request) + "\n" for request in requests))
    return path
