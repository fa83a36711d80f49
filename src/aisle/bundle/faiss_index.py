"""Approximate nearest items by FAISS, scored again exactly: "ivf" looks into some lists of the items, "hnsw" walks a graph.

FAISS is loaded when an index of these kinds is made or opened; a catalogue that is searched exactly never needs it.
"""

# B queries   D width   V items   N indexed items: those that can be scored   K places   F fetched before the exact scores

from __future__ import annotations

import importlib
import weakref
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aisle.bundle.exact import ExactIndex
from aisle.bundle.found import Found, best_of, without
from aisle.bundle.index_config import NOTHING, IndexConfig, check_query, choose_codes
from aisle.errors import AisleError

FAISS_NAME, PLACE_NAME = "index.faiss", "place.npy"
SHORT, LONG = 10, 500  # list lengths that the effort is tuned at; from 100 on the one for long lists is used
_LONG_FROM = 100
_FEW = 10_000  # a filter that leaves no more is answered exactly: copying so many rows takes under a millisecond
_HNSW_FEW_SHARE = 0.2  # and so is one that leaves less than this, for "hnsw": a walk meets too few of them
# What a filter leaves stands together (a category), so that lists near a shopper's wish may hold none of it: looking at
# 1 / share more lists finds fewer than without the filter. Twice as many make up for it; long lists, tuned to more effort, need
# no more (benchmarks/index).
_FILTER_MARGIN = {SHORT: 2.0, LONG: 1.0}
_MOST_FILTER_BYTES = 64_000_000  # of filters that are kept
_BLOCK = 500_000  # rows of the item matrix at a time
_PQ_WORDS = 256  # that a byte of a product code stands for
_POINTS_A_LIST = 40  # of the clustering; FAISS asks for 39 at least


@dataclass(frozen=True)
class _Opened:
    """A filter that was looked through; it holds no mask, so that masks nobody else holds go.

    Attributes:
        count: items that may be returned.
        share: of all that can be scored.
        items: their codes, ascending, where they are so few that each is scored; else None.
        bits: a bit for each place of the index, as FAISS takes it; None where FAISS is not asked.
    """

    count: int
    share: float
    items: NDArray[np.int64] | None = None
    bits: NDArray[np.uint8] | None = None

    @property
    def size_bytes(self) -> int:
        """What it takes in memory."""
        return sum(0 if part is None else part.nbytes for part in (self.items, self.bits))


