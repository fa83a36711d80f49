"""What may stand in a list, whatever the model thinks: not bought, available, at a price, not too much of one kind.

Rules hold for what the model names and for what fills short lists alike, and say how much they took away.
"""

# B shoppers   V items of the catalogue   N items of the pool   K places in a list   W places before the cap

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from aisle.errors import AisleError, did_you_mean
from aisle.features.histories import Histories, together
from aisle.recommend.lists import Lists
from aisle.recommend.seen import is_seen
from aisle.recommend.topk import NOTHING
from aisle.schema.events import Event

ALL = slice(None)  # every shopper of a question
Counts = dict[str, NDArray[np.int64]]
_WIDER = 5  # times the length of a list are looked at first for one with a cap
_Number = TypeVar("_Number", np.float32, np.int32)


@dataclass(frozen=True)
class Rules:
    """What a shop allows in a list.

    Attributes:
        exclude_events: kinds of event after which an item is not recommended to that shopper again, such as ["purchase"].
        available_only: leave out items whose `available` is 0 in the catalogue; where it is missing an item stays.
        min_price: leave out what is cheaper, or has no price.
        max_price: leave out what is dearer, or has no price.
        max_per_category: at most so many items of one category in a list; items without a category are not counted.
    """

    exclude_events: tuple[str, ...] = ()
    available_only: bool = False
    min_price: float | None = None
    max_price: float | None = None
    max_per_category: int | None = None

    def __post_init__(self) -> None:
        for name in self.exclude_events:
            if name not in Event.__members__:
                hint = did_you_mean(name, Event.__members__)
                raise AisleError(f"no kind of event is called '{name}'", hint=hint, code="E253")
        low, high = self.min_price, self.max_price
        if (low is not None and high is not None and low > high) or (
            self.max_per_category is not None and self.max_per_category < 1
        ):
            raise AisleError(
                f"rules that leave nothing: min_price {low}, max_price {high}, max_per_category {self.max_per_category}",
                hint="let min_price be at most max_price, and max_per_category 1 or more",
                code="E372",
            )

    @property
    def any(self) -> bool:
        """Whether anything is ruled at all."""
        return self != Rules()


@dataclass(frozen=True)
class Shelf:
    """What rules look at of V items; None where the catalogue has no such column.

    Attributes:
        available: (V,) float32, 0 = cannot be bought, NaN missing.
        price: (V,) float32, NaN missing.
        category: (V,) int32, -1 missing.
    """

    available: NDArray[np.float32] | None = None
    price: NDArray[np.float32] | None = None
    category: NDArray[np.int32] | None = None


class Make(Protocol):
    """Makes filled-up lists for the shoppers of a question."""

    def __call__(self, places: int, rows: slice = ALL, open_N: NDArray[np.bool_] | None = None, /) -> Lists:
        """Return lists of so many places.

        Args:
            places: how many; lists are shorter where there is nothing more.
            rows: whose lists.
            open_N: (N,) the only items of the pool that may stand in them; None = all.
        """


