"""A served model over a catalogue that grew.

In a history a new item counts as the known one that is most like it. It is scored where it has a vector. Everything else is
asked of the model as it always was, so that what it says of its own items stays the same to the last bit.
"""

# B shoppers   V items of the bundle   M items that came later   N candidates   D width   H, P items whose likeness is asked for

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from aisle.bundle.new_items import NewItems
from aisle.bundle.scorer_vectors import Asker, VectorScorer
from aisle.features.histories import Histories
from aisle.recommend.reasons import Explains, Reasons, alike_lists, alike_pairs, for_request
from aisle.recommend.scorer import Scorer, SharedScorer

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
        new: the new items.
        later: scores the new items, codes 0 to M - 1; None where the model has no vectors to make theirs of.
    """

    base: Scorer
    stand_ins: StandIns
    new: NewItems
    later: VectorScorer | None

    @classmethod
    def of(cls, base: Scorer, n_base: int, new: NewItems, before: GrownScorer | None = None) -> GrownScorer:
        """Make room for new items.

        Args:
            base: of the bundle.
            n_base: V.
            new: what came later.
            before: the same over an earlier state of the catalogue: vectors of items that did not change are taken from it.
        """
        stand_ins, later = StandIns(n_base, new.stand_in), None
        if isinstance(base, VectorScorer):
            made = None if before is None or before.later is None else (before.new, before.later.item_vectors)
            vector_MD = new.vectors(base.item_vectors, base.width, made)
            length_M = np.maximum(np.linalg.norm(vector_MD[:, : base.width], axis=1), 1e-12).astype(np.float32)
            later = VectorScorer(GrownAsker(base.asker, stand_ins), vector_MD, new.has_vector, length_M, base.width)
        return (GrownExplainer if isinstance(base, Explains) else GrownScorer)(base, stand_ins, new, later)

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
        read = self.stand_ins.read(known)
        return self._with_later(self.base.score_items(user_B, read, self._old(item_BN)), user_B, read, item_BN)

    def score_shared(self, user_B: NDArray[np.int64], known: Histories, item_N: NDArray[np.int64]) -> Floats:
        """Score the same items for every shopper, in the cheapest way that the model offers: (B,) and (N,) -> (B, N)."""
        read, item_BN = self.stand_ins.read(known), np.broadcast_to(item_N, (len(user_B), len(item_N)))
        if isinstance(self.base, SharedScorer):
            return self._with_later(self.base.score_shared(user_B, read, self._old(item_N)), user_B, read, item_BN)
        return self._with_later(self.base.score_items(user_B, read, self._old(item_BN)), user_B, read, item_BN)

    def similar(self, item_B: NDArray[np.int64]) -> Floats:
        """Score how alike every item is to each given one: (B, V + M); see `similar_pairs`."""
        n_base, n_later = self.stand_ins.n_base, len(self.stand_ins.item_M)
        score_BV = np.full((len(item_B), n_base + n_later), -np.inf, np.float32)
        score_BV[:, :n_base] = self.base.similar(np.maximum(self._stand_in(item_B), 0))
        if self.later is not None:
            rows = np.flatnonzero(item_B >= n_base)
            if len(rows) and isinstance(self.base, VectorScorer):
                score_BV[rows, :n_base] = self.base.cosines(self._likeness(item_B[rows]))
            score_BV[:, n_base:] = self._alike(item_B, np.arange(n_base, n_base + n_later))
        score_BV[self._stand_in(item_B) < 0] = -np.inf
        score_BV[np.arange(len(item_B)), item_B] = -np.inf
        return score_BV

    def similar_pairs(self, item_H: NDArray[np.int64], item_P: NDArray[np.int64]) -> Floats:
        """Return how alike few items are: (H,) and (P,) -> (H, P).

        A new one has the likeness of its own vector; where the model has none it is asked about as what stands in for it, and
        nothing is like it.
        """
        return self._likened(item_H, item_P, alike_pairs(self.base, self._asked(item_H), self._old(item_P)))

    def similar_lists(self, item_BH: NDArray[np.int64], item_BK: NDArray[np.int64]) -> Floats:
        """Return how alike the items of many lists are, row by row those of `similar_pairs`: -> (B, H, K)."""
        return self._likened(item_BH, item_BK, alike_lists(self.base, self._asked(item_BH), self._old(item_BK)))

    def _likened(self, own: NDArray[np.int64], item: NDArray[np.int64], like: Floats) -> Floats:
        """Correct what the model says of old items where new ones are meant: (..., H) and (..., P) codes, (..., H, P)."""
        new_own, new_item = own >= self.stand_ins.n_base, item >= self.stand_ins.n_base
        if not (new_own.any() or new_item.any()):
            return like
        meant = new_own[..., :, None] | new_item[..., None, :]
        if self.later is not None:
            return np.where(meant, self._alike(own, item), like)
        nothing = (self._stand_in(own) < 0)[..., :, None] | new_item[..., None, :]
        return np.where(nothing, np.float32(-np.inf), like)

    def _alike(self, own: NDArray[np.int64], item: NDArray[np.int64]) -> Floats:
        """Return the cosines of items with vectors: (..., H) and (..., P) -> (..., H, P)."""
        like: Floats = np.matmul(self._likeness(own), np.swapaxes(self._likeness(item), -1, -2))
        like[np.broadcast_to((~self._scorable(item))[..., None, :], like.shape)] = -np.inf
        like[np.broadcast_to((self._stand_in(own) < 0)[..., :, None], like.shape)] = -np.inf
        like[own[..., :, None] == item[..., None, :]] = -np.inf
        return like

    def _with_later(self, score_BN: Floats, user_B: NDArray[np.int64], read: Histories, item_BN: NDArray[np.int64]) -> Floats:
        """Put the scores of new items in the place of those of what the model was asked about for them."""
        new_BN = item_BN >= self.stand_ins.n_base
        if not new_BN.any():
            return score_BN
        more: Floats | float = -np.inf
        if self.later is not None:
            more = self.later.score_items(user_B, read, np.where(new_BN, item_BN - self.stand_ins.n_base, 0))
        return np.where(new_BN, more, score_BN).astype(np.float32)

    def _old(self, item: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return codes that the model knows: any in the place of new ones."""
        return np.where(item < self.stand_ins.n_base, item, 0)

    def _stand_in(self, item: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return what the model knows in the place of new ones, -1 for nothing."""
        base = item.astype(np.int64, copy=True)
        new = item >= self.stand_ins.n_base
        base[new] = self.stand_ins.item_M[item[new] - self.stand_ins.n_base]
        return base

    def _asked(self, item: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.maximum(self._stand_in(item), 0)

    def _likeness(self, item: NDArray[np.int64]) -> Floats:
        """Return what items are like as vectors of length 1: (...,) -> (..., width)."""
        assert isinstance(self.base, VectorScorer)
        assert self.later is not None
        out = np.empty((*item.shape, self.base.width), np.float32)
        new = item >= self.stand_ins.n_base
        out[~new] = self.base.likeness(item[~new])
        out[new] = self.later.likeness(item[new] - self.stand_ins.n_base)
        return out

    def _scorable(self, item: NDArray[np.int64]) -> NDArray[np.bool_]:
        assert isinstance(self.base, VectorScorer)
        assert self.later is not None
        new = item >= self.stand_ins.n_base
        out = np.empty(item.shape, np.bool_)
        out[~new] = self.base.scorable_V[item[~new]]
        out[new] = self.later.scorable_V[item[new] - self.stand_ins.n_base]
        return out


class GrownExplainer(GrownScorer):
    """The same for a model that says why: it goes on saying so."""

    def for_request(self) -> GrownExplainer:
        """Return the same for one request; see `recommend.reasons.Explains`."""
        return replace(self, base=for_request(self.base))

    def reasons(self, user_B: NDArray[np.int64], known: Histories, item_BK: NDArray[np.int64]) -> Reasons:
        """Say why items are recommended, naming what the shopper met and not what stood in for it: (B, K) item codes."""
        assert isinstance(self.base, Explains)
        read = self.stand_ins.read(known)
        why = self.base.reasons(user_B, read, np.where(item_BK < self.stand_ins.n_base, item_BK, -1))
        because_BK = why.because.copy()
        for row in np.flatnonzero(np.diff(known.offsets) > 0) if read is not known else ():
            met = known.row(int(row)).astype(np.int64)
            latest = {int(old): int(item) for old, item in zip(self._stand_in(met), met, strict=True)}  # the last one counts
            latest[-1] = -1
            because_BK[row] = [latest.get(item, item) for item in because_BK[row].tolist()]
        return replace(why, because=because_BK)