class FaissIndex:
    """An approximate index; `search` is that of `index_config.Index`.

    Args:
        faiss_index: what FAISS made.
        exact: scores exactly, and answers filters that leave few items.
        place_N: (N,) item code of each place of the index; None = place and code are the same.
        about: "kind", "codes", "effort" {list length: effort}, "lists", "refine", "threads".
    """

    def __init__(self, faiss_index: Any, exact: ExactIndex, place_N: NDArray[np.int64] | None, about: dict[str, Any]) -> None:
        self.kind: str = about["kind"]
        self.about, self.place_N = about, place_N
        self._faiss, self._index, self._exact = _load_faiss(), faiss_index, exact
        self._n_open = int(np.count_nonzero(exact.scorable_V))
        self._filters: dict[int, tuple[weakref.ref[NDArray[np.bool_]], _Opened]] = {}  # by the identity of the mask

    def search(
        self,
        vector_BD: NDArray[np.float32],
        k: int,
        allowed_V: NDArray[np.bool_] | None = None,
        left_out: NDArray[np.int64] | None = None,
    ) -> Found:
        """Return the k best items for each vector that were found, best first by their exact scores."""
        n_items = len(self._exact.item_VD)
        check_query(vector_BD, k, allowed_V, self._exact.item_VD.shape)
        some = None if allowed_V is None else self._opened(allowed_V)
        if some is not None and some.items is not None:
            return self._exact.among(vector_BD, k, some.items, left_out)
        shape, among = (len(vector_BD), n_items), self._n_open if some is None else some.count
        return without(lambda places: self._approximate(vector_BD, places, some), k, left_out, shape, among)

    def _opened(self, allowed_V: NDArray[np.bool_]) -> _Opened:
        """Look through a filter, once where it can never change."""
        if allowed_V.flags.writeable:
            return self._look_through(allowed_V)
        kept = self._filters.get(id(allowed_V))
        if kept is None or kept[0]() is not allowed_V:
            kept = (weakref.ref(allowed_V), self._look_through(allowed_V))
            filters = {key: one for key, one in self._filters.items() if one[0]() is not None} | {id(allowed_V): kept}
            full = sum(one.size_bytes for _, one in filters.values()) > _MOST_FILTER_BYTES
            self._filters = {id(allowed_V): kept} if full else filters
        return kept[1]

    def _look_through(self, allowed_V: NDArray[np.bool_]) -> _Opened:
        open_V = self._exact.open(allowed_V)
        count = int(np.count_nonzero(open_V))
        share = count / max(self._n_open, 1)
        if count <= _FEW or (self.kind == "hnsw" and share < _HNSW_FEW_SHARE):
            return _Opened(count, share, items=np.flatnonzero(open_V))
        open_N = open_V if self.place_N is None else open_V[self.place_N]
        return _Opened(count, share, bits=np.packbits(open_N, bitorder="little"))

    def _approximate(self, vector_BD: NDArray[np.float32], k: int, some: _Opened | None) -> Found:
        if not len(vector_BD) or not k:
            return np.zeros((len(vector_BD), k), np.int64), np.zeros((len(vector_BD), k), np.float32)
        # OpenMP keeps this number for each calling thread by itself, so it is said before every search.
        self._faiss.omp_set_num_threads(self.about["threads"])
        fetch = min(self._fetch(k), self._n_open)
        vector_BD = np.ascontiguousarray(vector_BD, np.float32)
        _, place_BF = self._index.search(vector_BD, fetch, params=self._parameters(k, fetch, some))
        item_BF = place_BF if self.place_N is None else np.where(place_BF < 0, NOTHING, self.place_N[place_BF])
        score_BF = np.empty(item_BF.shape, np.float32)
        for row, item_F in enumerate(item_BF):  # a row at a time stays in the processor's cache
            score_BF[row] = self._exact.item_VD[np.maximum(item_F, 0)] @ vector_BD[row]
        score_BF[item_BF < 0] = -np.inf
        return best_of(score_BF, np.maximum(item_BF, 0), k)

    def _fetch(self, k: int) -> int:
        """Return how many to fetch so that inexact codes do not lose what belongs into the list."""
        if self.about["refine"]:
            return int(self.about["refine"]) * k
        return 100 + 4 * k if self.about["codes"] == "pq" else 10 + k + k // 4

    def _parameters(self, k: int, fetch: int, some: _Opened | None) -> Any:
        selector = None
        length = SHORT if k < _LONG_FROM else LONG
        effort = self.about["effort"][str(length)]
        if some is not None:
            selector = self._faiss.IDSelectorBitmap(some.bits)
            effort = int(np.ceil(effort / some.share * (_FILTER_MARGIN[length] if some.share < 0.5 else 1)))
        if self.kind == "hnsw":
            return self._faiss.SearchParametersHNSW(efSearch=max(effort, fetch), sel=selector)
        return self._faiss.SearchParametersIVF(nprobe=min(effort, self.about["lists"]), sel=selector)


