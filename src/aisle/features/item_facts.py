"""What a training part and the catalogue say about each item: how wanted, how new, how dear, what kind. NumPy only."""

# V items of the catalogue   E training events

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from aisle.features.histories import Histories
from aisle.features.pairs import pairs
from aisle.schema.events import Event

DAY_US = 86_400 * 1_000_000
RECENT_DAYS = 7.0
RECENT_SHARE = 0.1  # for a log that has only an order: the latest share of each shopper's events
_STRONG = (Event.favourite, Event.cart, Event.purchase)


@dataclass(frozen=True)
class ItemFacts:
    """V items. Every number comes from events before the questions, or from the catalogue.

    Attributes:
        events: (V,) float32 training events.
        recent: (V,) float32 those of the last week (of a log that has only an order: among each shopper's latest tenth).
        strong: (V,) float32 favourites, carts and purchases among the events.
        again: (V,) float32 those by a shopper who had met the item before.
        age_days: (V,) float32 from the first training event to the last of the whole log, NaN without events or times.
        price: (V,) float32, NaN where missing.
        category: (V,) int32, -1 where missing.
        brand: (V,) int32, -1 where missing.
        end: (1,) int64 time of the last training event; 0 for a log that has only an order.
    """

    events: NDArray[np.float32]
    recent: NDArray[np.float32]
    strong: NDArray[np.float32]
    again: NDArray[np.float32]
    age_days: NDArray[np.float32]
    price: NDArray[np.float32]
    category: NDArray[np.int32]
    brand: NDArray[np.int32]
    end: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.events)

    @property
    def has_times(self) -> bool:
        """Whether times are moments; an order compares events of one shopper only."""
        return bool(self.end[0] > 0)

    @cached_property
    def log_price(self) -> NDArray[np.float32]:
        """(V,) NaN where there is none, or nothing to pay."""
        return np.log(self.price, where=self.price > 0, out=np.full_like(self.price, np.nan))

    @cached_property
    def columns(self) -> tuple[NDArray[np.float32], ...]:
        """What says something by itself, (V,) each: how wanted, rising or not, how many act, and again, age, price.

        Counts are relative to the mean item, so that a longer training part does not shift them.
        """
        events, recent = self.events, self.recent
        popular_V = np.log((events + 1) / (events.mean() + 1))
        trend_V = np.log((recent + 1) / (recent.mean() + 1)) - popular_V
        strong_V, again_V = (self.strong + 1) / (events + 4), (self.again + 1) / (events + 4)
        return popular_V, trend_V, strong_V, again_V, self.age_days, self.log_price

    @classmethod
    def of(
        cls,
        train: Histories,
        n_items: int,
        *,
        time_kind: Literal["timestamp", "order"],
        price: NDArray[np.floating[Any]] | None = None,
        category: NDArray[np.integer] | None = None,
        brand: NDArray[np.integer] | None = None,
    ) -> ItemFacts:
        """Count a training part.

        Args:
            train: what may be learned from.
            n_items: V.
            time_kind: what `train.time` means, as in the dataset's manifest.
            price: (V,) of the catalogue, NaN where missing; None where it has no such column.
            category: (V,) codes, -1 where missing.
            brand: (V,) codes, -1 where missing.
        """
        timed = time_kind == "timestamp" and len(train.item) > 0
        end = int(train.time.max()) if timed else 0
        age_days = np.full(n_items, np.nan, np.float32)
        if timed:
            first_V = np.full(n_items, end, np.int64)
            np.minimum.at(first_V, train.item, train.time)
            seen_V = np.bincount(train.item, minlength=n_items) > 0
            age_days[seen_V] = (end - first_V[seen_V]) / DAY_US
        nothing = np.full(n_items, -1, np.int32)
        return cls(
            events=_count(train.item, n_items),
            recent=_count(train.item[_is_recent(train, end)], n_items),
            strong=_count(train.item[np.isin(train.event, _STRONG)], n_items),
            again=_count(train.item, n_items) - _count(pairs(train, n_items) % max(n_items, 1), n_items),
            age_days=age_days,
            price=np.full(n_items, np.nan, np.float32) if price is None else np.asarray(price, np.float32),
            category=nothing if category is None else np.asarray(category, np.int32),
            brand=nothing if brand is None else np.asarray(brand, np.int32),
            end=np.array([end], np.int64),
        )

    @classmethod
    def from_state(cls, state: Mapping[str, NDArray[Any]]) -> ItemFacts:
        """Rebuild from what `state` returned."""
        return cls(**{field.name: state[field.name] for field in fields(cls)})

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the arrays by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def _count(item: NDArray[np.integer], n_items: int) -> NDArray[np.float32]:
    return np.bincount(item, minlength=n_items).astype(np.float32)


def _is_recent(train: Histories, end: int) -> NDArray[np.bool_]:
    if end:
        recent: NDArray[np.bool_] = train.time > end - int(RECENT_DAYS * DAY_US)
        return recent
    length_E = np.repeat(train.lengths, train.lengths)
    later_E = np.repeat(train.offsets[1:], train.lengths) - np.arange(len(train.item)) - 1
    return np.asarray(later_E < RECENT_SHARE * length_E)
