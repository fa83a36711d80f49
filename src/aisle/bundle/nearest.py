"""Lists of a model of vectors through its index: the same lists that scoring the whole catalogue gives, for the cost of few.

With an exact index they are the same by construction; with an approximate one up to its recall.
"""

# B shoppers   D width   V items   F items fetched   K places in a list

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from aisle.bundle.index_config import Index
from aisle.bundle.scorer_vectors import Asker
from aisle.features.histories import Histories
from aisle.recommend.knowledge import Knowledge, Shoppers, Told, place_items
from aisle.recommend.lists import Lists
from aisle.recommend.reasons import explain
from aisle.recommend.recommender import Recommendations
from aisle.recommend.rules import Gate, Rules
from aisle.recommend.scorer import Scorer
from aisle.recommend.seen import is_seen
from aisle.recommend.topk import NOTHING

_POPULAR_AT_ONCE = 512


class Vectors(Scorer, Protocol):
    """A scorer whose score is the inner product of a shopper's vector and an item's, and maybe a constant a shopper."""

    @property
    def asker(self) -> Asker:
        """Makes the shoppers' vectors."""


@dataclass(frozen=True)
class Nearest:
    """A model of vectors with its index.

    Attributes:
        scorer: the model.
        index: over its items.
        popular_P: (P,) int64 items that may be recommended as popular ones, the most popular first.
    """

    scorer: Vectors
    index: Index
    popular_P: NDArray[np.int64]  # noqa: N815 - shape letter

    @classmethod
    def of(cls, scorer: Vectors, index: Index, fallback_V: NDArray[np.float32]) -> Nearest:
        """Put the popular items in order; equal ones by item code.

        Args:
            scorer: the model.
            index: over its items.
            fallback_V: popularity, -inf for what is never recommended.
        """
        order = np.argsort(-fallback_V, kind="stable")
        return cls(scorer, index, order[fallback_V[order] > -np.inf])

    def tell(
        self,
        knowledge: Knowledge,
        shoppers: Shoppers,
        *,
        k: int = 10,
        filter_seen: bool = True,
        allowed_V: NDArray[np.bool_] | None = None,
        rules: Rules | None = None,
    ) -> Told:
        """Recommend k items to each shopper and say why; as `recommend.knowledge.tell`, but for the counts of rules.

        Args:
            knowledge: of the shop.
            shoppers: who asks.
            k: list length.
            filter_seen: leave out what is no news.
            allowed_V: (V,) bool, the only items that may be recommended; None = the whole catalogue.
            rules: of these questions; None = the shop's own.
        """
        gate = knowledge.gate(rules, shoppers)
        seen = (shoppers.known if shoppers.seen is None else shoppers.seen) if filter_seen else None
        search = _Search(self, knowledge, shoppers, gate.left_out(seen), _open(gate, allowed_V))
        capped = gate.cap is not None
        lists = gate.capped(search.lists, k, np.arange(len(knowledge.fallback)))[0] if capped else search.lists(k)
        flat = _flatten(lists)
        item_BK = place_items(flat, len(shoppers))
        return Told(flat, explain(self.scorer, f"from {knowledge.name}", shoppers.user, shoppers.known, item_BK))


class _Search:
    """One question of B shoppers, for lists of any length."""

    def __init__(
        self,
        nearest: Nearest,
        knowledge: Knowledge,
        shoppers: Shoppers,
        left_out: Histories | None,
        open_V: NDArray[np.bool_] | None,
    ) -> None:
        self.nearest, self.fallback_V, self.left_out, self.open_V = nearest, knowledge.fallback, left_out, open_V
        self.n_shoppers = len(shoppers)
        self.row_M = np.flatnonzero(nearest.scorer.knows(shoppers.user, shoppers.known))  # whom the model knows
        everybody = len(self.row_M) == len(shoppers)
        known = shoppers.known if everybody else shoppers.known.take(self.row_M)
        self.left_out_M = left_out if left_out is None or everybody else left_out.take(self.row_M)
        self.vector_MD, self.constant_M = nearest.scorer.asker.ask(shoppers.user[self.row_M], known)

    def lists(self, places: int) -> Lists:
        """Return lists of so many places, the model's items first, then popular ones."""
        n_items = len(self.fallback_V)
        places = min(places, n_items)
        place_BK = np.full((self.n_shoppers, places), NOTHING, np.int32)
        score_BK = np.full((self.n_shoppers, places), -np.inf, np.float32)
        if len(self.row_M):
            item_MK, score_MK = self._modelled(places, n_items)
            place_BK[self.row_M, : item_MK.shape[1]], score_BK[self.row_M, : item_MK.shape[1]] = item_MK, score_MK
        lists = Lists(place_BK, score_BK, place_BK != NOTHING)
        for row in np.flatnonzero((place_BK == NOTHING).any(axis=1)):
            self._fill(lists, int(row))
        return lists

    def _modelled(self, places: int, n_items: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        left_out = self.left_out_M
        most_left_out = 0 if left_out is None else int(left_out.lengths.max(initial=0))
        fetched = min(places + most_left_out, n_items)
        item_MF, score_MF = self.nearest.index.search(self.vector_MD, fetched, self.open_V)
        if most_left_out and left_out is not None:
            gone_MF = is_seen(item_MF, left_out, n_items)
            item_MF, score_MF = np.where(gone_MF, NOTHING, item_MF), np.where(gone_MF, -np.inf, score_MF)
            order_MF = np.argsort(item_MF == NOTHING, axis=1, kind="stable")[:, :places]
            item_MF, score_MF = np.take_along_axis(item_MF, order_MF, 1), np.take_along_axis(score_MF, order_MF, 1)
        if self.constant_M is not None:
            score_MF = score_MF + self.constant_M[:, None]
        return item_MF[:, :places], score_MF[:, :places].astype(np.float32)

    def _fill(self, lists: Lists, row: int) -> None:
        """Put popular items into the empty places at the end of one list."""
        place_K = lists.place[row]
        filled = int(np.count_nonzero(place_K != NOTHING))
        gone = place_K[:filled] if self.left_out is None else np.concatenate([place_K[:filled], self.left_out.row(row)])
        for start in range(0, len(self.nearest.popular_P), _POPULAR_AT_ONCE):
            item_P = self.nearest.popular_P[start : start + _POPULAR_AT_ONCE]
            if self.open_V is not None:
                item_P = item_P[self.open_V[item_P]]
            item_P = item_P[~np.isin(item_P, gone)][: len(place_K) - filled]
            end = filled + len(item_P)
            place_K[filled:end], lists.score[row, filled:end] = item_P, self.fallback_V[item_P]
            filled = end
            if filled == len(place_K):
                break


def _open(gate: Gate, allowed_V: NDArray[np.bool_] | None) -> NDArray[np.bool_] | None:
    """Return what is open to everybody; None = everything."""
    for closed_V in gate.closed.values():
        allowed_V = ~closed_V if allowed_V is None else allowed_V & ~closed_V
    return allowed_V


def _flatten(lists: Lists) -> Recommendations:
    row, rank = np.nonzero(lists.place != NOTHING)
    return Recommendations(
        row=row.astype(np.int64),
        item=lists.place[row, rank],
        score=lists.score[row, rank],
        rank=(rank + 1).astype(np.int32),
        from_model=lists.from_model[row, rank],
    )