def build_faiss(exact: ExactIndex, config: IndexConfig, folder: Path, tune_SD: NDArray[np.float32]) -> dict[str, Any]:
    """Make an index of the items that can be scored, tune it and write it.

    Args:
        exact: the item matrix and which items can be scored.
        config: its kind is "ivf" or "hnsw".
        folder: where to.
        tune_SD: (S, D) vectors to tune the effort on.

    Returns:
        What `open_faiss` needs to know besides the files.

    Raises:
        AisleError: E030 when FAISS is not installed.
    """
    faiss = _load_faiss()
    place_N = np.flatnonzero(exact.scorable_V)
    about: dict[str, Any] = {"kind": config.kind, "threads": config.threads, "refine": config.refine, "lists": None}
    about["codes"] = config.codes or (choose_codes(len(place_N), exact.item_VD.shape[1]) if config.kind == "ivf" else "sq8")
    make = _make_ivf if config.kind == "ivf" else _make_hnsw
    faiss.omp_set_num_threads(config.build_threads)
    index, about["lists"] = make(faiss, exact.item_VD, place_N, config, about["codes"])
    for start in range(0, len(place_N), _BLOCK):
        index.add(np.ascontiguousarray(exact.item_VD[place_N[start : start + _BLOCK]]))
    faiss.write_index(index, str(folder / FAISS_NAME))
    whole = len(place_N) == len(exact.scorable_V)
    if not whole:
        np.save(folder / PLACE_NAME, place_N, allow_pickle=False)
    about["effort"] = _tuned(FaissIndex(index, exact, None if whole else place_N, about), exact, config, tune_SD)
    return about


def open_faiss(folder: Path, about: dict[str, Any], exact: ExactIndex) -> FaissIndex:
    """Open what `build_faiss` wrote; `about` is the whole of index.json.

    Raises:
        AisleError: E030 when FAISS is not installed, E032 when a file is damaged or of other items.
    """
    faiss = _load_faiss()
    n_open = int(np.count_nonzero(exact.scorable_V))
    try:
        index = faiss.read_index(str(folder / FAISS_NAME))
        whole = n_open == len(exact.scorable_V)
        place_N = None if whole else np.load(folder / PLACE_NAME, allow_pickle=False)
        opened = FaissIndex(index, exact, place_N, about["faiss"])
    except (RuntimeError, OSError, ValueError, KeyError, TypeError) as error:
        raise AisleError(
            f"the index at {folder} cannot be read: {str(error).splitlines()[0][:200]}",
            hint="restore the bundle from a copy, or export it again",
            code="E032",
        ) from error
    if (index.ntotal, index.d) != (n_open, exact.item_VD.shape[1]):
        raise AisleError(
            f"{FAISS_NAME} at {folder} holds {index.ntotal:,} vectors of width {index.d}; the item matrix has {n_open:,} "
            f"items that can be scored, of width {exact.item_VD.shape[1]}",
            hint="restore the bundle from a copy, or export it again",
            code="E032",
        )
    return opened


def _make_ivf(
    faiss: ModuleType, item_VD: NDArray[np.float32], place_N: NDArray[np.int64], config: IndexConfig, codes: str
) -> tuple[Any, int]:
    dim = item_VD.shape[1]
    lists = min(config.lists or default_lists(len(place_N)), len(place_N))
    quantizer = faiss.IndexFlatIP(dim)
    if codes == "pq" and len(place_N) < _PQ_WORDS:
        raise AisleError(
            f"product codes are learned from {_PQ_WORDS} items or more; here are {len(place_N)}",
            hint="leave codes out",
            code="E031",
        )
    if codes == "sq8":
        index = faiss.IndexIVFScalarQuantizer(quantizer, dim, lists, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT)
    else:
        index = faiss.IndexIVFPQ(quantizer, dim, lists, _code_bytes(dim, config.code_bytes), 8, faiss.METRIC_INNER_PRODUCT)
        index.pq.cp.min_points_per_centroid = 1
    index.cp.niter, index.cp.seed, index.cp.min_points_per_centroid = 10, config.seed, 1
    index.train(_sample(item_VD, place_N, max(lists * _POINTS_A_LIST, 10_000), config.seed))
    return index, lists


