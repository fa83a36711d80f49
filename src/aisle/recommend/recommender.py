"""Lists for shoppers: the verb that is the same for every model."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from aisle.features.histories import Histories
from aisle.recommend.answer import BLOCK_CELLS, answer, answer_items, blocks, check_no_nan
from aisle.recommend.lists import Lists, best, fill_up
from aisle.recommend.rules import ALL, Counts, Gate
from aisle.recommend.scorer import Scorer
from aisle.recommend.seen import hide, is_seen
from aisle.recommend.topk import NOTHING

# B shoppers   V items   N candidates   K places in a list   R recommendations, all lists one after another


@dataclass(frozen=True)
class Recommendations:
    """R recommendations, list by list, best first.

    Attributes:
        row: (R,) int64, which shopper (or item, for similar items) of the question this is for.
        item: (R,) int32 item code.
        score: (R,) float32; scores of popular items are popularity and cannot be compared with the model's.
        rank: (R,) int32 from 1.
        from_model: (R,) bool; False for a popular item, given because the model cannot say (more).
        removed: rule -> (B,) items that it took out of each shopper's list, for the rules that were asked for.
    """

    row: NDArray[np.int64]
    item: NDArray[np.int32]
    score: NDArray[np.float32]
    rank: NDArray[np.int32]
    from_model: NDArray[np.bool_]
    removed: Counts = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.row)

    @property
    def source(self) -> NDArray[np.str_]:
        """(R,) "model" or "popular"."""
        return np.where(self.from_model, "model", "popular")


def recommend(  # noqa: PLR0913 - the verb that users know, spelt as they know it
    scorer: Scorer,
    fallback_V: NDArray[np.float32],
    user_B: NDArray[np.int64],
    known: Histories,
    *,
    k: int = 10,
    filter_seen: bool = True,
    seen: Histories | None = None,
    candidates: NDArray[np.integer] | None = None,
    gate: Gate | None = None,
    block_cells: int = BLOCK_CELLS,
) -> Recommendations:
    """Recommend k items to each shopper.

    Args:
        scorer: the model.
        fallback_V: (V,) popularity; answers for shoppers that the model does not know, and fills lists that it leaves
            short. -inf is never recommended.
        user_B: (B,) user codes, -1 for a user that is not in the dataset.
        known: B histories, what these shoppers did so far.
        k: items a shopper; a list is shorter only when there is nothing left to recommend.
        filter_seen: leave out what the shopper has already seen.
        seen: B histories that say what that is; None = `known`.
        candidates: (N,) the only item codes that may be recommended; None = the whole catalogue.
        gate: the rules of these requests; they hold for the model's items and for popular ones alike. None = no rules.
        block_cells: scores held at a time, to bound memory.

    Returns:
        The lists, shopper by shopper.

    Raises:
        AisleError: E350 when the model gives NaN.
    """
    pool_N = np.arange(len(fallback_V)) if candidates is None else np.unique(candidates).astype(np.int64)
    gate = gate or Gate()
    question = _Question(scorer, fallback_V, gate.fallback(fallback_V), pool_N, whole=candidates is None)
    parts = []
    for rows in blocks(len(user_B), len(pool_N), block_cells):
        known_B = known.take(rows)
        seen_B = (known_B if seen is None else seen.take(rows)) if filter_seen else None
        parts.append(_lists(question, user_B[rows], known_B, seen_B, gate.take(rows), k, int(rows[0])))
    return _join(parts)


@dataclass(frozen=True)
class _Question:
    """What is the same for all shoppers of a question; `open_V` is popularity without what rules forbid to everybody."""

    scorer: Scorer
    fallback_V: NDArray[np.float32]  # noqa: N815 - shape letters
    open_V: NDArray[np.float32]  # noqa: N815
    pool_N: NDArray[np.int64]  # noqa: N815
    whole: bool


def _lists(  # noqa: PLR0913, PLR0917 - the parts of one block
    question: _Question,
    user_B: NDArray[np.int64],
    known: Histories,
    seen: Histories | None,
    gate: Gate,
    k: int,
    first_row: int,
) -> Recommendations:
    """Return the lists of one block of shoppers."""
    pool_N, n_items = question.pool_N, len(question.fallback_V)
    if question.whole:
        score_BN, modelled_B = answer(question.scorer, question.fallback_V, user_B, known)
    else:
        item_BN = np.broadcast_to(pool_N, (len(user_B), len(pool_N)))
        score_BN, modelled_B = answer_items(question.scorer, question.fallback_V, user_B, known, item_BN)
    if seen is not None:
        _hide_in_pool(score_BN, seen, pool_N, whole=question.whole, n_items=n_items)
    removed = gate.strike(score_BN, pool_N, n_items)

    left_out = gate.left_out(seen)

    def make(places: int, rows: slice = ALL, open_N: NDArray[np.bool_] | None = None) -> Lists:
        score_RN, open_V = score_BN[rows], question.open_V
        left_out_R = left_out if left_out is None or rows == ALL else left_out.take(np.arange(len(user_B))[rows])
        if open_N is not None:
            score_RN, open_V = np.where(open_N, score_RN, -np.inf), open_V.copy()
            open_V[pool_N[~open_N]] = -np.inf
        return fill_up(best(score_RN, places, modelled_B[rows]), pool_N, open_V, left_out_R)

    lists, passed = gate.capped(make, k, pool_N)
    return _flatten(lists, pool_N, first_row, removed | passed)


def similar_items(
    scorer: Scorer, item_B: NDArray[np.int64], *, k: int = 10, open_V: NDArray[np.bool_] | None = None
) -> Recommendations:
    """Return the k items most like each given one. No shopper asks: nothing is hidden as seen.

    Args:
        scorer: the model.
        item_B: (B,) item codes.
        k: items a list; shorter where the model knows fewer.
        open_V: (V,) bool, the only items that may be shown, such as `Knowledge.shown`; None = all.

    Raises:
        AisleError: E350 when the model gives NaN.
    """
    parts = []
    for rows in blocks(len(item_B), 1 << 16):
        score_BV = scorer.similar(item_B[rows])
        check_no_nan(score_BV)
        if open_V is not None:
            score_BV = np.where(open_V, score_BV, np.float32(-np.inf))
        lists = best(score_BV, k, np.ones(len(rows), np.bool_))
        parts.append(_flatten(lists, np.arange(score_BV.shape[1]), int(rows[0])))
    return _join(parts)


def _hide_in_pool(
    score_BN: NDArray[np.float32], seen: Histories, pool_N: NDArray[np.int64], *, whole: bool, n_items: int
) -> None:
    if whole:
        hide(score_BN, seen)
    else:
        item_BN = np.broadcast_to(pool_N, score_BN.shape)
        score_BN[is_seen(item_BN, seen, n_items)] = -np.inf


def _flatten(lists: Lists, pool_N: NDArray[np.int64], first_row: int, removed: Counts | None = None) -> Recommendations:
    row, rank = np.nonzero(lists.place != NOTHING)
    return Recommendations(
        row=row + first_row,
        item=pool_N[lists.place[row, rank]].astype(np.int32),
        score=lists.score[row, rank],
        rank=(rank + 1).astype(np.int32),
        from_model=lists.from_model[row, rank],
        removed=removed or {},
    )


def _join(parts: list[Recommendations]) -> Recommendations:
    return Recommendations(
        row=np.concatenate([np.zeros(0, np.int64), *(part.row for part in parts)]),
        item=np.concatenate([np.zeros(0, np.int32), *(part.item for part in parts)]),
        score=np.concatenate([np.zeros(0, np.float32), *(part.score for part in parts)]),
        rank=np.concatenate([np.zeros(0, np.int32), *(part.rank for part in parts)]),
        from_model=np.concatenate([np.zeros(0, np.bool_), *(part.from_model for part in parts)]),
        removed={name: np.concatenate([part.removed[name] for part in parts]) for name in (parts[0].removed if parts else ())},
    )
