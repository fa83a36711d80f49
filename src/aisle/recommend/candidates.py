"""The first stage: several models each name their best items, and together these are the candidates."""

# B shoppers   V items of the catalogue   N candidates a shopper   R recallers   K items that one recaller names

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from aisle.features.histories import Histories
from aisle.recommend.answer import check_no_nan
from aisle.recommend.scorer import Scorer
from aisle.recommend.seen import hide
from aisle.recommend.topk import NOTHING, top_k


@dataclass(frozen=True)
class Recaller:
    """One source of candidates.

    Attributes:
        name: what a person calls it; unique among the recallers of a recommender.
        scorer: names the items.
        count: how many items it may name for a shopper.
    """

    name: str
    scorer: Scorer
    count: int

    @cached_property
    def personal(self) -> bool:
        """Whether it says more than what everybody wants: such a model does not claim to know a stranger."""
        return not bool(self.scorer.knows(np.array([-1]), Histories.empty(1))[0])


@dataclass(frozen=True)
class Candidates:
    """N candidates for each of B shoppers.

    Attributes:
        item: (B, N) int64 ascending item codes, then -1 where a shopper has fewer.
        score: (B, N, R) float32, what each recaller gives each candidate; -inf where it cannot say.
        named: (B, N, R) bool, which recallers have the candidate among the items that they name.
    """

    item: NDArray[np.int64]
    score: NDArray[np.float32]
    named: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.item)


def recall(
    recallers: Sequence[Recaller], user_B: NDArray[np.int64], known: Histories, hidden: Histories, n_items: int
) -> Candidates:
    """Let every recaller name its best items.

    A recaller that does not know a shopper names nothing for them. Every recaller then scores all candidates, those of the
    others too: a ranker learns from both.

    Args:
        recallers: who names.
        user_B: (B,) user codes, -1 for a user that is not in the dataset.
        known: B histories.
        hidden: B histories of items that must not be named.
        n_items: V.

    Raises:
        AisleError: E350 when a recaller gives NaN.
    """
    scores = [_scores(recaller.scorer, user_B, known, n_items) for recaller in recallers]
    named_RBV = np.zeros((len(recallers), len(user_B), n_items), np.bool_)
    for named_BV, recaller, score_BV in zip(named_RBV, recallers, scores, strict=True):
        open_BV = score_BV
        if len(hidden.item):
            open_BV = score_BV.copy()
            hide(open_BV, hidden)
        item_BK = top_k(open_BV, recaller.count)[0]
        row, place = np.nonzero(item_BK != NOTHING)
        named_BV[row, item_BK[row, place]] = True
    item_BN = _places(np.asarray(named_RBV.any(axis=0)))
    cell = (np.arange(len(user_B))[:, None], np.maximum(item_BN, 0))
    score_BNR = np.stack([score_BV[cell] for score_BV in scores], axis=2)
    score_BNR[item_BN < 0] = -np.inf
    named_BNR = np.stack([named_BV[cell] for named_BV in named_RBV], axis=2)
    named_BNR[item_BN < 0] = False
    return Candidates(item_BN, score_BNR, named_BNR)


def _scores(scorer: Scorer, user_B: NDArray[np.int64], known: Histories, n_items: int) -> NDArray[np.float32]:
    """Score the whole catalogue, -inf for shoppers that the model does not know: (B, V)."""
    known_B = scorer.knows(user_B, known)
    rows = np.flatnonzero(known_B)
    if len(rows) == len(user_B) and len(rows):
        score_BV = scorer.score(user_B, known)
    else:
        score_BV = np.full((len(user_B), n_items), -np.inf, np.float32)
        if len(rows):
            score_BV[rows] = scorer.score(user_B[rows], known.take(rows))
    check_no_nan(score_BV)
    return score_BV


def _places(mark_BV: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return where each row is marked, ascending, then -1: (B, V) -> (B, N)."""
    row, item = np.nonzero(mark_BV)
    count_B = np.bincount(row, minlength=len(mark_BV))
    item_BN = np.full((len(mark_BV), int(count_B.max(initial=0))), NOTHING, np.int64)
    item_BN[row, np.arange(len(row)) - (np.cumsum(count_B) - count_B)[row]] = item
    return item_BN