@dataclass(frozen=True)
class Gate:
    """Rules made ready for the requests of B shoppers.

    Attributes:
        closed: rule -> (V,) bool, items that nobody gets.
        taken: B histories of the items that each shopper does not get; None = none.
        category: (V,) int32, -1 missing; None without a cap.
        cap: most items of one category in a list; None = any number.
    """

    closed: dict[str, NDArray[np.bool_]] = field(default_factory=dict)
    taken: Histories | None = None
    category: NDArray[np.int32] | None = None
    cap: int | None = None

    @classmethod
    def of(cls, rules: Rules, shelf: Shelf, known: Histories) -> Gate:
        """Make rules ready.

        Args:
            rules: what is allowed.
            shelf: the items.
            known: B histories with every kind of event that the rules name.

        Raises:
            AisleError: E373 when a rule needs a column that the catalogue lacks.
        """
        closed = {}
        if rules.available_only:
            closed["unavailable"] = _need(shelf.available, "available_only", "available") == 0
        if rules.min_price is not None or rules.max_price is not None:
            price_V = _need(shelf.price, "min_price and max_price", "price")
            low, high = rules.min_price or 0.0, np.inf if rules.max_price is None else rules.max_price
            closed["price"] = ~((price_V >= low) & (price_V <= high))  # a missing price is within nothing
        taken = None
        if rules.exclude_events:
            taken = known.where(np.isin(known.event, [Event[name] for name in rules.exclude_events]))
        category = None
        if rules.max_per_category is not None:
            category = _need(shelf.category, "max_per_category", "category")
        return cls(closed, taken, category, rules.max_per_category)

    def take(self, rows: NDArray[np.int64]) -> Gate:
        """Return the same for some of the shoppers."""
        return Gate(self.closed, None if self.taken is None else self.taken.take(rows), self.category, self.cap)

    def strike(self, score_BN: NDArray[np.float32], pool_N: NDArray[np.int64], n_items: int) -> Counts:
        """Take what is not allowed out of the scores, in place.

        Returns:
            Rule -> (B,) how many items with a score it took; an item that two rules forbid counts for the first.
        """
        counts: Counts = {}
        if self.taken is not None:
            struck_BN = is_seen(np.broadcast_to(pool_N, score_BN.shape), self.taken, n_items)
            counts["exclude_events"] = np.count_nonzero(struck_BN & (score_BN > -np.inf), axis=1)
            score_BN[struck_BN] = -np.inf
        for name, closed_V in self.closed.items():
            struck_N = closed_V[pool_N]
            counts[name] = np.count_nonzero(score_BN[:, struck_N] > -np.inf, axis=1)
            score_BN[:, struck_N] = -np.inf
        return counts

    def fallback(self, fallback_V: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return popularity without the items that nobody gets: (V,)."""
        open_V = fallback_V.astype(np.float32)
        for closed_V in self.closed.values():
            open_V[closed_V] = -np.inf
        return open_V

    def left_out(self, seen: Histories | None) -> Histories | None:
        """Return what no shopper's list may be filled with: what is seen, and what the rules take from that shopper."""
        if seen is None or self.taken is None:
            return self.taken if seen is None else seen
        return together(seen, self.taken)

    def capped(self, make: Make, k: int, pool_N: NDArray[np.int64]) -> tuple[Lists, Counts]:
        """Return lists of k places with at most `cap` of a category: the best that are allowed, in their order.

        Items of a category that has its `cap` are not looked at again, and no more is asked for once nothing of the others is
        left; so what is looked at does not grow with the catalogue where a few categories hold most of it.

        Args:
            make: makes the lists that are cut down.
            k: places of a list.
            pool_N: (N,) the item codes that places stand for.

        Returns:
            The lists; and how many of each shopper's 5 k best items were passed over before the list was complete.
        """
        if self.cap is None or self.category is None:
            return make(k), {}
        category_N, width = self.category[pool_N], min(len(pool_N), _WIDER * k)
        lists = make(width)
        capped, passed_B = cap_lists(lists, category_N, self.cap, k)
        unfinished_B = (capped.place == NOTHING).any(axis=1) & (lists.place != NOTHING).all(axis=1)
        for row in np.flatnonzero(unfinished_B).tolist() if width < len(pool_N) else ():
            self._further(make, category_N, capped, row, width)
        return capped, {"max_per_category": passed_B}

    def _further(self, make: Make, category_N: NDArray[np.int32], capped: Lists, row: int, width: int) -> None:
        """Look on for one list that the first `width` items have not completed, in place."""
        assert self.cap is not None
        one, k = slice(row, row + 1), capped.place.shape[1]
        while True:
            kept = capped.place[row][capped.place[row] != NOTHING]
            code, count = np.unique(category_N[kept], return_counts=True)
            open_N = ~np.isin(category_N, code[(count >= self.cap) & (code >= 0)])
            open_N[kept] = True
            n_open = int(np.count_nonzero(open_N))
            if n_open == len(kept):
                return
            width = min(4 * width, n_open)
            lists = make(width, one, open_N)
            found, _ = cap_lists(lists, category_N, self.cap, k)
            for name in ("place", "score", "from_model"):
                getattr(capped, name)[row, : found.place.shape[1]] = getattr(found, name)[0]
            if width == n_open or (found.place != NOTHING).all() or (lists.place == NOTHING).any():
                return


def open_to_all(gate: Gate, allowed_V: NDArray[np.bool_] | None = None) -> NDArray[np.bool_] | None:
    """Return which of the allowed items the rules close to nobody: (V,) bool; None = everything."""
    for closed_V in gate.closed.values():
        allowed_V = ~closed_V if allowed_V is None else allowed_V & ~closed_V
    return allowed_V


def cap_lists(lists: Lists, category_N: NDArray[np.int32], cap: int, k: int) -> tuple[Lists, NDArray[np.int64]]:
    """Keep the first `cap` items of each category, then the first k of what is left.

    Args:
        lists: of W places, best first, empty places at the end.
        category_N: (N,) category of each item of the pool; -1, missing, is never too much.
        cap: most of a category.
        k: places of a list.

    Returns:
        Lists of k places (fewer where W is smaller); and how many items were passed over before a list was complete: (B,).
    """
    category_BW = np.where(lists.place == NOTHING, -1, category_N[lists.place])
    keep_BW = (lists.place != NOTHING) & ((category_BW < 0) | (_earlier_alike(category_BW) < cap))
    needed_BW = np.cumsum(keep_BW, axis=1) - keep_BW < k  # places that are looked at until the list is complete
    passed_B = np.count_nonzero(needed_BW & ~keep_BW & (lists.place != NOTHING), axis=1)
    order_BK = np.argsort(~keep_BW, axis=1, kind="stable")[:, :k]
    kept_BK = np.take_along_axis(keep_BW, order_BK, axis=1)
    place = np.take_along_axis(lists.place, order_BK, axis=1)
    score = np.take_along_axis(lists.score, order_BK, axis=1)
    from_model = np.take_along_axis(lists.from_model, order_BK, axis=1)
    place[~kept_BK], score[~kept_BK] = NOTHING, -np.inf
    return Lists(place, score, from_model), passed_B


def _earlier_alike(category_BW: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return how many earlier places of the row have the same category: (B, W)."""
    order_BW = np.argsort(category_BW, axis=1, kind="stable")
    sorted_BW = np.take_along_axis(category_BW, order_BW, axis=1)
    place_BW = np.broadcast_to(np.arange(category_BW.shape[1]), category_BW.shape)
    starts_BW = np.ones(category_BW.shape, np.bool_)
    starts_BW[:, 1:] = sorted_BW[:, 1:] != sorted_BW[:, :-1]
    first_BW = np.maximum.accumulate(np.where(starts_BW, place_BW, 0), axis=1)
    alike_BW = np.empty(category_BW.shape, np.int64)
    np.put_along_axis(alike_BW, order_BW, place_BW - first_BW, axis=1)
    return alike_BW


def _need(column: NDArray[_Number] | None, rule: str, name: str) -> NDArray[_Number]:
    if column is None:
        raise AisleError(
            f"the rule {rule} needs the catalogue column '{name}', which this model's catalogue lacks",
            hint=f"leave the rule out, or prepare the log with a catalogue (--items) that has '{name}', and train again",
            code="E373",
        )
    return column
