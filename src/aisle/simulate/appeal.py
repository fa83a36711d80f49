"""How much each style of taste likes each item, and a sampler that draws items accordingly.

A style is a preferred price level and a preferred half of each category's brands. A niche is one style in one category;
niche number = category * STYLES + style. The front page shows every category's popular items to everybody.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aisle.simulate.catalogue import BRAND_GROUPS, Catalogue

PRICE_LEVELS = (-1.0, 0.0, 1.0)
STYLES = len(PRICE_LEVELS) * BRAND_GROUPS
PRICE_FOCUS = 1.1
BRAND_FOCUS = 2.0
FRONT_PAGE = -1


def style_weights(catalogue: Catalogue) -> NDArray[np.float64]:
    """Return how likely each style looks at each item of a category, sum 1 a category: (STYLES, M)."""
    weights = np.empty((STYLES, len(catalogue)))
    for style in range(STYLES):
        level, group = PRICE_LEVELS[style // BRAND_GROUPS], style % BRAND_GROUPS
        distance = (np.clip(catalogue.level, -2, 2) - level) ** 2
        liked = catalogue.brand % BRAND_GROUPS == group
        weight = catalogue.popularity * np.exp(-PRICE_FOCUS * distance + BRAND_FOCUS * liked)
        total = np.bincount(catalogue.category, weights=weight)
        weights[style] = weight / total[catalogue.category]
    return weights


@dataclass(frozen=True)
class ItemSampler:
    """Draws items of a niche, or of the front page, with one binary search a draw.

    Attributes:
        item_at: (M,) int32, the items sorted by category.
        cumulative: ((STYLES + 1) * M,) float64, running total over the styles' weights in that order, the front page last.
        first, last: (niches,) int64, where each niche lies in `cumulative`.
    """

    item_at: NDArray[np.int32]
    cumulative: NDArray[np.float64]
    first: NDArray[np.int64]
    last: NDArray[np.int64]

    def draw(self, niche: NDArray[np.integer], rng: np.random.Generator) -> NDArray[np.int32]:
        """Draw one item for each niche: (N,) niche numbers or FRONT_PAGE -> (N,) items, available or not."""
        size = len(self.item_at)
        front = niche == FRONT_PAGE
        first = np.where(front, STYLES * size, self.first[niche])
        last = np.where(front, (STYLES + 1) * size, self.last[niche])
        low = np.where(first > 0, self.cumulative[first - 1], 0.0)
        target = low + rng.random(len(niche)) * (self.cumulative[last - 1] - low)
        place = np.searchsorted(self.cumulative, target, side="right")
        # Rounding at the edges may step one place outside the niche.
        return np.asarray(self.item_at[np.clip(place, first, last - 1) % size])


def make_sampler(catalogue: Catalogue, weights: NDArray[np.float64]) -> ItemSampler:
    """Prepare the sampler for a catalogue and its style weights (STYLES, M)."""
    size = len(catalogue)
    item_at = np.argsort(catalogue.category, kind="stable").astype(np.int32)
    rows = np.concatenate([weights[:, item_at], catalogue.popularity[item_at][None]])
    counts = np.bincount(catalogue.category)
    ends = np.cumsum(counts)
    shift = np.arange(STYLES) * size
    return ItemSampler(
        item_at=item_at,
        cumulative=np.cumsum(rows.reshape(-1)),
        first=((ends - counts)[:, None] + shift).reshape(-1),
        last=(ends[:, None] + shift).reshape(-1),
    )
