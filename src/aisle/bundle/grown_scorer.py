"""A served model over a catalogue that grew.

In a history a new item counts as the known one that is most like it. It is scored where it has a vector.
"""

# B shoppers   V items of the bundle   M items that came later   N candidates   D width   H, P items whose likeness is asked for

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from aisle.bundle.new_items import NewItems
from aisle.bundle.scorer_vectors import Asker, VectorScorer
from aisle.features.histories import Histories
from aisle.recommend.scorer import Scorer

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class StandIns:
    """Reads histories for a model that does not know the new items.

    Attributes:
        n_base: V.
        item_M: (M,) the item of the bundle that counts for each new one; -1 for none.
    """

    n_base: int
    item_M: NDArray[np.int64]  # noqa: N815 - shape letter

    def read(self, known: Histories) -> Histories:
        """Return histories of the bundle's items alone; a new item that nothing is like says nothing."""
        new_E = known.item >= self.n_base
        if not new_E.any():
            return known
        item_E = known.item.copy()
        item_E[new_E] = self.item_M[known.item[new_E] - self.n_base]
        return replace(known, item=item_E).where(item_E >= 0)


@dataclass(frozen=True)
class GrownAsker:
    """Makes the vectors of shoppers whose histories may hold new items; see `scorer_vectors.Asker`."""

    base: Asker
    stand_ins: StandIns

    def knows(self, user_B: NDArray[np.int64], known: Histories) -> NDArray[np.bool_]:
        """Say whom the model knows more about than popularity: (B,)."""
        return self.base.knows(user_B, self.stand_ins.read(known))

    def ask(self, user_B: NDArray[np.int64], known: Histories) -> tuple[Floats, Floats | None]:
        """Return vectors (B, D), and what is added to all scores of a shopper."""
        return self.base.ask(user_B, self.stand_ins.read(known))


@dataclass(frozen=True)
class GrownScorer:
    """A served scorer with M new items after its own V; new items without a vector score -inf.

    Attributes:
        base: of the bundle.
        stand_ins: for histories.
        later: scores the new items, codes 0 to M - 1; None where the model has no vectors to make theirs of.
    """

    base: Scorer
    stand_ins: StandIns
    later: VectorScorer | None

    @classmethod
    def of(cls, base: Scorer, n_base: int, new: NewItems) -> GrownScorer:
        """Make room for new items.

        Args:
            base: of the bundle.
            n_base: V.
            new: what came later.
        """
        stand_ins, later = StandIns(n_base, new.stand_in), None
        if isinstance(base, VectorScorer):
            vector_MD = new.vectors(base.item_vectors, base.width)
            length_M = np.maximum(np.linalg.norm(vector_MD[:, : base.width], axis=1), 1e-12).astype(np.float32)
            asker = GrownAsker(base.asker, stand_ins)
            later = VectorScorer(asker, vector_MD, new.has_vector, length_M, base.width)
        return cls(base, stand_ins, later)

    @property
    def asker(self) -> Asker:
        """Makes the shoppers' vectors, where the model has any."""
        assert self.later is not None
        return self.later.asker

    def knows(self, user_B: NDArray[np.int64], known: Histories) -> NDArray[np.bool_]:
        """Say whom the model knows more about than popularity: (B,)."""
        return self.base.knows(user_B, self.stand_ins.read(known))

    def score(self, user_B: NDArray[np.int64], known: Histories) -> Floats:
        """Score the whole catalogue: (B, V + M)."""
        read = self.stand_ins.read(known)
        more_BM = np.full((len(user_B), len(self.stand_ins.item_M)), -np.inf, np.float32)
        if self.later is not None:
            more_BM = self.later.score(user_B, read)
        return np.concatenate([self.base.score(user_B, read), more_BM], axis=1)

    def score_items(self, user_B: NDArray[np.int64], known: Histories, item_BN: NDArray[np.int64]) -> Floats:
        """Score given items: (B, N)."""
        read, new_BN = self.stand_ins.read(known), item_BN >= self.stand_ins.n_base
        score_BN: Floats = self.base.score_items(user_B, read, np.where(new_BN, 0, item_BN)).copy()
        score_BN[new_BN] = -np.inf
        if self.later is not None and new_BN.any():
            more_BN = self.later.score_items(user_B, read, np.where(new_BN, item_BN - self.stand_ins.n_base, 0))
            score_BN[new_BN] = more_BN[new_BN]
        return score_BN

    def similar(self, item_B: NDArray[np.int64]) -> Floats:
        """Score how alike every item is to each given one: (B, V + M); a new one is asked about as what stands in for it."""
        n_base, n_later = self.stand_ins.n_base, len(self.stand_ins.item_M)
        base_B = self._stand_in(item_B)
        score_BV = np.full((len(item_B), n_base + n_later), -np.inf, np.float32)
        rows = np.flatnonzero(base_B >= 0)
        if len(rows):
            score_BV[rows, :n_base] = self.base.similar(base_B[rows])
        if self.later is not None:
            score_BV[:, n_base:] = self.similar_pairs(item_B, np.arange(n_base, n_base + n_later))
        score_BV[np.arange(len(item_B)), item_B] = -np.inf
        return score_BV

    def similar_pairs(self, item_H: NDArray[np.int64], item_P: NDArray[np.int64]) -> Floats:
        """Return how alike few items are: (H,) and (P,) -> (H, P)."""
        if self.later is None:
            return self.similar(item_H)[:, item_P]
        like_HP: Floats = self._likeness(item_H) @ self._likeness(item_P).T
        like_HP[:, ~self._scorable(item_P)] = -np.inf
        like_HP[item_H[:, None] == item_P] = -np.inf
        return like_HP

    def _stand_in(self, item_B: NDArray[np.int64]) -> NDArray[np.int64]:
        base_B = item_B.astype(np.int64, copy=True)
        new_B = item_B >= self.stand_ins.n_base
        base_B[new_B] = self.stand_ins.item_M[item_B[new_B] - self.stand_ins.n_base]
        return base_B

    def _likeness(self, item_N: NDArray[np.int64]) -> Floats:
        """Return what items are like as vectors of length 1: (N,) -> (N, width)."""
        assert isinstance(self.base, VectorScorer)
        assert self.later is not None
        out = np.empty((len(item_N), self.base.width), np.float32)
        new_N = item_N >= self.stand_ins.n_base
        out[~new_N] = self.base.likeness(item_N[~new_N])
        out[new_N] = self.later.likeness(item_N[new_N] - self.stand_ins.n_base)
        return out

    def _scorable(self, item_N: NDArray[np.int64]) -> NDArray[np.bool_]:
        assert isinstance(self.base, VectorScorer)
        assert self.later is not None
        new_N = item_N >= self.stand_ins.n_base
        out = np.empty(len(item_N), np.bool_)
        out[~new_N] = self.base.scorable_V[item_N[~new_N]]
        out[new_N] = self.later.scorable_V[item_N[new_N] - self.stand_ins.n_base]
        return out
