"""What the shop sells: categories, brands, prices, titles, how popular each item is, and when it can be bought."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from aisle.simulate import words
from aisle.simulate.config import ID_DIGITS, ShopConfig

BRANDS_A_CATEGORY = 8
BRAND_GROUPS = 2
POPULARITY_EXPONENT = 0.7
CATEGORY_EXPONENT = 0.5
SHARE_FROM_THE_START = 0.8
SHARE_RETIRED = 0.05
CONVERSION_SPREAD = 0.35
PRICE_LEVEL_EDGES = (-0.8, 0.8)


@dataclass(frozen=True)
class Catalogue:
    """M items in the order of their ids.

    Attributes:
        category: (M,) int16.
        brand: (M,) int16, place within the category's eight brands.
        price: (M,) float64, two decimals.
        level: (M,) float32, standardised log price within the category: -1 is cheap, 1 is dear.
        popularity: (M,) float64, Zipf-like within the category times the category's share, sum 1.
        conversion: (M,) float32, how many times likelier than usual a view ends in the cart; about 1.
        first_day, last_day: (M,) int32; shown on days first_day <= d < last_day. Negative = before the log begins.
    """

    category: NDArray[np.int16]
    brand: NDArray[np.int16]
    price: NDArray[np.float64]
    level: NDArray[np.float32]
    popularity: NDArray[np.float64]
    conversion: NDArray[np.float32]
    first_day: NDArray[np.int32]
    last_day: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.category)

    def shown(self, item: NDArray[np.integer], day: NDArray[np.integer]) -> NDArray[np.bool_]:
        """Say whether items can be seen on given days, elementwise."""
        return np.asarray((self.first_day[item] <= day) & (day < self.last_day[item]))


def make_catalogue(config: ShopConfig, rng: np.random.Generator) -> Catalogue:
    """Make the items of a shop."""
    categories, items = config.n_categories, config.items
    share = 1.0 / np.arange(1, categories + 1, dtype=np.float64) ** CATEGORY_EXPONENT
    share = rng.permutation(share / share.sum())
    # Every category gets its anchor first: the item that is there on every day.
    category = np.concatenate([np.arange(categories), rng.choice(categories, items - categories, p=share)]).astype(np.int16)
    anchor = np.arange(items) < categories
    order = rng.permutation(items)
    category, anchor = category[order], anchor[order]
    level = rng.normal(size=items).astype(np.float32)
    typical = np.array([price for price, _ in words.CATEGORIES.values()])[category]
    first_day, last_day = _days(config, anchor, rng)
    return Catalogue(
        category=category,
        brand=_zipf_choice(BRANDS_A_CATEGORY, items, rng),
        price=np.maximum(np.round(typical * np.exp(0.5 * level)) - 0.01, 0.99).round(2),
        level=level,
        popularity=_popularity(category, anchor, share, rng),
        conversion=np.exp(CONVERSION_SPREAD * rng.normal(size=items) - 0.15 * level).astype(np.float32),
        first_day=first_day,
        last_day=last_day,
    )


def _zipf_choice(choices: int, size: int, rng: np.random.Generator) -> NDArray[np.int16]:
    weight = 1.0 / np.arange(1, choices + 1) ** 0.5
    return rng.choice(choices, size, p=weight / weight.sum()).astype(np.int16)


def _popularity(
    category: NDArray[np.int16], anchor: NDArray[np.bool_], share: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Give the items of a category the weights 1, 2^-a, 3^-a, ... in random order, the anchor among the first."""
    luck = rng.random(len(category))
    luck[anchor] *= 0.02
    by_category = np.lexsort((luck, category))
    counts = np.bincount(category, minlength=len(share))
    rank = np.arange(len(category)) - np.repeat(np.cumsum(counts) - counts, counts)
    weight = np.empty(len(category))
    weight[by_category] = 1.0 / (rank + 1.0) ** POPULARITY_EXPONENT
    total = np.bincount(category, weights=weight, minlength=len(share))
    return np.asarray(weight / total[category] * share[category])


def _days(config: ShopConfig, anchor: NDArray[np.bool_], rng: np.random.Generator) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Draw when each item appears and disappears; anchors are always there, so that no category is ever empty."""
    items = len(anchor)
    old = (rng.random(items) < SHARE_FROM_THE_START) | anchor
    first = np.where(old, -rng.integers(0, 365, items), rng.integers(1, config.days, items))
    retires = (rng.random(items) < SHARE_RETIRED) & old & ~anchor
    last = np.where(retires, rng.integers(1, config.days + 1, items), np.iinfo(np.int32).max)
    return first.astype(np.int32), last.astype(np.int32)


def brand_names(config: ShopConfig, rng: np.random.Generator) -> list[str]:
    """Return the names of all brands: category c, brand b is entry c * 8 + b."""
    names = [start + end for start in words.BRAND_STARTS for end in words.BRAND_ENDS]
    chosen = rng.permutation(len(names))[: config.n_categories * BRANDS_A_CATEGORY]
    return [names[index] for index in chosen]


def catalogue_frame(config: ShopConfig, catalogue: Catalogue, rng: np.random.Generator) -> pl.DataFrame:
    """Return the catalogue as a shop would export it: one row an item."""
    size = len(catalogue)
    brands = brand_names(config, rng)
    brand = catalogue.category.astype(np.int64) * BRANDS_A_CATEGORY + catalogue.brand
    nouns = [noun for _, group in words.CATEGORIES.values() for noun in group]
    noun = catalogue.category.astype(np.int64) * 8 + rng.integers(0, 8, size)
    adjectives = [word for group in words.ADJECTIVES for word in group]
    tier = np.digitize(catalogue.level, PRICE_LEVEL_EDGES)
    lengths = np.array([len(group) for group in words.ADJECTIVES])
    starts = np.cumsum(lengths) - lengths
    adjective = starts[tier] + (rng.random(size) * lengths[tier]).astype(np.int64)
    colour = rng.integers(0, len(words.COLOURS), size)
    first = date.fromisoformat(config.start)
    return pl.DataFrame(
        {
            "item_id": numbered("i", 0, size),
            "brand": _gather(brands, brand),
            "adjective": _gather(adjectives, adjective),
            "noun": _gather(nouns, noun),
            "colour": _gather(words.COLOURS, colour),
            "category": _gather(tuple(words.CATEGORIES), catalogue.category),
            "price": catalogue.price,
            "available": catalogue.last_day >= config.days,
            "first_seen": _gather_days(first, catalogue.first_day),
        }
    ).select(
        "item_id",
        pl.format("{} {} {}, {}", "brand", "adjective", "noun", "colour").alias("title"),
        "category",
        "brand",
        "price",
        "available",
        "first_seen",
    )


def _gather(names: list[str] | tuple[str, ...], index: NDArray[np.integer]) -> pl.Series:
    return pl.Series(names, dtype=pl.String).gather(index.astype(np.int64))


def _gather_days(first: date, day: NDArray[np.int32]) -> pl.Series:
    epoch_day = (first - date(1970, 1, 1)) // timedelta(days=1)
    return pl.Series(day + np.int32(epoch_day)).cast(pl.Date)


def numbered(letter: str, start: int, stop: int) -> pl.Series:
    """Return the raw ids start..stop - 1, such as "u0000123"."""
    digits = pl.int_range(start, stop, dtype=pl.Int64, eager=True).cast(pl.String).str.zfill(ID_DIGITS)
    return (letter + digits).alias("id")
