"""Exact nearest items: one matrix product, then a selection that looks at few scores.

The product takes nearly all of the time. The selection cuts the catalogue into G groups, takes each group's best score, and
looks inside the k groups with the best bests only: the k best items cannot lie elsewhere. Where the bundle brings the items in
7 bits (`coarse`), the product is made of those, and only what may be among the best is scored with the vectors themselves.
"""

# B queries   D width   V items, of a part or of all   P rows of the score table   G groups   W items looked at   K places

from __future__ import annotations

import threading

import numpy as np
from numpy.typing import NDArray

from aisle.bundle.coarse import Coarse
from aisle.bundle.found import Found, best_of, by_key, without
from aisle.bundle.index_config import NOTHING, check_query
from aisle.errors import AisleError
from aisle.features.pairs import of_rows
from aisle.recommend.topk import top_k

_GROUP = 32  # items a group
_MOST_QUERIES = 32  # at a time: the table of scores stays within the processor's cache
_MOST_ITEMS = 131_072  # rows of the item matrix at a time
_NOTHING_LEFT_OUT = np.zeros(0, np.int64)
_FEW = 4  # a filter that leaves less than 1 in so many is answered by copying those rows out

# OpenBLAS packs the whole item matrix again for every product, which for few queries costs as much as the product; it does
# not below these sizes. Rows at a time by number of queries (benchmarks/index, exact.py).
_SMALL_ROWS = ((4, 2048), (8, 512))