def _make_hnsw(
    faiss: ModuleType, item_VD: NDArray[np.float32], place_N: NDArray[np.int64], config: IndexConfig, codes: str
) -> tuple[Any, None]:
    if codes != "sq8":
        raise AisleError(f"an hnsw index keeps no codes '{codes}'", hint="use codes 'sq8', or kind 'ivf'", code="E031")
    dim = item_VD.shape[1]
    index = faiss.IndexHNSWSQ(dim, faiss.ScalarQuantizer.QT_8bit, config.links, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = config.build_effort
    index.train(_sample(item_VD, place_N, 100_000, config.seed))
    return index, None


def default_lists(n_items: int) -> int:
    """Return how many lists the items are cut into: about the square root of their number, a power of 2.

    Example:
        >>> default_lists(1_000_000), default_lists(10_000_000)
        (1024, 4096)
    """
    return int(2 ** max(0, round(np.log2(max(n_items, 1)) / 2)))


def _code_bytes(dim: int, wanted: int | None) -> int:
    """Return bytes of a product code: a byte stands for an equal share of the dimensions, about 2 of them."""
    if wanted is not None and dim % wanted:
        raise AisleError(
            f"code_bytes is {wanted}, which does not divide the vectors' width {dim}", hint="leave code_bytes out", code="E031"
        )
    return wanted or next(size for size in range(max(1, dim // 2), 0, -1) if dim % size == 0)


def _sample(item_VD: NDArray[np.float32], place_N: NDArray[np.int64], size: int, seed: int) -> NDArray[np.float32]:
    if len(place_N) > size:
        place_N = np.sort(np.random.default_rng(seed).choice(place_N, size, replace=False))
    return np.ascontiguousarray(item_VD[place_N])


def _tuned(index: FaissIndex, exact: ExactIndex, config: IndexConfig, tune_SD: NDArray[np.float32]) -> dict[str, int]:
    """Return the least effort that finds the share asked for, by list length; the most there is where none does."""
    if config.effort:
        return {str(SHORT): config.effort, str(LONG): config.effort}
    most = index.about["lists"] or 4096
    tuned = {}
    for k in (SHORT, LONG):
        _, truth_SK = exact.search(tune_SD, k)
        effort = 4
        while True:
            index.about["effort"] = {str(SHORT): min(effort, most), str(LONG): min(effort, most)}
            _, score_SK = index.search(tune_SD, k)
            if effort >= most or found_share(score_SK, truth_SK) >= config.recall:
                break
            effort += max(effort // 2, 2) if effort & (effort - 1) == 0 else effort // 3  # 4, 6, 8, 12, 16, 24, ...
        tuned[str(k)] = min(effort, most)
    return tuned


def found_share(score_SK: NDArray[np.float32], truth_SK: NDArray[np.float32]) -> float:
    """Return which share of the exact lists was found, by score: an item that ties with the last place is as good as it.

    Args:
        score_SK: (S, K) exact scores of what was found, -inf padded.
        truth_SK: (S, K) those of the exact lists.
    """
    wanted_S = np.count_nonzero(truth_SK > -np.inf, axis=1)
    last_S = np.where(wanted_S > 0, np.take_along_axis(truth_SK, np.maximum(wanted_S - 1, 0)[:, None], axis=1)[:, 0], np.inf)
    # The two come from sums in another order.
    slack_S = 1e-5 * np.abs(np.where(np.isfinite(last_S), last_S, 0))
    found_S = np.count_nonzero(score_SK >= (last_S - slack_S)[:, None], axis=1)
    return float(np.minimum(found_S, wanted_S).sum() / max(wanted_S.sum(), 1))


def _load_faiss() -> ModuleType:
    try:
        return importlib.import_module("faiss")
    except ImportError as error:
        raise AisleError(
            f"this index needs FAISS, which cannot be loaded: {error}", hint="pip install 'aisle[serve]'", code="E030"
        ) from error
