"""Scorers with a network over pairs: NCF and DeepFM. The graph reads rows of users and of items, gathered here."""

# B shoppers   U users   V items of the catalogue   N items a shopper   D width of a user's row   E width of an item's
# H, P items whose likeness is asked for

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aisle.bundle.scorer_context import Context
from aisle.bundle.scorer_factors import UserTable, user_table
from aisle.bundle.scorer_files import ScorerFiles, Session
from aisle.bundle.scorer_vectors import Asker, Floats, lookup, marked
from aisle.features.histories import Histories

_BLOCK_CELLS = 512 * 1024  # hidden cells of one run: 2 MB, about what a core keeps near; `models.ncf` does the same


@dataclass(frozen=True)
class PairScorer:
    """A served scorer without an index: every pair goes through the network.

    Attributes:
        asker: makes the shoppers' rows.
        ranker: the graph: user_BD and item_CNE, C being B or 1 for items that all shoppers share -> score_BN.
        items: (V, E) mapped into memory.
        scorable_V: (V,) bool, items that anything was learned about; the others score -inf.
        likeness: what an item is like is the sum of so many equal parts of its row, 1 for the row as it is; columns beyond
            the first `width` are left out.
        width: see `likeness`.
        widest: cells that one pair takes in the graph.
    """

    asker: Asker
    ranker: Session
    items: Floats
    scorable_V: NDArray[np.bool_]  # noqa: N815 - as in `VectorScorer`
    likeness: int
    width: int
    widest: int

    def knows(self, user_B: NDArray[np.int64], known: Histories) -> NDArray[np.bool_]:
        """Say whom the model knows more about than popularity: (B,)."""
        return self.asker.knows(user_B, known)

    def score(self, user_B: NDArray[np.int64], known: Histories) -> Floats:
        """Score the whole catalogue: (B, V)."""
        return self._shared(user_B, known, self.items, self.scorable_V)

    def score_shared(self, user_B: NDArray[np.int64], known: Histories, item_N: NDArray[np.int64]) -> Floats:
        """Score the same items for every shopper: (B,) and (N,) -> (B, N)."""
        return self._shared(user_B, known, self.items[item_N], self.scorable_V[item_N])

    def score_items(self, user_B: NDArray[np.int64], known: Histories, item_BN: NDArray[np.int64]) -> Floats:
        """Score given items: (B, N)."""
        vector_BD, constant_B = self.asker.ask(user_B, known)
        score_BN = np.empty(item_BN.shape, np.float32)
        block = max(1, _BLOCK_CELLS // max(item_BN.shape[1] * self.widest, 1))
        for start in range(0, len(item_BN), block):
            rows = slice(start, start + block)
            score_BN[rows] = self.ranker.run(user_BD=vector_BD[rows], item_CNE=self.items[item_BN[rows]])
        if constant_B is not None:
            score_BN += constant_B[:, None]
        score_BN[~self.scorable_V[item_BN]] = -np.inf
        return score_BN

    def similar(self, item_B: NDArray[np.int64]) -> Floats:
        """Return the cosine of every item with each given one: (B, V), -inf for itself."""
        score_BV = np.empty((len(item_B), len(self.items)), np.float32)
        mine_BK = self._likeness(self.items[item_B])
        block = max(1, _BLOCK_CELLS // self.items.shape[1])
        for start in range(0, len(self.items), block):
            score_BV[:, start : start + block] = mine_BK @ self._likeness(self.items[start : start + block]).T
        score_BV[:, ~self.scorable_V] = -np.inf
        score_BV[np.arange(len(item_B)), item_B] = -np.inf
        return score_BV

    def similar_pairs(self, item_H: NDArray[np.int64], item_P: NDArray[np.int64]) -> Floats:
        """Return the cosines of few pairs, the same entries of `similar`: (H,) and (P,) -> (H, P)."""
        like_HP: Floats = self._likeness(self.items[item_H]) @ self._likeness(self.items[item_P]).T
        like_HP[:, ~self.scorable_V[item_P]] = -np.inf
        like_HP[item_H[:, None] == item_P] = -np.inf
        return like_HP

    def _shared(self, user_B: NDArray[np.int64], known: Histories, item_NE: Floats, scorable_N: NDArray[np.bool_]) -> Floats:
        vector_BD, constant_B = self.asker.ask(user_B, known)
        score_BN = np.empty((len(user_B), len(item_NE)), np.float32)
        items = max(1, min(len(item_NE), _BLOCK_CELLS // self.widest))
        users = max(1, _BLOCK_CELLS // (self.widest * items))
        for first in range(0, len(item_NE), items):
            columns = slice(first, first + items)
            for start in range(0, len(user_B), users):
                rows = slice(start, start + users)
                score_BN[rows, columns] = self.ranker.run(user_BD=vector_BD[rows], item_CNE=item_NE[None, columns])
        if constant_B is not None:
            score_BN += constant_B[:, None]
        score_BN[:, ~scorable_N] = -np.inf
        return score_BN

    def _likeness(self, item_NE: Floats) -> Floats:
        """Return what items are like as vectors of length 1: (N, E) -> (N, K)."""
        part_NK: Floats = item_NE[:, : self.width].reshape(len(item_NE), self.likeness, self.width // self.likeness).sum(axis=1)
        length_N1 = np.sqrt(np.square(part_NK).sum(axis=1, keepdims=True))
        return np.asarray(part_NK / np.maximum(length_N1, np.float32(1e-12)))


@dataclass(frozen=True)
class RowAsker:
    """Asks by the shopper's id alone: a row of the table, zeros for a stranger.

    Attributes:
        users: (U, D) rows.
        users_known: (U,) bool, the users that anything was learned about.
    """

    users: Floats
    users_known: NDArray[np.bool_]

    def knows(self, user_B: NDArray[np.int64], known: Histories) -> NDArray[np.bool_]:
        """Say who was there in training: (B,)."""
        return marked(self.users_known, user_B)

    def ask(self, user_B: NDArray[np.int64], known: Histories) -> tuple[Floats, None]:
        """Return the rows: (B, D)."""
        return lookup(self.users, user_B, marked(self.users_known, user_B)), None


@dataclass(frozen=True)
class ColumnAsker:
    """Asks by the vectors of the user's columns and of the circumstances, side by side.

    Attributes:
        users: the columns' vectors of each user in a row, (U, M K), and the terms among them.
        context: the tables of the circumstances; None where none are read.
        factors: K.
        offset: what is said before anything is known.
    """

    users: UserTable
    context: Context | None
    factors: int
    offset: float

    def knows(self, user_B: NDArray[np.int64], known: Histories) -> NDArray[np.bool_]:
        """Say who was there in training, has a side feature, or asks in circumstances that were: (B,)."""
        known_B = self.users.knows(user_B, known)
        if self.context is not None and known.context is not None:
            known_B |= (self.context.rows(known.context) >= 0).any(axis=1)
        return known_B

    def ask(self, user_B: NDArray[np.int64], known: Histories) -> tuple[Floats, Floats]:
        """Return the rows, zeros for what is not known, and the terms without an item: (B, D) and (B,)."""
        there_B = marked(self.users.users_known, user_B)
        column_BE = lookup(self.users.users, user_B, there_B)
        constant_B = lookup(self.users.bias[:, None], user_B, there_B)[:, 0] + np.float32(self.offset)
        if self.context is None:
            return column_BE, constant_B
        none_BF = np.full((len(user_B), len(self.context.start)), -1, np.int32)
        row_BF = self.context.rows(none_BF if known.context is None else known.context)
        part_BFK = self.context.vectors(row_BF)
        user_BK = column_BE.reshape(len(user_B), column_BE.shape[1] // self.factors, self.factors).sum(axis=1)
        constant_B += self.context.terms(row_BF, part_BFK) + (user_BK * part_BFK.sum(axis=1)).sum(axis=1)
        return np.concatenate([column_BE, part_BFK.reshape(len(user_B), none_BF.shape[1] * self.factors)], axis=1), constant_B


@dataclass(frozen=True)
class _Stored:
    """The files that both kinds share."""

    files: ScorerFiles

    @cached_property
    def items(self) -> Floats:
        return self.files.shaped("items", None, None)

    def scorer(self, asker: Asker, likeness: int, width: int) -> PairScorer:
        scorable_V = self.files.shaped("scorable", len(self.items))
        ranker = self.files.session("ranker")
        return PairScorer(asker, ranker, self.items, scorable_V, likeness, width, int(self.files.more["widest"]))


def load_ncf(files: ScorerFiles) -> PairScorer:
    """Load NCF."""
    stored = _Stored(files)
    width = stored.items.shape[1]
    users = files.shaped("users", None, width)
    return stored.scorer(RowAsker(users, files.shaped("users_known", len(users))), 1, width)


def load_deepfm(files: ScorerFiles) -> PairScorer:
    """Load DeepFM."""
    stored, factors = _Stored(files), int(files.more["factors"])
    asker = ColumnAsker(user_table(files), Context.of(files), factors, float(files.more["offset"]))
    width = stored.items.shape[1] - 1
    return stored.scorer(asker, width // factors, width)


def ncf_state(files: ScorerFiles) -> dict[str, NDArray[Any]]:
    """Return the state of the eager NCF."""
    state = files.weights()
    for side in ("user", "item"):
        table = files.array(f"{side}s")
        factors = int(files.more["gmf"])
        if factors:
            state[f"{side}_gmf.weight"] = table[:, :factors]
        if factors < table.shape[1]:
            state[f"{side}_mlp.weight"] = table[:, factors:]
    return state | {"trained_users": files.array("users_known"), "trained_items": files.array("scorable")}


def deepfm_state(files: ScorerFiles) -> dict[str, NDArray[Any]]:
    """Return the state of the eager DeepFM, which is kept whole: columns cannot be taken apart into features again."""
    return files.weights()
