"""Do two lists of each shopper agree, but for items that tie?"""

# B shoppers   K places in a list

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def disagreements(
    item_a_BK: NDArray[np.integer],
    score_a_BK: NDArray[np.float32],
    item_b_BK: NDArray[np.integer],
    score_b_BK: NDArray[np.float32],
    tolerance: float,
) -> NDArray[np.int64]:
    """Return the rows whose lists do not agree.

    Place by place the scores must be within the tolerance, absolute or relative, whichever is more. Then an item that stands
    elsewhere, or is missing at the end of one list, changed places with items of as good as equal scores; an item that is in
    both lists must have as good as equal scores in both.

    Args:
        item_a_BK: items of one list, -1 where it has ended.
        score_a_BK: their scores, descending.
        item_b_BK: items of the other list.
        score_b_BK: their scores.
        tolerance: see above.
    """
    differs_B = ((item_a_BK < 0) != (item_b_BK < 0)).any(axis=1) | ~_near(score_a_BK, score_b_BK, tolerance).all(axis=1)
    same_BKK = (item_a_BK[:, :, None] == item_b_BK[:, None, :]) & (item_a_BK >= 0)[:, :, None]
    differs_B |= (same_BKK & ~_near(score_a_BK[:, :, None], score_b_BK[:, None, :], tolerance)).any(axis=(1, 2))
    # What is in one list alone must tie with the last place of the other.
    for item_BK, score_BK, alone_BK in (
        (item_a_BK, score_a_BK, ~same_BKK.any(axis=2)),
        (item_b_BK, score_b_BK, ~same_BKK.any(axis=1)),
    ):
        differs_B |= (alone_BK & (item_BK >= 0) & ~_near(score_BK, score_BK[:, -1:], 2 * tolerance)).any(axis=1)
    return np.flatnonzero(differs_B)


def _near(a: NDArray[np.float32], b: NDArray[np.float32], tolerance: float) -> NDArray[np.bool_]:
    return np.isclose(a, b, rtol=tolerance, atol=tolerance)
