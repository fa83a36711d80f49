"""The perfect model of a simulated shop: it reads the shoppers' true tastes instead of guessing them.

It knows every shopper's interests at a given time (they drift), how each taste weighs the items, the front page, what
is promoted, and what can be bought that day. It does not know what a shopper came for in the session under way, nor the
dice: its score is the probability that the shopper's next event is on the item. No model can rank better on average,
except by luck, or by knowing which session is under way.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from aisle.errors import AisleError
from aisle.simulate.appeal import STYLES
from aisle.simulate.browsing import SHARE_FRONT_PAGE, SHARE_PROMOTED_SHELF
from aisle.simulate.catalogue import Catalogue
from aisle.simulate.config import DAY_MS, ShopConfig
from aisle.simulate.funnel import expected_events_a_view
from aisle.simulate.tastes import share_after
from aisle.simulate.truth_files import FORMAT_VERSION, SHOP_NAME, TRUTH_NAME
from aisle.storage.arrays import read_array

UNKNOWN = -1


class TrueShop:
    """A scorer (see `recommend.scorer.Scorer`) that knows the truth.

    Shapes: B shoppers, V items of the dataset, N candidates, M items of the shop.

    Args:
        folder: what `simulate` wrote.
        user_ids: raw ids in the order of the dataset's user codes, such as "u0000123"; others are unknown shoppers.
        item_ids: raw ids in the order of the dataset's item codes; an item that is not this shop's scores -inf.
        time_us: when to take tastes, promotions and availability, microseconds since 1970 UTC.

    Raises:
        AisleError: E804 when the folder is no simulated shop, E203 when an array is damaged.

    Example:
        >>> truth = TrueShop(Path("shop"), ["u0000001"], ["i0000005", "i0000009"], time_us)  # doctest: +SKIP
        >>> truth.score(np.array([0]), known)                                              # doctest: +SKIP
    """

    def __init__(self, folder: Path, user_ids: Sequence[str], item_ids: Sequence[str], time_us: int) -> None:
        self._folder = Path(folder)
        self.config = _read_config(self._folder)
        self._user = _numbers(user_ids, "u", self.config.users)
        self._item = _numbers(item_ids, "i", self.config.items)
        self._day = (time_us - self.config.start_us) / (DAY_MS * 1000)
        self._tastes = {name: self._array(f"users.{name}") for name in ("before", "after", "weight", "switch")}
        self._category, self._style_VS, self._front_V, self._total, self._front_total = self._tables()

    def _array(self, name: str) -> NDArray[Any]:
        return read_array(self._folder / TRUTH_NAME / f"{name}.npy")

    def _tables(self) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], float]:
        """Work out, for the chosen day, how many events each niche and the front page bring to each item.

        Returns:
            Category of each dataset item (V,), events a view in each style of the item's own category (STYLES, V), of the
            front page (V,), and the sums over all the shop's items: by niche (niches,), of the front page.
        """
        catalogue = self._catalogue()
        items, categories = len(catalogue), self.config.n_categories
        category = catalogue.category.astype(np.int64)
        day = int(np.clip(np.floor(self._day), 0, self.config.days - 1))
        everything = np.arange(items)
        shown = catalogue.shown(everything, np.full(items, day))
        shelf, promoted = self._shelf(day, category)
        events = expected_events_a_view(catalogue, everything, promoted)
        has_shelf = np.bincount(category, weights=shelf, minlength=categories) > 0
        shelf_share = np.where(has_shelf, SHARE_PROMOTED_SHELF, 0.0)[category]
        style = np.empty((STYLES, items))
        for row, weight in enumerate(self._array("items.styles") * shown):
            chosen = weight / np.bincount(category, weights=weight, minlength=categories)[category]
            style[row] = (1 - SHARE_FRONT_PAGE) * ((1 - shelf_share) * chosen + shelf_share * shelf) * events
        front = catalogue.popularity * shown
        front = np.asarray(SHARE_FRONT_PAGE * front / front.sum() * events)
        total = np.empty((categories, STYLES))
        for row, events_M in enumerate(style):
            total[:, row] = np.bincount(category, weights=events_M, minlength=categories)
        mine = np.maximum(self._item, 0)
        return category[mine], style[:, mine], front[mine], total.reshape(-1), float(front.sum())

    def _catalogue(self) -> Catalogue:
        names = ("category", "popularity", "conversion", "first_day", "last_day")
        arrays = {name: np.asarray(self._array(f"items.{name}")) for name in names}
        nothing = np.zeros(0)
        return Catalogue(brand=nothing.astype(np.int16), price=nothing, level=nothing.astype(np.float32), **arrays)

    def _shelf(self, day: int, category: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return each item's share of its category's shelf of promoted items, and whether it is on it."""
        offsets = self._array("promotions.offsets")
        first, last = (int(offsets[place * self.config.n_categories]) for place in (day, day + 1))
        promoted = np.zeros(len(category), np.bool_)
        promoted[self._array("promotions.item")[first:last]] = True
        size = np.bincount(category, weights=promoted, minlength=self.config.n_categories)
        return np.where(promoted, 1 / np.maximum(size, 1)[category], 0.0), promoted

    def _interest(self, user_B: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return how likely each shopper's next visit belongs to each niche: (B, niches); unknown shoppers all 0."""
        row = self._rows(user_B)
        known = np.flatnonzero(row >= 0)
        theta = np.zeros((len(row), self.config.n_categories * STYLES))
        before, after, weight, switch = (np.asarray(self._tastes[n][row[known]]) for n in ("before", "after", "weight", "switch"))
        moved = share_after(switch, self._day)
        for k in range(weight.shape[1]):
            theta[known, before[:, k]] += weight[:, k] * (1 - moved[:, k])
            theta[known, after[:, k]] += weight[:, k] * moved[:, k]
        return theta

    def _rows(self, user_B: NDArray[np.int64]) -> NDArray[np.int64]:
        inside = (user_B >= 0) & (user_B < len(self._user))
        return np.where(inside, self._user[np.where(inside, user_B, 0)] if len(self._user) else UNKNOWN, UNKNOWN)

    def knows(self, user_B: NDArray[np.int64], known: object) -> NDArray[np.bool_]:
        """Say which shoppers are this shop's: (B,) bool."""
        return np.asarray(self._rows(user_B) >= 0)

    def score(self, user_B: NDArray[np.int64], known: object) -> NDArray[np.float32]:
        """Return the probability that each shopper's next event is on each item: (B, V) float32.

        An item that is not in the shop that day scores 0, one that is not this shop's -inf. A shopper who is not this
        shop's gets the front page.
        """
        # The same arithmetic in the same order as for candidates, so that both give the same bits.
        out = np.empty((len(user_B), len(self._item)), np.float32)
        theta = self._interest(user_B)
        scale = self._scale(theta)
        for category in np.unique(self._category):
            mine = np.flatnonzero(self._category == category)
            value = np.zeros((len(user_B), len(mine)))
            for style in range(STYLES):
                value += theta[:, category * STYLES + style, None] * self._style_VS[style, mine]
            out[:, mine] = (value + self._front_V[mine]) / scale[:, None]
        out[:, self._item < 0] = -np.inf
        return out

    def score_items(self, user_B: NDArray[np.int64], known: object, item_BN: NDArray[np.int64]) -> NDArray[np.float32]:
        """Score given items only: (B, N) item codes -> (B, N) float32, the same entries of `score`."""
        theta = self._interest(user_B)
        row = np.arange(len(user_B))[:, None]
        value = np.zeros(item_BN.shape)
        for style in range(STYLES):
            value += theta[row, self._category[item_BN] * STYLES + style] * self._style_VS[style, item_BN]
        score = (value + self._front_V[item_BN]) / self._scale(theta)[:, None]
        return np.where(self._item[item_BN] < 0, -np.inf, score).astype(np.float32)

    def _scale(self, theta: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the events that one view brings each shopper, over all items of the shop: (B,)."""
        total = np.full(len(theta), self._front_total)
        for niche in range(theta.shape[1]):
            total += theta[:, niche] * self._total[niche]
        return total

    def similar(self, item_B: NDArray[np.int64]) -> NDArray[np.float32]:
        """Score items by how likely a shopper who came for the given item's styles views them: (B,) -> (B, V) float32."""
        # Whom the given item suits does not depend on whether it can be bought today.
        style = np.asarray(self._array("items.styles")[:, np.maximum(self._item[item_B], 0)])
        share = style / style.sum(axis=0)
        same = self._category[item_B][:, None] == self._category[None]
        score = np.where(same, share.T @ self._style_VS, 0.0).astype(np.float32)
        score[:, self._item < 0] = -np.inf
        score[self._item[item_B] < 0] = -np.inf
        score[np.arange(len(item_B)), item_B] = -np.inf
        return score


def _numbers(ids: Sequence[str], letter: str, size: int) -> NDArray[np.int64]:
    """Return the shop's own number of each raw id, -1 where it is none of this shop's."""
    number = pl.Series(ids, dtype=pl.String).str.extract(f"^{letter}([0-9]{{7,9}})$").cast(pl.Int64)
    return number.set(number >= size, None).fill_null(UNKNOWN).to_numpy()


def _read_config(folder: Path) -> ShopConfig:
    path = folder / SHOP_NAME
    try:
        described = json.loads(path.read_text())
        if described["format_version"] == FORMAT_VERSION:
            return ShopConfig(**described["config"])
        problem = f"its format is {described['format_version']}, this aisle reads {FORMAT_VERSION}"
    except (OSError, ValueError, KeyError, TypeError) as error:
        problem = f"{path.name} cannot be read ({error})"
    raise AisleError(f"no simulated shop at {folder}: {problem}", hint="make one with `aisle simulate --out FOLDER`", code="E804")
