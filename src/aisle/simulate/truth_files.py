"""The true preferences as plain arrays, and the shop's description: what `simulate.truth` reads.

    items.category           (M,) int16            items.popularity    (M,) float64      items.conversion  (M,) float32
    items.first_day          (M,) int32            items.last_day      (M,) int32        items.styles      (STYLES, M) float64
    promotions.offsets       (days * categories + 1,) int64            promotions.item   (P,) int32
    promotions.discount      (P,) float32
    users.before, .after     (U, INTERESTS) int16  users.weight, .switch    (U, INTERESTS) float32

Row i belongs to the item "i<i>" or the shopper "u<i>". What each number means stands in `catalogue`, `promotions`,
`appeal` and `tastes`.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from aisle.simulate import words
from aisle.simulate.catalogue import numbered
from aisle.simulate.config import ShopConfig
from aisle.simulate.tastes import INTERESTS, Tastes
from aisle.simulate.world import World
from aisle.storage.arrays import ArrayWriter, write_array

SHOP_NAME = "shop.json"
TRUTH_NAME = "truth"
FORMAT_VERSION = 1
_USER_ARRAYS = {"before": "int16", "after": "int16", "weight": "float32", "switch": "float32"}


def describe(config: ShopConfig, files: tuple[str, ...]) -> dict[str, object]:
    """Return the content of `shop.json`."""
    return {"simulated": True, "format_version": FORMAT_VERSION, "config": config.as_dict(), "files": list(files)}


class TruthWriter:
    """Write the shop's truth at once and the shoppers' truth block by block.

    Args:
        folder: where, must exist.
        world: the shop.
    """

    def __init__(self, folder: Path, world: World) -> None:
        catalogue, promotions = world.catalogue, world.promotions
        arrays: dict[str, NDArray[Any]] = {
            "items.category": catalogue.category,
            "items.popularity": catalogue.popularity,
            "items.conversion": catalogue.conversion,
            "items.first_day": catalogue.first_day,
            "items.last_day": catalogue.last_day,
            "items.styles": world.styles,
            "promotions.offsets": promotions.offsets,
            "promotions.item": promotions.item,
            "promotions.discount": promotions.discount,
        }
        for name, values in arrays.items():
            write_array(folder / f"{name}.npy", values)
        self._folder = folder
        self._stack = ExitStack()
        self._segments: list[NDArray[np.uint8]] = []
        self._countries: list[NDArray[np.uint8]] = []

    def __enter__(self) -> Self:
        self._writers = {
            name: self._stack.enter_context(ArrayWriter(self._folder / f"users.{name}.npy", np.dtype(dtype), INTERESTS))
            for name, dtype in _USER_ARRAYS.items()
        }
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stack.__exit__(kind, error, trace)

    def append(self, tastes: Tastes) -> None:
        """Add the next block of shoppers."""
        for name, writer in self._writers.items():
            writer.append(getattr(tastes, name))
        self._segments.append(tastes.segment)
        self._countries.append(tastes.country)

    def users_frame(self) -> pl.DataFrame:
        """Return the users table: what the shop knows about its shoppers, which is not what they like."""
        segment, country = np.concatenate(self._segments), np.concatenate(self._countries)
        return pl.DataFrame(
            {
                "user_id": numbered("u", 0, len(segment)),
                "segment": pl.Series(words.SEGMENTS).gather(segment),
                "country": pl.Series(words.COUNTRIES).gather(country),
            }
        )
