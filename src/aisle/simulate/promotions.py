"""Promotions: some items are cheaper, and shown more, for some days."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aisle.simulate.catalogue import Catalogue

SHARE_PROMOTED = 0.03
SHORTEST_DAYS, LONGEST_DAYS = 3, 7
DISCOUNTS = (0.1, 0.15, 0.2, 0.3)


@dataclass(frozen=True)
class Promotions:
    """Which item is promoted on which day, as one row a (day, category, item), sorted.

    Attributes:
        offsets: (days * categories + 1,) int64; cell day * categories + category is the slice offsets[cell]:offsets[cell + 1].
        item: (P,) int32.
        discount: (P,) float32, 0.2 = a fifth off.
        key: (P,) int64, day * items + item, sorted copy of the pairs, to ask whether an item is promoted.
        discount_of_key: (P,) float32.
        n_items: items of the shop.
    """

    offsets: NDArray[np.int64]
    item: NDArray[np.int32]
    discount: NDArray[np.float32]
    key: NDArray[np.int64]
    discount_of_key: NDArray[np.float32]
    n_items: int

    def discounts(self, item: NDArray[np.integer], day: NDArray[np.integer]) -> NDArray[np.float32]:
        """Return the discount of items on days, elementwise; 0 where there is none."""
        if not len(self.key):
            return np.zeros(len(item), np.float32)
        wanted = day.astype(np.int64) * self.n_items + item
        place = np.minimum(np.searchsorted(self.key, wanted), len(self.key) - 1)
        return np.where(self.key[place] == wanted, self.discount_of_key[place], np.float32(0))


def make_promotions(catalogue: Catalogue, days: int, categories: int, rng: np.random.Generator) -> Promotions:
    """Draw promotions so that about 3% of the catalogue is promoted on any day."""
    items = len(catalogue)
    count = int(np.ceil(items * days * SHARE_PROMOTED / ((SHORTEST_DAYS + LONGEST_DAYS) / 2)))
    item = rng.integers(0, items, count)
    start = rng.integers(0, days, count)
    length = rng.integers(SHORTEST_DAYS, LONGEST_DAYS + 1, count)
    discount = np.array(DISCOUNTS, np.float32)[rng.integers(0, len(DISCOUNTS), count)]
    row = np.repeat(np.arange(count), length)
    day = np.repeat(start, length) + np.arange(len(row)) - np.repeat(np.cumsum(length) - length, length)
    keep = (day < days) & catalogue.shown(item[row], day)
    # Two promotions of one item on one day: the first drawn counts.
    key, first = np.unique(day[keep] * items + item[row][keep], return_index=True)
    discount = discount[row][keep][first]
    cell = (key // items) * categories + catalogue.category[key % items]
    order = np.argsort(cell, kind="stable")
    counts = np.bincount(cell, minlength=days * categories)
    return Promotions(
        offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        item=(key % items)[order].astype(np.int32),
        discount=discount[order],
        key=key,
        discount_of_key=discount,
        n_items=items,
    )
