"""Scorers whose score is a dot product: a vector for who asks, a vector for each item."""

# B shoppers   V items of the catalogue   N candidates a shopper   D width of the vectors, biases included
# H, P items whose likeness is asked for

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from aisle.bundle.scorer_files import Session
from aisle.features.histories import Histories

Floats = NDArray[np.float32]
_BLOCK_CELLS = 1_000_000  # numbers of gathered item vectors held at once: 4 MB


class Asker(Protocol):
    """Turns who asks into a vector. Unknown shoppers have one too; whether it says anything, `knows` says."""

    def knows(self, user_B: NDArray[np.int64], known: Histories) -> NDArray[np.bool_]:
        """Say whom the model knows more about than popularity: (B,)."""

    def ask(self, user_B: NDArray[np.int64], known: Histories) -> tuple[Floats, Floats | None]:
        """Return vectors (B, D), and what is added to all scores of a shopper (B,), None for nothing."""


@dataclass(frozen=True)
class VectorScorer:
    """A served scorer with vectors, for an index or for all items at once.

    Attributes:
        asker: makes the shoppers' vectors.
        item_vectors: (V, D) float32, mapped into memory; biases stand in columns of their own after the first `width`.
        scorable_V: (V,) bool, items that anything was learned about; the others score -inf.
        length: (V,) float32 lengths of the first `width` columns, at least 1e-12; None where they all have length 1, or 0.
        width: columns that say what an item is like.
        ranker: the graph that scores pairs; None for a product in NumPy.
    """

    asker: Asker
    item_vectors: Floats
    scorable_V: NDArray[np.bool_]  # noqa: N815 - told apart from `Scorer` methods
    length: Floats | None
    width: int
    ranker: Session | None = None

    def knows(self, user_B: NDArray[np.int64], known: Histories) -> NDArray[np.bool_]:
        """Say whom the model knows more about than popularity: (B,)."""
        return self.asker.knows(user_B, known)

    def user_vectors(self, user_B: NDArray[np.int64], known: Histories) -> Floats:
        """Return what to multiply with `item_vectors`: (B, D)."""
        return self.asker.ask(user_B, known)[0]

    def user_constants(self, user_B: NDArray[np.int64], known: Histories) -> Floats:
        """Return what is added to every score of a shopper; it changes no order: (B,)."""
        return self._constant(self.asker.ask(user_B, known)[1], len(user_B))

    def score(self, user_B: NDArray[np.int64], known: Histories) -> Floats:
        """Score the whole catalogue: (B, V)."""
        vector_BD, constant_B = self.asker.ask(user_B, known)
        score_BV: Floats = vector_BD @ self.item_vectors.T
        if constant_B is not None:
            score_BV += constant_B[:, None]
        score_BV[:, self._unscorable] = -np.inf
        return score_BV

    def score_items(self, user_B: NDArray[np.int64], known: Histories, item_BN: NDArray[np.int64]) -> Floats:
        """Score given items: (B, N)."""
        vector_BD, constant_B = self.asker.ask(user_B, known)
        constant_B = self._constant(constant_B, len(user_B))
        score_BN = np.empty(item_BN.shape, np.float32)
        block = max(1, _BLOCK_CELLS // max(item_BN.shape[1] * self.item_vectors.shape[1], 1))
        for start in range(0, len(item_BN), block):
            rows = slice(start, start + block)
            score_BN[rows] = self._pairs(vector_BD[rows], constant_B[rows], self.item_vectors[item_BN[rows]])
        score_BN[~self.scorable_V[item_BN]] = -np.inf
        return score_BN

    def similar(self, item_B: NDArray[np.int64]) -> Floats:
        """Return the cosine of every item with each given one: (B, V), -inf for itself."""
        score_BV = self.cosines(self.likeness(item_B))
        score_BV[np.arange(len(item_B)), item_B] = -np.inf
        return score_BV

    def cosines(self, like_BW: Floats) -> Floats:
        """Return the cosine of every item with vectors such as `likeness` gives: (B, width) -> (B, V)."""
        score_BV: Floats = like_BW @ self.item_vectors[:, : self.width].T
        if self.length is not None:
            score_BV /= self.length
        score_BV[:, self._unscorable] = -np.inf
        return score_BV

    def similar_pairs(self, item_H: NDArray[np.int64], item_P: NDArray[np.int64]) -> Floats:
        """Return the cosines of few pairs, the same entries of `similar`: (H,) and (P,) -> (H, P)."""
        like_HP: Floats = self.likeness(item_H) @ self.likeness(item_P).T
        like_HP[:, ~self.scorable_V[item_P]] = -np.inf
        like_HP[item_H[:, None] == item_P] = -np.inf
        return like_HP

    def similar_lists(self, item_BH: NDArray[np.int64], item_BK: NDArray[np.int64]) -> Floats:
        """Return the cosines of many lists, row by row those of `similar_pairs`: (B, H) and (B, K) -> (B, H, K)."""
        like_BHK: Floats = np.matmul(self.likeness(item_BH), self.likeness(item_BK).transpose(0, 2, 1))
        like_BHK[np.broadcast_to(~self.scorable_V[item_BK][:, None, :], like_BHK.shape)] = -np.inf
        like_BHK[item_BH[:, :, None] == item_BK[:, None, :]] = -np.inf
        return like_BHK

    @cached_property
    def _unscorable(self) -> NDArray[np.int64]:
        return np.flatnonzero(~self.scorable_V)

    def likeness(self, item_N: NDArray[np.int64]) -> Floats:
        """Return what items are like as vectors of length 1: (...,) -> (..., width)."""
        vector_ND: Floats = self.item_vectors.take(item_N, axis=0)[..., : self.width]
        return vector_ND if self.length is None else vector_ND / self.length[item_N][..., None]

    def _pairs(self, vector_BD: Floats, constant_B: Floats, item_BND: Floats) -> Floats:
        if self.ranker is not None:
            return self.ranker.run(user_BD=vector_BD, constant_B=constant_B, item_BND=item_BND)
        score_BN: Floats = np.matmul(item_BND, vector_BD[:, :, None])[:, :, 0] + constant_B[:, None]
        return score_BN

    def _constant(self, constant_B: Floats | None, n_rows: int) -> Floats:
        return np.zeros(n_rows, np.float32) if constant_B is None else constant_B


def lookup(table_UD: NDArray[np.float32], row_B: NDArray[np.int64], there_B: NDArray[np.bool_]) -> Floats:
    """Look rows up, zeros where there is none: (U, D) and (B,) -> (B, D)."""
    out_BD = np.zeros((len(row_B), table_UD.shape[1]), np.float32)
    out_BD[there_B] = table_UD[row_B[there_B]]
    return out_BD


def marked(mark_U: NDArray[np.bool_], row_B: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Say which rows exist and are marked, -1 being none: (U,) and (B,) -> (B,)."""
    there_B = row_B >= 0
    there_B[there_B] = mark_U[row_B[there_B]]
    return there_B