class ExactIndex:
    """Scores every item; equal scores go to the lower item code.

    Args:
        item_VD: (V, D) float32, may be memory-mapped.
        scorable_V: (V,) bool; the others are never returned.
        coarse: the items in 7 bits; None = every item is scored with its vector.

    Raises:
        AisleError: E034 when the two do not fit together.
    """

    kind = "exact"

    def __init__(self, item_VD: NDArray[np.float32], scorable_V: NDArray[np.bool_], coarse: Coarse | None = None) -> None:
        if item_VD.ndim != 2 or scorable_V.shape != item_VD.shape[:1] or item_VD.dtype != np.float32:
            raise AisleError(
                f"an item matrix of {item_VD.dtype} {item_VD.shape} and a mask of {scorable_V.shape}; "
                "expected float32 (V, D) and (V,)",
                hint="export the model again",
                code="E034",
            )
        self.item_VD, self.scorable_V, self.coarse = item_VD, scorable_V.astype(np.bool_), coarse
        self._closed = np.flatnonzero(~self.scorable_V)
        self._kept = threading.local()

    def search(
        self,
        vector_BD: NDArray[np.float32],
        k: int,
        allowed_V: NDArray[np.bool_] | None = None,
        left_out: NDArray[np.int64] | None = None,
    ) -> Found:
        """Return the k best items for each vector; see `index_config.Index`."""
        check_query(vector_BD, k, allowed_V, self.item_VD.shape)
        left_out = _NOTHING_LEFT_OUT if left_out is None else left_out
        if allowed_V is None:
            return self._all(vector_BD, k, self._closed, left_out)
        open_V = self.open(allowed_V)
        n_open = int(np.count_nonzero(open_V))
        if n_open * _FEW < len(open_V):
            return self.among(vector_BD, k, np.flatnonzero(open_V), left_out)
        return self._all(vector_BD, k, np.flatnonzero(~open_V), left_out)

    def open(self, allowed_V: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return which of the allowed items can be scored: (V,)."""
        return allowed_V & self.scorable_V if len(self._closed) else allowed_V

    def among(
        self,
        vector_BD: NDArray[np.float32],
        k: int,
        item_N: NDArray[np.int64],
        left_out: NDArray[np.int64] | None = None,
    ) -> Found:
        """Return the k best of a few items: (N,) codes in ascending order, all of them scorable."""
        shape = (len(vector_BD), len(self.item_VD))
        return without(lambda places: self._among(vector_BD, places, item_N), k, left_out, shape, len(item_N))

    def _among(self, vector_BD: NDArray[np.float32], k: int, item_N: NDArray[np.int64]) -> Found:
        parts = [
            (start, self._part(self.item_VD[item_N[start : start + _MOST_ITEMS]], vector_BD, k, item_N[:0]))
            for start in range(0, len(item_N), _MOST_ITEMS)
        ]
        place_BK, score_BK = _merge(parts, len(vector_BD), k)
        return np.where(place_BK == NOTHING, NOTHING, item_N[place_BK] if len(item_N) else place_BK), score_BK

    def _all(self, vector_BD: NDArray[np.float32], k: int, closed: NDArray[np.int64], left_out: NDArray[np.int64]) -> Found:
        if self.coarse is not None and self.coarse.fits(len(self.item_VD), k):
            (item_BK, score_BK), clear_B = self.coarse.search(self.item_VD, vector_BD, k, closed, left_out)
            if not clear_B.all():
                rows = np.flatnonzero(~clear_B)
                left_out = of_rows(left_out, rows, len(self.item_VD))
                item_BK[rows], score_BK[rows] = self._plain(vector_BD[rows], k, closed, left_out)
            return item_BK, score_BK
        return self._plain(vector_BD, k, closed, left_out)

    def _plain(self, vector_BD: NDArray[np.float32], k: int, closed: NDArray[np.int64], left_out: NDArray[np.int64]) -> Found:
        shape = (len(vector_BD), len(self.item_VD))
        return without(lambda places: self._each(vector_BD, places, closed), k, left_out, shape, len(self.item_VD))

    def _each(self, vector_BD: NDArray[np.float32], k: int, closed: NDArray[np.int64]) -> Found:
        parts = []
        for start in range(0, len(self.item_VD), _MOST_ITEMS):
            stop = start + _MOST_ITEMS
            inside = closed[np.searchsorted(closed, start) : np.searchsorted(closed, stop)] - start
            parts.append((start, self._part(self.item_VD[start:stop], vector_BD, k, inside)))
        return _merge(parts, len(vector_BD), k)

    def _part(self, item_VD: NDArray[np.float32], vector_BD: NDArray[np.float32], k: int, closed: NDArray[np.int64]) -> Found:
        """Search some rows of the item matrix; `closed` are those of them that may not be returned."""
        parts = []
        for start in range(0, len(vector_BD), _MOST_QUERIES):
            some_BD = vector_BD[start : start + _MOST_QUERIES]
            score_PB = self._table(-(-len(item_VD) // _GROUP) * _GROUP, len(some_BD))
            _product(item_VD, some_BD, score_PB)
            score_PB[closed] = -np.inf
            score_PB[len(item_VD) :] = -np.inf
            parts.append(best_rows(score_PB, min(k, len(item_VD))))
        items, scores = zip(*parts, strict=True) if parts else ((np.zeros((0, k), np.int64),), (np.zeros((0, k), np.float32),))
        return np.concatenate(items), np.concatenate(scores)

    def _table(self, rows: int, columns: int) -> NDArray[np.float32]:
        """Return room for scores, kept between searches: fresh pages from the system would cost a tenth of a search."""
        cells: NDArray[np.float32] | None = getattr(self._kept, "cells", None)
        if cells is None or len(cells) < rows * columns:
            cells = self._kept.cells = np.empty(rows * columns, np.float32)
        return cells[: rows * columns].reshape(rows, columns)


def best_rows(score_PB: NDArray[np.float32], k: int) -> Found:
    """Return the k best rows of each column, best first; equal scores go to the lower row.

    Args:
        score_PB: (P, B) float32, P a multiple of 32 where it is large.
        k: at most P.

    Returns:
        (B, k) int64 rows, -1 where a column has fewer that are above -inf; and their scores.
    """
    n_rows, n_columns = score_PB.shape
    size = _group_size(n_rows, k)
    n_groups = n_rows // size
    if k == 0 or n_columns == 0 or n_rows % size or n_groups < 2 * k:
        return _plainly(score_PB.T, k)
    column_B1 = np.arange(n_columns)[:, None]
    score_WGB = score_PB.reshape(size, n_groups, n_columns)  # row r is at [r // G, r % G]
    best_BG = np.ascontiguousarray(score_WGB.max(axis=0).T)
    group_BK = np.argpartition(best_BG, n_groups - k, axis=1)[:, n_groups - k :]
    row_BW = (np.arange(size)[None, :, None] * n_groups + group_BK[:, None, :]).reshape(n_columns, -1)
    score_BW = score_PB[row_BW, column_B1]
    place_BK = np.argpartition(score_BW, score_BW.shape[1] - k, axis=1)[:, score_BW.shape[1] - k :]
    row_BK, score_BK = by_key(score_BW[column_B1, place_BK], row_BW[column_B1, place_BK], k)
    # Where a score left out equals the last one kept, the selections above chose between them at will.
    least_B1 = score_BK[:, -1:]
    tied_B = np.count_nonzero(score_BW >= least_B1, axis=1) > k
    tied_B |= np.count_nonzero(best_BG >= least_B1, axis=1) > np.count_nonzero(best_BG[column_B1, group_BK] >= least_B1, axis=1)
    for column in np.flatnonzero(tied_B):
        row_BK[column], score_BK[column] = (array[0] for array in _plainly(score_PB[None, :, column], k))
    return row_BK, score_BK


def _group_size(n_rows: int, k: int) -> int:
    """Return how many rows make a group: many where few groups will be looked into, up to 32."""
    size = 4
    while size < _GROUP and (2 * size) ** 2 * 5 * k <= n_rows:  # a row looked into costs about 5 times a group's maximum
        size *= 2
    return size


def _plainly(score_BV: NDArray[np.float32], k: int) -> Found:
    if k == 0:
        return np.zeros((len(score_BV), 0), np.int64), np.zeros((len(score_BV), 0), np.float32)
    item_BK, score_BK = top_k(np.ascontiguousarray(score_BV), k)
    return item_BK.astype(np.int64), score_BK


def _merge(parts: list[tuple[int, Found]], n_queries: int, k: int) -> Found:
    """Return the k best of several parts of the catalogue, each searched by itself and beginning at some item."""
    if len(parts) == 1 and parts[0][0] == 0 and parts[0][1][0].shape[1] == k:
        return parts[0][1]
    empty = np.zeros((n_queries, 0), np.int64)
    item_BN = np.concatenate([empty, *(item + start for start, (item, _) in parts)], axis=1)
    score_BN = np.concatenate([empty.astype(np.float32), *(score for _, (_, score) in parts)], axis=1)
    return best_of(score_BN, np.maximum(item_BN, 0), k)


def _product(item_VD: NDArray[np.float32], vector_BD: NDArray[np.float32], score_PB: NDArray[np.float32]) -> None:
    """Write the inner products of all items and vectors into the first V rows of a table."""
    vector_DB = np.ascontiguousarray(vector_BD.T, np.float32)
    rows = next((rows for most, rows in _SMALL_ROWS if len(vector_BD) <= most), len(item_VD)) or 1
    rows = len(item_VD) if len(vector_BD) == 1 else rows  # one query is a matrix-vector product, which packs nothing
    for start in range(0, len(item_VD), rows):
        stop = min(start + rows, len(item_VD))
        np.matmul(item_VD[start:stop], vector_DB, out=score_PB[start:stop])
