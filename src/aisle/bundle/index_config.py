"""What an index is, which kinds there are, and which one a catalogue of some size gets."""

# B queries   D width of a vector   V items of the catalogue   K places in a list

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from aisle.errors import AisleError

Kind = Literal["auto", "exact", "hnsw", "ivf"]
Codes = Literal["sq8", "pq"]
KINDS = ("auto", "exact", "hnsw", "ivf")

NOTHING = -1  # an empty place of a list

# Numbers of the item matrix up to which scoring all of it is fast enough: 200,000 items of 64 dimensions take about 0.8 ms
# alone on one thread, 0.2 ms in a batch (benchmarks/index). Beyond, an index saves more than it misses.
EXACT_CELLS = 200_000 * 64
PQ_CELLS = 50_000_000 * 64  # beyond this 8-bit codes alone take over 3 GB; with product codes it is about half


class Index(Protocol):
    """Finds the items whose vectors have the largest inner product with given ones.

    Attributes:
        kind: "exact", "hnsw" or "ivf".
    """

    kind: str

    def search(
        self,
        vector_BD: NDArray[np.float32],
        k: int,
        allowed_V: NDArray[np.bool_] | None = None,
        left_out: NDArray[np.int64] | None = None,
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return the k best items for each vector, best first.

        Args:
            vector_BD: (B, D) float32.
            k: places in a list.
            allowed_V: (V,) bool, the only items that may be returned; None = every item. Items that cannot be scored are
                never returned, whatever this says. One that cannot be written to is looked through once, whoever asks with it.
            left_out: (query, item) pairs as `features.pairs` makes them, ascending: what a single list may not have.

        Returns:
            item (B, k) int64 codes, -1 where a list has ended; and score (B, k) float32, -inf there.

        Raises:
            AisleError: E033 for vectors or a mask of the wrong shape, or vectors that are no numbers.
        """


@dataclass(frozen=True)
class IndexConfig:
    """Which index, and how it is made. What is None is chosen by the size of the catalogue or tuned on sample vectors.

    Attributes:
        kind: "auto" = `choose_kind`.
        codes: how "ivf" keeps vectors: "sq8" (a byte a dimension), "pq" (product codes), None = by size.
        links: of "hnsw", neighbours an item.
        build_effort: of "hnsw", items looked at while one is added.
        lists: of "ivf", parts that the items are cut into.
        code_bytes: of "pq", bytes an item.
        effort: what a search looks at: lists of "ivf", items of "hnsw"; None = the least that reaches `recall`.
        recall: share of the exact list that `effort` is tuned to find, at k = 10 and at k = 500.
        refine: an approximate search fetches so many times k and scores them exactly with the item matrix.
        threads: of a search by FAISS; a service that answers many at once is faster with 1.
        build_threads: of making the index.
        seed: of the clustering.
    """

    kind: Kind = "auto"
    codes: Codes | None = None
    links: int = 24
    build_effort: int = 100
    lists: int | None = None
    code_bytes: int | None = None
    effort: int | None = None
    recall: float = 0.98
    refine: int | None = None
    threads: int = 1
    build_threads: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        numbers = {name: getattr(self, name) for name in ("links", "build_effort", "threads", "build_threads")}
        numbers |= {name: getattr(self, name) or 1 for name in ("lists", "code_bytes", "effort", "refine")}
        for name, value in numbers.items():
            if value < 1:
                raise AisleError(f"{name} of an index is {value}; expected 1 or more", hint=f"leave {name} out", code="E031")
        if self.kind not in KINDS:
            raise AisleError(f"no index is called '{self.kind}'", hint=f"one of {', '.join(KINDS)}", code="E031")
        if not 0 < self.recall <= 1:
            raise AisleError(f"recall of an index is {self.recall}; expected above 0, at most 1", hint="use 0.98", code="E031")


def choose_kind(n_items: int, dim: int) -> Literal["exact", "ivf"]:
    """Return the kind of index for a catalogue: exact while that is fast enough, "ivf" beyond.

    "hnsw" is never chosen by itself: it needs four times the memory, takes longest to make, misses much of long lists, and a
    filter that leaves few items makes it slow; docs/index.md shows the figures.

    Example:
        >>> choose_kind(50_000, 64), choose_kind(1_000_000, 64)
        ('exact', 'ivf')
    """
    return "exact" if n_items * dim <= EXACT_CELLS else "ivf"


def choose_codes(n_items: int, dim: int) -> Codes:
    """Return how an "ivf" index keeps vectors: bytes while they fit comfortably, product codes beyond."""
    return "sq8" if n_items * dim <= PQ_CELLS else "pq"


def check_query(vector_BD: NDArray[np.float32], k: int, allowed_V: NDArray[np.bool_] | None, shape: tuple[int, int]) -> None:
    """Refuse a search that cannot be answered.

    Args:
        vector_BD: the vectors.
        k: places.
        allowed_V: the filter.
        shape: (V, D) of the item matrix.

    Raises:
        AisleError: E033.
    """
    n_items, dim = shape
    if vector_BD.ndim != 2 or vector_BD.shape[1] != dim:
        raise AisleError(
            f"vectors of shape {vector_BD.shape} for an index of width {dim}; expected (B, {dim})",
            hint="ask with the vectors of the model that the index was made for",
            code="E033",
        )
    if k < 0:
        raise AisleError(f"k is {k}; expected how many items to find", hint="give 1 or more, such as 10", code="E033")
    if allowed_V is not None and (allowed_V.shape != (n_items,) or allowed_V.dtype != np.bool_):
        raise AisleError(
            f"a filter of {allowed_V.dtype} {allowed_V.shape} for {n_items:,} items; expected bool ({n_items},)",
            hint="give one truth value an item code",
            code="E033",
        )
    if not np.isfinite(vector_BD).all():
        raise AisleError(
            "a vector to search for holds NaN or infinity", hint="the model's weights are no numbers: export another", code="E033"
        )
