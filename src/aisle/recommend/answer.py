"""What a shop would answer: the model's scores where it knows the shopper, popularity where it does not.

Recommending and evaluating both go through here, so what is measured is what is served.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from aisle.errors import AisleError
from aisle.features.histories import Histories
from aisle.recommend.scorer import Scorer

# B shoppers   V items   N items a shopper

BLOCK_CELLS = 4_000_000


def blocks(n_rows: int, n_columns: int, cells: int = BLOCK_CELLS) -> Iterator[NDArray[np.int64]]:
    """Yield the rows 0..n_rows - 1 in blocks of at most `cells` scores (and at least one row), to bound memory."""
    size = max(1, cells // max(n_columns, 1))
    for start in range(0, n_rows, size):
        yield np.arange(start, min(start + size, n_rows))


def answer(
    scorer: Scorer, fallback_V: NDArray[np.float32], user_B: NDArray[np.int64], known: Histories
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Score the whole catalogue for some shoppers.

    Args:
        scorer: the model.
        fallback_V: (V,) popularity, for shoppers the model does not know.
        user_B: (B,) user codes, -1 for a user that is not in the dataset.
        known: B histories.

    Returns:
        (B, V) float32, the caller's own to change; and (B,) bool, True where the model answered.

    Raises:
        AisleError: E350 when the model gives NaN.
    """
    modelled_B = scorer.knows(user_B, known)
    score_BV = np.empty((len(user_B), len(fallback_V)), np.float32)
    if modelled_B.all():
        score_BV[:] = scorer.score(user_B, known)
    else:
        score_BV[:] = fallback_V
        rows = np.flatnonzero(modelled_B)
        if len(rows):
            score_BV[rows] = scorer.score(user_B[rows], known.take(rows))
    check_no_nan(score_BV)
    return score_BV, modelled_B


def answer_items(
    scorer: Scorer,
    fallback_V: NDArray[np.float32],
    user_B: NDArray[np.int64],
    known: Histories,
    item_BN: NDArray[np.int64],
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Score some items for some shoppers: like `answer`, for (B, N) item codes, which must all be items.

    Raises:
        AisleError: E350 when the model gives NaN.
    """
    modelled_B = scorer.knows(user_B, known)
    score_BN = fallback_V[item_BN].astype(np.float32)
    rows = np.flatnonzero(modelled_B)
    if len(rows):
        score_BN[rows] = scorer.score_items(user_B[rows], known.take(rows), item_BN[rows])
    check_no_nan(score_BN)
    return score_BN, modelled_B


def check_no_nan(score: NDArray[np.float32]) -> None:
    """Refuse scores that cannot be put in order; max carries a NaN through and costs one quick pass.

    Raises:
        AisleError: E350.
    """
    if score.size and np.isnan(score.max()):
        raise AisleError(
            f"the model gave NaN for {int(np.isnan(score).sum()):,} of {score.size:,} scores",
            hint="train it again with a smaller learning rate; its weights are no longer numbers",
            code="E350",
        )
