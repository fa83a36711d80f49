"""The rank that each right answer gets, counted exactly in blocks of shoppers; no sort, ties against the model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aisle.dataset.cases import Cases
from aisle.dataset.negatives import sample_unseen
from aisle.evaluate.facts import Facts
from aisle.evaluate.metrics import NEVER, Ranks
from aisle.evaluate.protocol import EvaluateConfig
from aisle.evaluate.screening import make_screen
from aisle.features.histories import Histories
from aisle.recommend.answer import answer, answer_items, blocks
from aisle.recommend.lists import best, fill_up
from aisle.recommend.scorer import Scorer
from aisle.recommend.seen import hide, is_seen

# C cases   T right answers   B cases of a block   V items   N candidates   M right answers of a case, padded   K places

# Above this many right answers sorting a row once is quicker than counting it once an answer.
_MANY_TARGETS = 12

# ranks (T,) int64, modelled (B,) bool, filled (B,) bool of one block
_Part = tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.bool_]]


@dataclass(frozen=True)
class Ranking:
    """What came out.

    Attributes:
        ranks: the rank of each right answer; where no lists were asked for, one behind the largest k may be any such rank.
        modelled: (C,) bool, False where the fallback answered because the model does not know the shopper.
        filled: (C,) bool, True where a right answer has no score of the model's and is ranked behind those that have, by
            popularity, as a list that the model leaves short is filled up.
        item: (C, K) int32 the lists for the largest k, -1 padded; None when they were not asked for.
    """

    ranks: Ranks
    modelled: NDArray[np.bool_]
    filled: NDArray[np.bool_]
    item: NDArray[np.int32] | None


def rank(scorer: Scorer, cases: Cases, config: EvaluateConfig, facts: Facts) -> Ranking:
    """Rank the right answers of every case.

    The rank of a right answer is its place in the list of everything that may be recommended, best first: 1 + the wrong
    answers with the same score or a higher one + the right answers of the same case that come before it. So the ranks
    of a case are distinct, and equal scores count against the model.

    Raises:
        AisleError: E350 when the model gives NaN.
    """
    if config.protocol == "sampled":
        return _rank_sampled(scorer, cases, config, facts)
    return _rank_full(scorer, cases, config, facts)


def _rank_full(scorer: Scorer, cases: Cases, config: EvaluateConfig, facts: Facts) -> Ranking:
    parts, items = [], []
    screen = make_screen(scorer, facts, config)
    for rows in blocks(len(cases), facts.n_items, config.block_cells):
        block = cases.take(rows)
        if screen is None:
            part, lists = _rank_block_full(scorer, block, config, facts)
            items.append(lists)
        else:
            part = _rank_screened(scorer, block, config, facts, screen(block))
        parts.append(part)
    return _join(parts, cases, np.concatenate(items) if config.lists else None)


def _rank_screened(scorer: Scorer, block: Cases, config: EvaluateConfig, facts: Facts, needs_more_B: NDArray[np.bool_]) -> _Part:
    """Rank what needs more than the screen; the right answers of the other cases stand somewhere behind the k-th place."""
    row_T = np.repeat(np.arange(len(block)), np.diff(block.target_offsets))
    rank_T = max(config.k) + 1 + np.arange(len(row_T)) - block.target_offsets[row_T]
    modelled_B, filled_B = np.ones(len(block), np.bool_), np.zeros(len(block), np.bool_)
    rows = np.flatnonzero(needs_more_B)
    if len(rows):
        (rank_T[needs_more_B[row_T]], modelled_B[rows], filled_B[rows]), _ = _rank_block_full(
            scorer, block.take(rows), config, facts
        )
    return rank_T, modelled_B, filled_B


def _rank_block_full(scorer: Scorer, block: Cases, config: EvaluateConfig, facts: Facts) -> tuple[_Part, NDArray[np.int32]]:
    """Rank the right answers of some cases in the whole catalogue; (B, K) lists too where they are asked for."""
    score_BV, modelled_B = answer(scorer, facts.fallback, block.user.astype(np.int64), block.known)
    if config.filter_seen:
        hide(score_BV, block.no_news)
    row_T = np.repeat(np.arange(len(block)), np.diff(block.target_offsets))
    seen = block.no_news if config.filter_seen else None
    rank_T, filled_T = rank_block(score_BV, row_T, block.target_item, _left_over_full(facts.fallback, seen))
    part = rank_T, modelled_B, np.bincount(row_T, filled_T, len(block)) > 0
    if not config.lists:
        return part, np.zeros((len(block), 0), np.int32)
    lists = best(score_BV, max(config.k), modelled_B)
    return part, fill_up(lists, np.arange(facts.n_items), facts.fallback, seen).place


def _left_over_full(fallback_V: NDArray[np.float32], seen: Histories | None) -> Callable[[int], NDArray[np.float32]]:
    def left_over(row: int) -> NDArray[np.float32]:
        popular_V = fallback_V.astype(np.float32)
        if seen is not None:
            popular_V[seen.row(row)] = -np.inf
        return popular_V

    return left_over


def _rank_sampled(scorer: Scorer, cases: Cases, config: EvaluateConfig, facts: Facts) -> Ranking:
    negatives = _negatives(cases, config, facts.n_items)
    most_targets = int(np.diff(cases.target_offsets).max())
    parts = []
    for rows in blocks(len(cases), most_targets + negatives.shape[1], config.block_cells):
        block = cases.take(rows)
        item_BN, competes_BN, row_T, column_T = _candidates(block, negatives[rows], facts.n_items, config)
        score_BN, modelled_B = answer_items(scorer, facts.fallback, block.user.astype(np.int64), block.known, item_BN)
        score_BN[~competes_BN] = -np.inf
        left_over = _left_over_sampled(facts.fallback, item_BN, competes_BN)
        rank_T, filled_T = rank_block(score_BN, row_T, column_T, left_over)
        parts.append((rank_T, modelled_B, np.bincount(row_T, filled_T, len(block)) > 0))
    return _join(parts, cases, None)


def _left_over_sampled(
    fallback_V: NDArray[np.float32], item_BN: NDArray[np.int64], competes_BN: NDArray[np.bool_]
) -> Callable[[int], NDArray[np.float32]]:
    def left_over(row: int) -> NDArray[np.float32]:
        return np.where(competes_BN[row], fallback_V[item_BN[row]], -np.inf).astype(np.float32)

    return left_over


def _negatives(cases: Cases, config: EvaluateConfig, n_items: int) -> NDArray[np.int32]:
    if cases.negatives is not None:
        return cases.negatives
    case_T = np.repeat(np.arange(len(cases)), np.diff(cases.target_offsets))
    seen = cases.no_news
    row = np.concatenate([seen.rows, case_T])
    item = np.concatenate([seen.item, cases.target_item])[np.argsort(row, kind="stable")]
    offsets = seen.offsets + cases.target_offsets
    out = Histories(offsets, item, np.zeros(len(item), np.uint8), np.zeros(len(item), np.int64))
    return sample_unseen(out, config.negatives, n_items=n_items, seed=config.seed)


def _candidates(
    block: Cases, negative_BN: NDArray[np.int32], n_items: int, config: EvaluateConfig
) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.int64], NDArray[np.int64]]:
    """Return the items to score, right answers first; which of them compete; and where each right answer stands.

    A wrong answer that is right after all, or that is there twice, competes once, as the item it is.
    """
    count_B = np.diff(block.target_offsets)
    row_T = np.repeat(np.arange(len(block)), count_B)
    column_T = np.arange(len(row_T)) - block.target_offsets[row_T]
    item_BN = np.full((len(block), int(count_B.max()) + negative_BN.shape[1]), -1, np.int64)
    item_BN[row_T, column_T] = block.target_item
    item_BN[:, int(count_B.max()) :] = negative_BN
    competes_BN = (item_BN >= 0) & ~_is_repeat(item_BN)
    if config.filter_seen:
        competes_BN &= ~is_seen(item_BN, block.no_news, n_items)
    filler_B = block.target_item[block.target_offsets[:-1]]
    return np.where(item_BN >= 0, item_BN, filler_B[:, None]), competes_BN, row_T, column_T


def _is_repeat(item_BN: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Say which entries are equal to an earlier one of their row."""
    order = np.argsort(item_BN, axis=1, kind="stable")
    in_order = np.take_along_axis(item_BN, order, axis=1)
    repeat_BN = np.zeros(item_BN.shape, np.bool_)
    np.put_along_axis(repeat_BN, order[:, 1:], in_order[:, 1:] == in_order[:, :-1], axis=1)
    return repeat_BN


