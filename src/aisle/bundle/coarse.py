"""A first look at every item in whole numbers of 8 bits, with a bound on its error: the exact lists for half the time.

An item's vector v is kept as v = scale * (q + d), and a query's u as u * scale = s * (p + e): p and q are whole numbers, d and e
what rounding took away. Then u.v = s * (p.q + error) with |error| <= |e| |q| + |p + e| |d|. So an item whose p.q is twice that
bound below the k-th best cannot be among the k best; the few others are scored again, exactly.

Items have 7 bits, not 8: processors without VNNI add two products in 16 bits, and 2 * 255 * 63 is the most that fits.
"""

# B queries   D width   V items   P items and padding   G groups of items   N groups looked into   M candidates   K places

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from aisle.bundle.found import Found, best_of
from aisle.bundle.scorer_files import Session
from aisle.errors import AisleError

GRAPH_NAME, ABOUT_NAME = "coarse.onnx", "coarse.npy"
LEAST_ITEMS = 4096  # below it one product of all is as fast
MOST_CELLS = 50_000_000  # V x D: beyond it nobody searches exactly but to compare, and the graph would be large
_ITEM_MOST, _QUERY_MOST, _ZERO = 63, 127, 128
_GROUP = 32  # items
_ITEMS_A_PLACE = 512  # of the catalogue; longer lists have so many candidates that one product of all is as fast
_CELLS_AT_ONCE = 8_000_000  # of the table of scores: 32 MB
# Groups that may be looked into: so many a place, or 1 in so many of all. Where it would be more the first look told too little.
_GROUPS_A_PLACE, _MOST_GROUPS = 8, 20
_LEAST = 1e-30  # of the largest number of a dimension: the steps of smaller ones would be too small for float32
_LOWEST = np.iinfo(np.int32).min  # of what may not be returned
_SLACK = 1.001  # for the rounding of float32 in the bound itself
_OPSET, _IR_VERSION = 20, 9


