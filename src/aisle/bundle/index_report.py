"""How true and how fast an index is, measured when it is made; the manifest of the bundle carries it."""

# S sample vectors   V items   K places

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aisle.bundle.exact import ExactIndex
from aisle.bundle.faiss_index import LONG, SHORT, FaissIndex, found_share
from aisle.bundle.index_config import Index

_MOST_SAMPLES = 200
_MOST_SAMPLES_FILTERED = 50
_MOST_CELLS = 5e10  # numbers that exact lists are worked out from, a filter and a length: some 5 s of products


@dataclass(frozen=True)
class Measured:
    """One kind of question.

    Attributes:
        k: places asked for.
        filter: what was allowed, in words.
        allowed_share: of the items.
        recall: share of the exact lists that was found.
        p50_ms, p99_ms: of single questions, one thread.
    """

    k: int
    filter: str
    allowed_share: float
    recall: float
    p50_ms: float
    p99_ms: float


@dataclass(frozen=True)
class IndexReport:
    """What was made and how good it is.

    Attributes:
        kind: "exact", "hnsw" or "ivf".
        parameters: as tuned; empty for "exact".
        items: V; indexed: those that can be scored.
        dim: D.
        build_s: seconds to make, tune and write it.
        disk_bytes: of the index's own files.
        memory_bytes: what it keeps in memory beside the mapped item matrix.
        item_matrix_bytes: of the item matrix.
        measured: by list length and filter.
    """

    kind: str
    parameters: dict[str, Any]
    items: int
    indexed: int
    dim: int
    build_s: float
    disk_bytes: int
    memory_bytes: int
    item_matrix_bytes: int
    measured: tuple[Measured, ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain numbers and words."""
        return dataclasses.asdict(self) | {"measured": [dataclasses.asdict(one) for one in self.measured]}


def measure_index(index: Index, exact: ExactIndex, sample_SD: NDArray[np.float32], folder: Path, build_s: float) -> IndexReport:
    """Ask an index and the exact search the same, without a filter and with two that stand for a shop's.

    Args:
        index: to be measured.
        exact: the truth.
        sample_SD: (S, D) vectors; the first 200 are asked, with filters the first 50, and fewer where exact lists are dear.
        folder: of the index's files.
        build_s: how long it took to make.
    """
    measured = []
    for name, allowed_V in _filters(exact).items():
        share = 1.0 if allowed_V is None else float(allowed_V.mean())
        most = _MOST_SAMPLES if allowed_V is None else _MOST_SAMPLES_FILTERED
        if exact.item_VD.size * most > _MOST_CELLS:
            most = max(20, int(_MOST_CELLS // exact.item_VD.size))
        some_SD = sample_SD[:most]
        measured += [Measured(k, name, round(share, 4), *_ask(index, exact, some_SD, k, allowed_V)) for k in (SHORT, LONG)]
    disk_bytes = sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
    about = index.about if isinstance(index, FaissIndex) else {}
    return IndexReport(
        kind=index.kind,
        parameters={name: value for name, value in about.items() if name != "kind"},
        items=len(exact.item_VD),
        indexed=int(np.count_nonzero(exact.scorable_V)),
        dim=exact.item_VD.shape[1],
        build_s=round(build_s, 2),
        disk_bytes=disk_bytes,
        memory_bytes=disk_bytes,  # FAISS and ONNX Runtime keep in memory what was written; the exact search its mask
        item_matrix_bytes=exact.item_VD.nbytes,
        measured=tuple(measured),
    )


def _filters(exact: ExactIndex) -> dict[str, NDArray[np.bool_] | None]:
    """Return what is allowed by name: everything, what is available, and one kind of items that are alike."""
    random = np.random.default_rng(0)
    n_items = len(exact.item_VD)
    open_N = np.flatnonzero(exact.scorable_V)
    seed_D = exact.item_VD[open_N[random.integers(len(open_N))]]
    likeness_V = np.where(exact.scorable_V, exact.item_VD @ seed_D, -np.inf)
    return {
        "none": None,
        "90% at random, as of availability": random.random(n_items) < 0.9,
        "the 5% most like one item, as of a category": likeness_V >= np.quantile(likeness_V[open_N], 0.95),
    }


def _ask(
    index: Index, exact: ExactIndex, sample_SD: NDArray[np.float32], k: int, allowed_V: NDArray[np.bool_] | None
) -> tuple[float, float, float]:
    """Return recall, and the median and 99th percentile in ms of single questions."""
    taken, scores = [], []
    for row in range(-min(3, len(sample_SD)), len(sample_SD)):  # the first few warm up
        start = time.perf_counter()
        _, score_1K = index.search(sample_SD[row % len(sample_SD)][None], k, allowed_V)
        if row >= 0:
            taken.append(1000 * (time.perf_counter() - start))
            scores.append(score_1K[0])
    # Plain products find all by definition; to work them out twice would prove nothing.
    plain = isinstance(index, ExactIndex) and index.coarse is None
    recall = 1.0 if plain else found_share(np.stack(scores), exact.search(sample_SD, k, allowed_V)[1])
    return round(recall, 4), round(float(np.quantile(taken, 0.5)), 3), round(float(np.quantile(taken, 0.99)), 3)
