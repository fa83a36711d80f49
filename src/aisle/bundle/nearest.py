"""Lists of a model of vectors through its index: the same lists that scoring the whole catalogue gives, for the cost of few.

With an exact index they are the same by construction; with an approximate one up to its recall.
"""

# B shoppers   M of them whom the model knows   R lists with empty places   D width   V items   N open ones   P popular ones
# K places in a list

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from aisle.bundle.index_config import Index
from aisle.bundle.scorer_vectors import Asker
from aisle.features.histories import Histories
from aisle.features.pairs import contains, of_rows, pairs
from aisle.recommend.knowledge import Knowledge, Shoppers, Told, place_items
from aisle.recommend.lists import Lists
from aisle.recommend.reasons import explain
from aisle.recommend.recommender import Recommendations
from aisle.recommend.rules import ALL, Rules, open_to_all
from aisle.recommend.scorer import Scorer
from aisle.recommend.topk import NOTHING


class Vectors(Scorer, Protocol):
    """A scorer whose score is the inner product of a shopper's vector and an item's, and maybe a constant a shopper."""

    @property
    def asker(self) -> Asker:
        """Makes the shoppers' vectors."""


@dataclass(frozen=True)
class Asked:
    """What some of the shoppers ask for.

    Attributes:
        k: list length.
        filter_seen: leave out what is no news.
        allowed_V: (V,) bool, the only items that may be recommended; None = the whole catalogue.
        rules: of these questions; None = the shop's own.
        rows: (R,) whose question it is, ascending; None = everybody's.
    """

    k: int = 10
    filter_seen: bool = True
    allowed_V: NDArray[np.bool_] | None = None  # noqa: N815 - shape letter
    rules: Rules | None = None
    rows: NDArray[np.int64] | None = None


@dataclass(frozen=True)
class Nearest:
    """A model of vectors with its index.

    Attributes:
        scorer: the model.
        index: over its items.
        popular_P: (P,) int64 items that may be recommended as popular ones, the most popular first.
        rank_V: (V,) int32 the place of each item among them; P for one that is not.
    """

    scorer: Vectors
    index: Index
    popular_P: NDArray[np.int64]  # noqa: N815 - shape letters
    rank_V: NDArray[np.int32]  # noqa: N815

    @classmethod
    def of(cls, scorer: Vectors, index: Index, fallback_V: NDArray[np.float32]) -> Nearest:
        """Put the popular items in order; equal ones by item code.

        Args:
            scorer: the model.
            index: over its items.
            fallback_V: popularity, -inf for what is never recommended.
        """
        order = np.argsort(-fallback_V, kind="stable")
        popular_P = order[fallback_V[order] > -np.inf]
        return cls(scorer, index, popular_P, _ranks(popular_P, len(fallback_V)))

    def grown(self, scorer: Vectors, index: Index, n_items: int, fallback_V: NDArray[np.float32]) -> Nearest:
        """Return the same for more items; those that came later have popularity 0.

        Args:
            scorer: over all items.
            index: the same.
            n_items: how many there are now.
            fallback_V: popularity of the items that there were.
        """
        at = bisect_right(self.popular_P, 0.0, key=lambda item: -fallback_V[item])  # behind known ones that are as popular
        later = np.arange(len(self.rank_V), n_items)
        popular_P = np.concatenate([self.popular_P[:at], later, self.popular_P[at:]])
        return Nearest(scorer, index, popular_P, _ranks(popular_P, n_items))

    def most_popular(self, count: int, open_V: NDArray[np.bool_] | None) -> NDArray[np.int64]:
        """Return the most popular of the open items, at most so many; the work is that of what is open, or of `count`.

        Args:
            count: how many.
            open_V: (V,) which items; None = all.
        """
        if open_V is None:
            return self.popular_P[:count]
        n_open = int(np.count_nonzero(open_V))
        reach = 2 * count * len(open_V) // max(n_open, 1)  # enough, but where what is open is less popular than the rest
        if reach <= n_open:
            item_P = self.popular_P[:reach]
            item_P = item_P[open_V[item_P]]
            if len(item_P) >= count:
                return item_P[:count]
        rank_N = self.rank_V[np.flatnonzero(open_V)]
        rank_N = rank_N[rank_N < len(self.popular_P)]
        if len(rank_N) > count:
            rank_N = np.partition(rank_N, count)[:count]
        return self.popular_P[np.sort(rank_N)]

    def tell(self, knowledge: Knowledge, shoppers: Shoppers, *asked: Asked) -> Told:
        """Recommend items to each shopper and say why; as `recommend.knowledge.tell`, but for the counts of rules.

        What shoppers ask for differs; what the model makes of them, and the reasons, are worked out for all at once.

        Args:
            knowledge: of the shop.
            shoppers: who asks.
            asked: what for; together they name each shopper once.
        """
        known_B = self.scorer.knows(shoppers.user, shoppers.known)
        row_M = np.flatnonzero(known_B)
        everybody = len(row_M) == len(shoppers)
        known = shoppers.known if everybody else shoppers.known.take(row_M)
        vectors = _Vectors(row_M, *self.scorer.asker.ask(shoppers.user[row_M], known))
        parts = [(one.rows, self._lists(knowledge, shoppers, vectors, one)) for one in asked]
        flat = _flatten(_together(parts, len(shoppers)))
        item_BK = place_items(flat, len(shoppers))
        return Told(flat, explain(self.scorer, f"from {knowledge.name}", shoppers.user, shoppers.known, item_BK))

    def _lists(self, knowledge: Knowledge, shoppers: Shoppers, vectors: _Vectors, asked: Asked) -> Lists:
        if asked.rows is not None:
            shoppers, vectors = shoppers.take(asked.rows), vectors.of_rows(asked.rows)
        gate = knowledge.gate(asked.rules, shoppers)
        seen = (shoppers.known if shoppers.seen is None else shoppers.seen) if asked.filter_seen else None
        search = _Search(self, knowledge, len(shoppers), vectors, gate.left_out(seen), open_to_all(gate, asked.allowed_V))
        if gate.cap is None:
            return search.lists(asked.k)
        return gate.capped(search.lists, asked.k, np.arange(len(knowledge.fallback)))[0]


