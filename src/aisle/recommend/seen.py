"""Items that a shopper has already met are no news: out of the scores."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aisle.features.histories import Histories
from aisle.features.pairs import contains, pairs


def hide(score_BV: NDArray[np.float32], seen: Histories) -> None:
    """Set the scores of seen items to -inf, in place: (B, V) scores, B histories."""
    score_BV[seen.rows, seen.item] = -np.inf


def is_seen(item_BN: NDArray[np.integer], seen: Histories, n_items: int) -> NDArray[np.bool_]:
    """Say which of some items are in the history of their row: (B, N) item codes, -1 is never seen -> (B, N) bool."""
    wanted_BN = np.arange(len(item_BN))[:, None] * n_items + item_BN
    return contains(pairs(seen, n_items), wanted_BN) & (item_BN >= 0)
