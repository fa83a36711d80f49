"""What an evaluation may know about items and users besides the cases; all of it from before the questions."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from aisle.features.histories import Histories

DAY_US = 86_400 * 1_000_000


@dataclass(frozen=True)
class Ratings:
    """The ratings of the training part: the lowest, the highest, the mean."""

    low: float
    high: float
    mean: float


@dataclass(frozen=True)
class Facts:
    """V items, U users.

    Attributes:
        fallback: (V,) float32, the popularity that answers where the model cannot.
        item_events: (V,) int64 training events an item.
        user_events: (U,) int64 training events a user.
        category: (V,) int32, -1 missing, for diversity.
        price: (V,) float32, NaN missing, for revenue.
        segments: name -> (U,) text, the group of each user, "" where it is missing.
        ratings: what ratings look like, for rating prediction; None for a log without.
    """

    fallback: NDArray[np.float32]
    item_events: NDArray[np.int64]
    user_events: NDArray[np.int64]
    category: NDArray[np.int32] | None = None
    price: NDArray[np.float32] | None = None
    segments: dict[str, NDArray[np.str_]] = field(default_factory=dict)
    ratings: Ratings | None = None

    @classmethod
    def of(
        cls,
        train: Histories,
        n_items: int,
        *,
        category: NDArray[np.int32] | None = None,
        price: NDArray[np.float32] | None = None,
        segments: dict[str, NDArray[np.str_]] | None = None,
        ratings: Ratings | None = None,
    ) -> Facts:
        """Count training events; popularity is the number of training events of an item."""
        item_events = np.bincount(train.item, minlength=n_items).astype(np.int64)
        fallback = item_events.astype(np.float32)
        return cls(fallback, item_events, train.lengths, category, price, segments or {}, ratings)

    @property
    def n_items(self) -> int:
        """Size of the catalogue."""
        return len(self.fallback)


def recent_popularity(train: Histories, item_events: NDArray[np.int64], days: float) -> NDArray[np.float32]:
    """Count the events of the last days: (V,).

    Args:
        train: the training part.
        item_events: (V,) all of its events an item; items with equally many recent ones stand in this order.
        days: how far to look back from the last training event.
    """
    young_E = train.time > train.time.max(initial=0) - days * DAY_US
    recent_V = np.bincount(train.item[young_E], minlength=len(item_events))
    share_V = item_events / (item_events.max(initial=0) + 1)  # below 1: it decides between equals only
    popularity_V: NDArray[np.float32] = (recent_V + share_V).astype(np.float32)
    return popularity_V