def rank_block(
    score_BN: NDArray[np.float32],
    row_T: NDArray[np.int64],
    column_T: NDArray[np.integer],
    left_over: Callable[[int], NDArray[np.float32]],
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Rank entries of a block of scores.

    Args:
        score_BN: (B, N); -inf does not compete.
        row_T: (T,) the row of each right answer, ascending.
        column_T: (T,) its column.
        left_over: row -> (N,) popularity of what may be recommended in this row, -inf for what may not; the caller's copy.

    Returns:
        (T,) int64 ranks, NEVER where the entry cannot be recommended; (T,) bool, True where popularity gave the rank.
    """
    rank_T = _rank_finite(score_BN, row_T, column_T)
    filled_T = np.zeros(len(row_T), np.bool_)
    unscored_T = score_BN[row_T, column_T] == -np.inf
    for row in np.unique(row_T[unscored_T]):
        here = _places(row_T, unscored_T, row)
        popular_N = left_over(int(row))
        scored_N = score_BN[row] > -np.inf
        popular_N[scored_N] = -np.inf
        behind = _rank_finite(popular_N[None], np.zeros(len(here), np.int64), column_T[here])
        possible = popular_N[column_T[here]] > -np.inf
        rank_T[here] = np.where(possible, np.count_nonzero(scored_N) + behind, NEVER)
        filled_T[here] = possible
    return rank_T, filled_T


def _places(row_T: NDArray[np.int64], wanted_T: NDArray[np.bool_], row: int) -> NDArray[np.int64]:
    start, stop = np.searchsorted(row_T, [row, row + 1])
    return np.arange(start, stop)[wanted_T[start:stop]]


def _rank_finite(score_BN: NDArray[np.float32], row_T: NDArray[np.int64], column_T: NDArray[np.integer]) -> NDArray[np.int64]:
    """Rank by score: wrong answers that reach it, plus the place among the right answers of the row."""
    score_T = score_BN[row_T, column_T]
    order = np.lexsort((-score_T, row_T))
    row, score = row_T[order], score_T[order]
    first = np.searchsorted(row, row, side="left")
    place = np.arange(len(order)) - first + 1
    ends = np.append((row[1:] != row[:-1]) | (score[1:] != score[:-1]), True)
    end_of_tie = np.flatnonzero(ends)[np.cumsum(ends) - ends]
    right_that_reach = end_of_tie - first + 1
    rank_T = np.empty(len(order), np.int64)
    rank_T[order] = _count_reaching(score_BN, row, score) - right_that_reach + place
    return rank_T


def _count_reaching(score_BN: NDArray[np.float32], row_T: NDArray[np.int64], score_T: NDArray[np.float32]) -> NDArray[np.int64]:
    """Count the entries of its row that reach each score; rows ascending. A row at a time stays in the cache."""
    count_T = np.empty(len(row_T), np.int64)
    starts = np.flatnonzero(np.append(True, row_T[1:] != row_T[:-1])) if len(row_T) else np.zeros(0, np.int64)
    for start, stop in zip(starts, np.append(starts[1:], len(row_T)), strict=True):
        score_N = score_BN[row_T[start]]
        if stop - start > _MANY_TARGETS:
            count_T[start:stop] = len(score_N) - np.searchsorted(np.sort(score_N), score_T[start:stop], side="left")
        else:
            for place in range(start, stop):
                count_T[place] = np.count_nonzero(score_N >= score_T[place])
    return count_T


def _join(parts: list[_Part], cases: Cases, item: NDArray[np.int32] | None) -> Ranking:
    rank_T, modelled, filled = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Ranking(Ranks(rank_T, cases.target_offsets), modelled, filled, item)
