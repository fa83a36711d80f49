"""Histories as rows of one length, the way sequence models read them; training and serving share it. NumPy only."""

# B shoppers   L events of a history, padded on the right   E events of all histories

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aisle.features.histories import Histories

GAP_BUCKETS = 40  # powers of two of a second: 2**39 s are 17,000 years


def padded(histories: Histories, length: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Lay histories of at most `length` events out as rows, padded on the right.

    Returns:
        (B, L) int64 item codes, -1 padded; kinds of event and gap buckets, 0 padded.

    Example:
        >>> one = Histories(np.array([0, 2]), np.array([7, 9], np.int32), np.array([1, 6], np.uint8), np.array([0, 8_000_000]))
        >>> [array.tolist() for array in padded(one, 3)]
        [[[7, 9, -1]], [[1, 6, 0]], [[0, 4, 0]]]
    """
    rows = histories.rows
    column = np.arange(len(rows)) - histories.offsets[rows]
    item_BL = np.full((len(histories), length), -1, np.int64)
    event_BL, gap_BL = np.zeros((2, len(histories), length), np.int64)
    item_BL[rows, column] = histories.item
    event_BL[rows, column] = histories.event
    gap_BL[rows, column] = gap_buckets(histories)
    return item_BL, event_BL, gap_BL


def gap_buckets(histories: Histories) -> NDArray[np.int64]:
    """Return the bucket of the time since the event before, in powers of two of a second: (E,); 0 for a row's first event.

    A second or less is bucket 1, up to two seconds 2, up to four 3.
    """
    gap_s = np.diff(histories.time, prepend=histories.time[:1]) / 1e6
    bucket = 1 + np.ceil(np.log2(np.maximum(gap_s, 1.0))).astype(np.int64)
    bucket[histories.offsets[:-1][histories.lengths > 0]] = 0
    return np.minimum(bucket, GAP_BUCKETS - 1)
