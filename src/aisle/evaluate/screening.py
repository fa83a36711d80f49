"""Which cases are over before the whole catalogue is scored: k popular items that beat every right answer prove it.

A metric at k asks only whether a right answer stands among the first k. For a scorer where a pair is dear this saves most
of the work, and changes no metric: `tests/evaluate/test_screening.py` holds the two ways against each other.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from aisle.dataset.cases import Cases
from aisle.evaluate.facts import Facts
from aisle.evaluate.protocol import EvaluateConfig
from aisle.recommend.answer import check_no_nan
from aisle.recommend.scorer import Scorer, SharedScorer

# B cases of a block   N popular items   T right answers   M most right answers of a case

# One part in 8 of the catalogue, but never fewer than 64: more would cost more than it can prove.
_SHARE, _LEAST = 8, 64
# The few items and the whole catalogue may be scored through other orders of summation, so only what is clearly above
# a right answer counts as above: this much of the largest score.
_MARGIN = 1e-4

Screen = Callable[[Cases], NDArray[np.bool_]]


def make_screen(scorer: Scorer, facts: Facts, config: EvaluateConfig) -> Screen | None:
    """Return a function that says which cases of a block still need the whole catalogue: (B,) bool.

    Args:
        scorer: the model; only a `SharedScorer` gains anything.
        facts: for the popular items.
        config: lists need the whole catalogue, so with them nothing can be saved.

    Returns:
        None where there is nothing to gain.
    """
    count = max(facts.n_items // _SHARE, _LEAST)
    if config.lists or not isinstance(scorer, SharedScorer) or count >= facts.n_items:
        return None
    popular_N = np.sort(np.argsort(-facts.item_events, kind="stable")[:count])

    def needs_more(block: Cases) -> NDArray[np.bool_]:
        return ~_beaten(scorer, block, popular_N, config)

    return needs_more


def _beaten(scorer: Scorer, block: Cases, popular_N: NDArray[np.int64], config: EvaluateConfig) -> NDArray[np.bool_]:
    """Say for which cases k wrong answers among the popular items clearly beat every right answer: (B,) bool."""
    assert isinstance(scorer, SharedScorer)
    user_B = block.user.astype(np.int64)
    beaten_B = scorer.knows(user_B, block.known)
    rows = np.flatnonzero(beaten_B)
    if not len(rows):
        return beaten_B
    asked = block.take(rows)
    best_B = _best_right_answer(scorer, asked)
    score_BN = scorer.score_shared(user_B[rows], asked.known, popular_N)
    check_no_nan(score_BN)
    if config.filter_seen:
        _strike(score_BN, popular_N, asked.no_news.rows, asked.no_news.item)
    _strike(score_BN, popular_N, np.repeat(np.arange(len(asked)), np.diff(asked.target_offsets)), asked.target_item)
    margin = _MARGIN * np.abs(score_BN, where=np.isfinite(score_BN), out=np.zeros_like(score_BN)).max(axis=1, initial=0)
    above_B = np.count_nonzero(score_BN > (best_B + margin)[:, None], axis=1)
    # A right answer without a score is ranked by popularity: that is the full ranking's business.
    beaten_B[rows] = (above_B >= max(config.k)) & np.isfinite(best_B)
    return beaten_B


def _best_right_answer(scorer: Scorer, cases: Cases) -> NDArray[np.float32]:
    """Return each case's best score of a right answer, -inf where any has none: (B,)."""
    count_B = np.diff(cases.target_offsets)
    place_BM = cases.target_offsets[:-1, None] + np.minimum(np.arange(count_B.max()), count_B[:, None] - 1)
    item_BM = cases.target_item[place_BM].astype(np.int64)
    score_BM = scorer.score_items(cases.user.astype(np.int64), cases.known, item_BM)
    check_no_nan(score_BM)
    best_B: NDArray[np.float32] = np.where(np.isfinite(score_BM).all(axis=1), score_BM.max(axis=1), -np.inf).astype(np.float32)
    return best_B


def _strike(
    score_BN: NDArray[np.float32], popular_N: NDArray[np.int64], row: NDArray[np.integer], item: NDArray[np.integer]
) -> None:
    """Put -inf, in place, where (row, item) names one of the popular items."""
    column = np.minimum(np.searchsorted(popular_N, item), len(popular_N) - 1)
    there = popular_N[column] == item
    score_BN[row[there], column[there]] = -np.inf
