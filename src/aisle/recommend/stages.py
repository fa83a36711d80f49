"""Two stages: recallers name candidates, a ranker orders them. To everything else it is one more `Scorer`."""

# B shoppers   V items of the catalogue   N candidates a shopper   R recallers   P items asked about

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aisle.features.histories import Histories
from aisle.recommend.answer import BLOCK_CELLS, blocks
from aisle.recommend.candidates import Candidates, Recaller, recall
from aisle.recommend.ranker import Ranker
from aisle.recommend.reasons import NOBODY, Reasons, likeness

_MAX_ROWS = 256  # shoppers at a time: bounds the (rows, candidates, latest events) comparisons of the features


@dataclass(frozen=True)
class TwoStage:
    """Recall, then rank. What no recaller names is -inf: it cannot be recommended but as a fallback.

    A shopper whom no personal recaller knows is answered by the first fallback that does; whom none knows, by whatever
    answers strangers (`recommend.answer`): popularity.

    Attributes:
        recallers: who names candidates; at least one.
        fallbacks: who answers, alone and in this order, where no recaller has more to say than what is popular.
        ranker: who orders them.
        hidden_events: (H,) uint8 kinds of event after which an item is no candidate any more; none where repeats are
            wanted.
        n_items: V.
        config: of the whole, for saving.
        notes: candidates of the shoppers of one request, so that its reasons need not be recalled again; None keeps none.
    """

    recallers: tuple[Recaller, ...]
    fallbacks: tuple[Recaller, ...]
    ranker: Ranker
    hidden_events: NDArray[np.uint8]
    n_items: int
    config: Any = None
    notes: dict[tuple[bytes, ...], Candidates] | None = field(default=None, compare=False, repr=False)

    def for_request(self) -> TwoStage:
        """Return the same with notes of its own, to be thrown away with the request."""
        return replace(self, notes={})

    def knows(self, user_B: NDArray[np.int64], known: Histories) -> NDArray[np.bool_]:
        """Return whom a recaller or a fallback knows, besides those that tell everybody the same: (B,) bool."""
        return np.asarray(self.answered_by(user_B, known) != NOBODY)

    def answered_by(self, user_B: NDArray[np.int64], known: Histories) -> NDArray[np.int64]:
        """Say who answers each shopper: 0 both stages, 1 the first fallback, 2 the second, ...; `NOBODY` nobody here: (B,)."""
        by_B = np.full(len(user_B), NOBODY, np.int64)
        for number, fallback in reversed(list(enumerate(self.fallbacks, 1))):
            by_B[fallback.scorer.knows(user_B, known)] = number
        for recaller in self.recallers:
            if recaller.personal:
                by_B[recaller.scorer.knows(user_B, known)] = 0
        return by_B

    def score(self, user_B: NDArray[np.int64], known: Histories) -> NDArray[np.float32]:
        """Score the whole catalogue: (B, V), -inf for what is no candidate."""
        score_BV = np.full((len(user_B), self.n_items), -np.inf, np.float32)
        by_B = self.answered_by(user_B, known)
        for number, fallback in enumerate(self.fallbacks, 1):
            rows = np.flatnonzero(by_B == number)
            if len(rows):
                score_BV[rows] = fallback.scorer.score(user_B[rows], known.take(rows))
        for rows, user, histories in self._parts(user_B, known, np.flatnonzero(by_B <= 0)):
            candidates = self.candidates(user, histories)
            rank_BN = self.ranker.rank(user, histories, candidates)
            row, place = np.nonzero(candidates.item >= 0)
            score_BV[rows[row], candidates.item[row, place]] = rank_BN[row, place]
        return score_BV

    def score_items(self, user_B: NDArray[np.int64], known: Histories, item_BN: NDArray[np.int64]) -> NDArray[np.float32]:
        """Score given items: (B, N). Which of them are candidates does not depend on what is asked."""
        score_BN = np.empty(item_BN.shape, np.float32)
        for rows, user, histories in self._parts(user_B, known, np.arange(len(user_B))):
            score_BN[rows] = np.take_along_axis(self.score(user, histories), item_BN[rows], axis=1)
        return score_BN

    def similar(self, item_B: NDArray[np.int64]) -> NDArray[np.float32]:
        """Score how alike items are: (B, V), as the first personal recaller sees it."""
        personal = [recaller for recaller in self.recallers if recaller.personal]
        return (personal or list(self.recallers))[0].scorer.similar(item_B)

    def candidates(self, user_B: NDArray[np.int64], known: Histories) -> Candidates:
        """Return what the first stage names for some shoppers."""
        if self.notes is None:
            return recall(self.recallers, user_B, known, self.hidden(known), self.n_items)
        arrays = (user_B, known.offsets, known.item, known.event, known.time, known.context)
        key = tuple(b"" if array is None else array.tobytes() for array in arrays)
        if key not in self.notes:
            self.notes[key] = recall(self.recallers, user_B, known, self.hidden(known), self.n_items)
        return self.notes[key]

    def hidden(self, known: Histories) -> Histories:
        """Return the events whose items are no candidates any more."""
        return known.where(np.isin(known.event, self.hidden_events))

    def reasons(self, user_B: NDArray[np.int64], known: Histories, item_BK: NDArray[np.int64]) -> Reasons:
        """Say why items are there: the recaller that names each highest, a personal one if any does; see `explain`."""
        sources = (*self.recallers, *self.fallbacks)
        source_BK = np.full(item_BK.shape, NOBODY, np.int64)
        by_B = self.answered_by(user_B, known)
        for rows, user, histories in self._parts(user_B, known, np.flatnonzero(by_B <= 0)):
            source_BK[rows] = self._named_by(self.candidates(user, histories), item_BK[rows])
        fallen_B = by_B > 0
        source_BK[fallen_B] = np.where(item_BK[fallen_B] >= 0, len(self.recallers) + by_B[fallen_B][:, None] - 1, NOBODY)
        scorers = [source.scorer for source in sources]
        return Reasons(
            tuple(f"from {source.name}" if source.personal else source.name for source in sources),
            source_BK,
            *likeness(scorers, source_BK, known, item_BK),
        )

    def _named_by(self, candidates: Candidates, item_BK: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the recaller that stands for each item, `NOBODY` for what none named: (B, K)."""
        # Place among what the recaller names; one that tells everybody the same stands behind every personal one.
        score_BNR = np.where(candidates.named, candidates.score, -np.inf)
        place_BNR = (-score_BNR).argsort(axis=1, kind="stable").argsort(axis=1, kind="stable").astype(np.float64)
        place_BNR += [0 if recaller.personal else self.n_items for recaller in self.recallers]
        place_BNR[~candidates.named] = np.inf
        best_BN = np.where(candidates.named.any(axis=2), place_BNR.argmin(axis=2), NOBODY)
        same_BKN = (item_BK[:, :, None] == candidates.item[:, None, :]) & (item_BK >= 0)[:, :, None]
        return np.asarray(np.where(same_BKN, best_BN[:, None, :], NOBODY).max(axis=2, initial=NOBODY), np.int64)

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the arrays of all parts: "recall.0.", "recall.1.", ..., "fallback.0.", ..., "ranker."."""
        state: dict[str, NDArray[Any]] = {"hidden_events": self.hidden_events, "n_items": np.array([self.n_items])}
        for kind, sources in (("recall", self.recallers), ("fallback", self.fallbacks)):
            for number, source in enumerate(sources):
                scorer: Any = source.scorer
                state |= {f"{kind}.{number}.{name}": array for name, array in scorer.state().items()}
        return state | {f"ranker.{name}": array for name, array in self.ranker.state().items()}

    def _parts(
        self, user_B: NDArray[np.int64], known: Histories, row_P: NDArray[np.int64]
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], Histories]]:
        """Yield some of the rows asked for at a time, so that the recallers' scores stay within bounds."""
        for block in blocks(len(row_P), self.n_items * len(self.recallers), BLOCK_CELLS):
            for start in range(0, len(block), _MAX_ROWS):
                rows = row_P[block[start : start + _MAX_ROWS]]
                yield rows, user_B[rows], known.take(rows)