@dataclass(frozen=True)
class Coarse:
    """The items in 7 bits.

    Attributes:
        session: multiplies (B, D) whole numbers with them: (B, P).
        scale_D: (D,) float32 size of one step of each dimension.
        length: the longest |q|.
        error: the longest |d|.
    """

    session: Session
    scale_D: NDArray[np.float32]  # noqa: N815 - shape letter
    length: float
    error: float

    @classmethod
    def open(cls, folder: Path, shape: tuple[int, int]) -> Self:
        """Open what `build_coarse` wrote.

        Args:
            folder: of the index.
            shape: (V, D) of the items.

        Raises:
            AisleError: E032 for what cannot be read or is of other items.
        """
        try:
            length, error, *_ = about = np.load(folder / ABOUT_NAME, allow_pickle=False)
            coarse = cls(Session(folder / GRAPH_NAME), about[2:], float(length), float(error))
            nothing = np.full((1, shape[1]), _ZERO, np.uint8)
            seen = (coarse.session.run(p_BD=nothing).shape[1], len(coarse.scale_D))
            if seen != (_padded(shape[0]), shape[1]):
                raise ValueError(f"it is of {seen[0]} places and width {seen[1]}, for {shape[0]} items of width {shape[1]}")
            return coarse
        except Exception as error:  # NumPy parses a header as Python: damage raises whatever Python's parser raises
            raise AisleError(
                f"{GRAPH_NAME} or {ABOUT_NAME} at {folder} cannot be read: {error}",
                hint="restore the bundle from a copy, or export it again",
                code="E032",
            ) from error

    def fits(self, n_items: int, k: int) -> bool:
        """Say whether lists of k places are better found this way."""
        return 0 < k <= n_items // _ITEMS_A_PLACE

    def search(
        self,
        item_VD: NDArray[np.float32],
        vector_BD: NDArray[np.float32],
        k: int,
        closed: NDArray[np.int64],
        left_out: NDArray[np.int64],
    ) -> tuple[Found, NDArray[np.bool_]]:
        """Return the exact lists, and (B,) which they are: the others are empty, since too much would have to be scored again.

        Args:
            item_VD: (V, D) the items as they are.
            vector_BD: (B, D) the queries.
            k: places of a list; `fits` says how many there may be.
            closed: codes of items that may not be returned.
            left_out: pairs (query, item) that may not be returned either, ascending.
        """
        n_items = len(item_VD)
        at_once = max(1, min(32, _CELLS_AT_ONCE // n_items))
        found = []
        for start in range(0, len(vector_BD), at_once):
            some_BD = vector_BD[start : start + at_once]
            first, end = np.searchsorted(left_out, [start * n_items, (start + at_once) * n_items])
            out = np.divmod(left_out[first:end] - start * n_items, n_items)
            row_M, item_M, clear_B = self._candidates(some_BD, n_items, k, closed, out)
            found.append((*_scored(item_VD, some_BD, row_M, item_M, k), clear_B))
        if not found:
            return (np.zeros((0, k), np.int64), np.zeros((0, k), np.float32)), np.zeros(0, np.bool_)
        items, scores, clear = (np.concatenate(parts) for parts in zip(*found, strict=True))
        return (items, scores), clear

    def _candidates(
        self,
        vector_BD: NDArray[np.float32],
        n_items: int,
        k: int,
        closed: NDArray[np.int64],
        out: tuple[NDArray[np.int64], NDArray[np.int64]],
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
        """Return every item that may be among the k best, as pairs (row, item) by row; and (B,) for whom they are few enough."""
        p_BD, bound_B = self._whole(vector_BD)
        score_BP: NDArray[np.int32] = self.session.run(p_BD=p_BD)  # type: ignore[assignment]
        score_BP[:, n_items:] = _LOWEST
        score_BP[:, closed] = _LOWEST
        score_BP[out] = _LOWEST
        score_BWG = score_BP.reshape(len(p_BD), _GROUP, -1)  # item i is at [i // G, i % G]
        best_BG = score_BWG.max(axis=1)
        n_groups = best_BG.shape[1]
        # The k-th best group's best is no more than the k-th best item: k items have as much.
        kth_B = np.partition(best_BG, n_groups - k, axis=1)[:, n_groups - k].astype(np.float64)
        least_B1 = np.maximum(np.floor(kth_B - 2 * bound_B), _LOWEST + 1.0)[:, None].astype(np.int32)
        # Flat, then taken apart: NumPy's `nonzero` of one dimension takes a third of the time of that of two.
        row_N, group_N = np.divmod(np.flatnonzero(best_BG >= least_B1), n_groups)
        clear_B = np.bincount(row_N, minlength=len(p_BD)) <= max(_GROUPS_A_PLACE * k, n_groups // _MOST_GROUPS)
        if not clear_B.all():
            row_N, group_N = row_N[clear_B[row_N]], group_N[clear_B[row_N]]
        place_M, slot_M = np.divmod(np.flatnonzero(score_BWG[row_N, :, group_N] >= least_B1[row_N]), _GROUP)
        return row_N[place_M], slot_M * n_groups + group_N[place_M], clear_B

    def _whole(self, vector_BD: NDArray[np.float32]) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
        """Return queries in whole numbers, `_ZERO` standing for 0: (B, D); and the most that a score is wrong by: (B,)."""
        scaled_BD = vector_BD * self.scale_D
        step_B1 = np.abs(scaled_BD).max(axis=1, keepdims=True) / _QUERY_MOST
        exact_BD = scaled_BD / np.where(step_B1 > 0, step_B1, 1)
        whole_BD = np.rint(exact_BD)
        rounding_B = np.linalg.norm(exact_BD - whole_BD, axis=1).astype(np.float64)
        bound_B = rounding_B * self.length + np.linalg.norm(exact_BD, axis=1) * self.error
        return (whole_BD + _ZERO).astype(np.uint8), _SLACK * bound_B + 1.0


def build_coarse(item_VD: NDArray[np.float32], folder: Path) -> bool:
    """Write the items in 7 bits beside an index, where that makes it faster; returns whether it did.

    Args:
        item_VD: (V, D) the items; may be mapped into memory.
        folder: of the index.
    """
    n_items, width = item_VD.shape
    if n_items < LEAST_ITEMS or item_VD.size > MOST_CELLS:
        return False
    starts = range(0, n_items, 100_000)
    largest_D = np.max([np.abs(item_VD[start : start + 100_000]).max(axis=0) for start in starts], axis=0)
    dead_D = largest_D == 0
    if dead_D.all() or not (np.isfinite(largest_D) & (dead_D | (largest_D > _LEAST))).all():
        return False
    scale_D = (largest_D / _ITEM_MOST).astype(np.float32)  # 0 for a dimension that no item has: what a query has there is nothing
    whole_DP = np.zeros((width, _padded(n_items)), np.int8)
    length = error = 0.0
    for start in starts:
        exact_XD = item_VD[start : start + 100_000] / np.where(dead_D, np.float32(1), scale_D)
        whole_XD = np.rint(exact_XD)
        whole_DP[:, start : start + len(whole_XD)] = whole_XD.T
        length = max(length, float(np.linalg.norm(whole_XD, axis=1).max()))
        error = max(error, float(np.linalg.norm(exact_XD - whole_XD, axis=1).max()))
    (folder / GRAPH_NAME).write_bytes(_graph(whole_DP))
    np.save(folder / ABOUT_NAME, np.array([length, error, *scale_D], np.float32), allow_pickle=False)
    return True


def _padded(n_items: int) -> int:
    return -(-n_items // _GROUP) * _GROUP


def _graph(whole_DP: NDArray[np.int8]) -> bytes:
    """Return the product with the items as an ONNX graph; ONNX Runtime lays constants out for the processor once."""
    onnx: Any = importlib.import_module("onnx")
    kinds, make = onnx.TensorProto, onnx.helper
    width, padded = whole_DP.shape
    put = make.make_tensor_value_info("p_BD", kinds.UINT8, ["B", width])
    out = make.make_tensor_value_info("score_BP", kinds.INT32, ["B", padded])
    weights = [onnx.numpy_helper.from_array(whole_DP, "q_DP"), onnx.numpy_helper.from_array(np.array(_ZERO, np.uint8), "zero")]
    node = make.make_node("MatMulInteger", ["p_BD", "q_DP", "zero"], ["score_BP"])
    graph = make.make_graph([node], "coarse", [put], [out], weights)
    model = make.make_model(graph, opset_imports=[make.make_opsetid("", _OPSET)], producer_name="aisle")
    model.ir_version = _IR_VERSION
    content: bytes = model.SerializeToString()
    return content


def _scored(
    item_VD: NDArray[np.float32], vector_BD: NDArray[np.float32], row_M: NDArray[np.int64], item_M: NDArray[np.int64], k: int
) -> Found:
    """Score candidates exactly and return the k best of each row."""
    score_M = np.einsum("md,md->m", item_VD.take(item_M, axis=0), vector_BD.take(row_M, axis=0))
    count_B = np.bincount(row_M, minlength=len(vector_BD))
    place_M = np.arange(len(row_M)) - np.repeat(np.cumsum(count_B) - count_B, count_B)
    shape = (len(vector_BD), int(count_B.max(initial=0)))
    item_BM, score_BM = np.zeros(shape, np.int64), np.full(shape, -np.inf, np.float32)
    item_BM[row_M, place_M], score_BM[row_M, place_M] = item_M, score_M
    return best_of(score_BM, item_BM, k)