@dataclass(frozen=True)
class _Vectors:
    """The vectors of the shoppers whom the model knows.

    Attributes:
        row: (M,) their rows, ascending.
        vector: (M, D).
        constant: (M,) what is added to all their scores; None for nothing.
    """

    row: NDArray[np.int64]
    vector: NDArray[np.float32]
    constant: NDArray[np.float32] | None

    def of_rows(self, rows: NDArray[np.int64]) -> _Vectors:
        """Return those of some rows, numbered by their places among them."""
        place_M = np.flatnonzero(contains(rows, self.row))
        constant = None if self.constant is None else self.constant[place_M]
        return _Vectors(np.searchsorted(rows, self.row[place_M]), self.vector[place_M], constant)


class _Search:
    """One question of B shoppers, for lists of any length."""

    def __init__(
        self,
        nearest: Nearest,
        knowledge: Knowledge,
        n_shoppers: int,
        vectors: _Vectors,
        left_out: Histories | None,
        open_V: NDArray[np.bool_] | None,
    ) -> None:
        self.nearest, self.fallback_V, self.open_V, self.vectors = nearest, knowledge.fallback, open_V, vectors
        self.n_shoppers, self.n_items = n_shoppers, len(knowledge.fallback)
        self.gone = np.zeros(0, np.int64) if left_out is None else pairs(left_out, self.n_items)  # (row, item), each once
        everybody = len(vectors.row) == n_shoppers
        self.gone_M = self.gone if everybody else of_rows(self.gone, vectors.row, self.n_items)

    def lists(self, places: int, rows: slice = ALL, open_V: NDArray[np.bool_] | None = None) -> Lists:
        """Return lists of so many places, the model's items first, then popular ones; see `recommend.rules.Make`."""
        first, end, _ = rows.indices(self.n_shoppers)
        if self.open_V is not None:
            open_V = self.open_V if open_V is None else open_V & self.open_V
        places = min(places, self.n_items)
        place_BK = np.full((end - first, places), NOTHING, np.int32)
        score_BK = np.full((end - first, places), -np.inf, np.float32)
        inside = slice(*np.searchsorted(self.vectors.row, [first, end]).tolist())
        row_M = self.vectors.row[inside] - first
        if len(row_M):
            place_BK[row_M], score_BK[row_M] = self._modelled(inside, places, open_V)
        lists = Lists(place_BK, score_BK, place_BK != NOTHING)
        self._fill(lists, first, open_V)
        return lists

    def _modelled(
        self, inside: slice, places: int, open_V: NDArray[np.bool_] | None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return the items and scores of the model, for some of the shoppers whom it knows."""
        begin, end = np.searchsorted(self.gone_M, np.array([inside.start, inside.stop]) * self.n_items)
        gone = self.gone_M[begin:end] - inside.start * self.n_items
        item_MK, score_MK = self.nearest.index.search(self.vectors.vector[inside], places, open_V, gone)
        if self.vectors.constant is not None:
            score_MK = score_MK + self.vectors.constant[inside, None]
        return item_MK, score_MK

    def _fill(self, lists: Lists, first: int, open_V: NDArray[np.bool_] | None) -> None:
        """Put popular items into the empty places at the end of the lists, in place; `first` is the shopper of the first."""
        row_R = np.flatnonzero((lists.place == NOTHING).any(axis=1))
        if not len(row_R):
            return
        places = lists.place.shape[1]
        gone_B = np.bincount(self.gone // self.n_items, minlength=self.n_shoppers)
        item_P = self.nearest.most_popular(places + int(gone_B[first + row_R].max()), open_V)
        row, place = np.nonzero(lists.place[row_R] != NOTHING)
        placed = np.sort((first + row_R[row]) * self.n_items + lists.place[row_R[row], place])
        start, size = 0, 2 * places  # few have met much of what is popular
        while len(row_R) and start < len(item_P):
            some_P = item_P[start : start + size]
            pair_RP = (first + row_R)[:, None] * self.n_items + some_P
            free_RP = ~(contains(self.gone, pair_RP) | contains(placed, pair_RP))
            filled_R1 = np.count_nonzero(lists.place[row_R] != NOTHING, axis=1)[:, None]
            place_RP = filled_R1 + np.cumsum(free_RP, axis=1) - 1
            row, at = np.nonzero(free_RP & (place_RP < places))
            lists.place[row_R[row], place_RP[row, at]] = some_P[at]
            lists.score[row_R[row], place_RP[row, at]] = self.fallback_V[some_P[at]]
            row_R = row_R[place_RP[:, -1] + 1 < places]
            start, size = start + size, 2 * size


def _ranks(popular_P: NDArray[np.int64], n_items: int) -> NDArray[np.int32]:
    """Return the place of each item in an order, and the length of the order for those that are not in it."""
    rank_V = np.full(n_items, len(popular_P), np.int32)
    rank_V[popular_P] = np.arange(len(popular_P), dtype=np.int32)
    return rank_V


def _together(parts: Sequence[tuple[NDArray[np.int64] | None, Lists]], n_shoppers: int) -> Lists:
    """Return the lists of all shoppers, from those of some at a time."""
    if len(parts) == 1 and parts[0][0] is None:
        return parts[0][1]
    places = max(lists.place.shape[1] for _, lists in parts)
    empty = np.full((n_shoppers, places), NOTHING, np.int32)
    whole = Lists(empty, np.full(empty.shape, -np.inf, np.float32), np.zeros(empty.shape, np.bool_))
    for rows, lists in parts:
        at = (slice(None) if rows is None else rows, slice(lists.place.shape[1]))
        whole.place[at], whole.score[at], whole.from_model[at] = lists.place, lists.score, lists.from_model
    return whole


def _flatten(lists: Lists) -> Recommendations:
    row, rank = np.nonzero(lists.place != NOTHING)
    return Recommendations(
        row=row.astype(np.int64),
        item=lists.place[row, rank],
        score=lists.score[row, rank],
        rank=(rank + 1).astype(np.int32),
        from_model=lists.from_model[row, rank],
    )
