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
    named = []
    for recaller, score_BV in zip(recallers, scores, strict=True):
        open_BV = score_BV.copy()
        hide(open_BV, hidden)
        named.append(top_k(open_BV, recaller.count)[0])
    item_BN = _union(np.concatenate(named, axis=1))
    place_BN = np.maximum(item_BN, 0)
    score_BNR = np.stack([np.take_along_axis(score_BV, place_BN, axis=1) for score_BV in scores], axis=2)
    score_BNR[item_BN < 0] = -np.inf
    named_BNR = np.stack([_is_named(item_BN, item_BK, n_items) for item_BK in named], axis=2)
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


def _union(item_BM: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return each row's distinct items in ascending order, then -1: (B, M) with -1 for nothing -> (B, N)."""
    last = np.iinfo(np.int64).max
    sorted_BM = np.sort(np.where(item_BM == NOTHING, last, item_BM.astype(np.int64)), axis=1)
    sorted_BM[:, 1:][sorted_BM[:, 1:] == sorted_BM[:, :-1]] = last
    sorted_BM = np.sort(sorted_BM, axis=1)
    width = int((sorted_BM < last).sum(axis=1).max(initial=0))
    return np.where(sorted_BM[:, :width] == last, NOTHING, sorted_BM[:, :width])


def _is_named(item_BN: NDArray[np.int64], item_BK: NDArray[np.int32], n_items: int) -> NDArray[np.bool_]:
    """Say which candidates are among one recaller's: (B, N) bool."""
    row_B1 = np.arange(len(item_BN))[:, None]
    key_BK = np.where(item_BK == NOTHING, -1, row_B1 * n_items + item_BK)
    return np.isin(row_B1 * n_items + item_BN, key_BK[key_BK >= 0]) & (item_BN >= 0)
