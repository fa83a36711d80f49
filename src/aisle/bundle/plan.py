"""What each kind of index would need for a catalogue of some size, and which one we would take.

Memory is arithmetic over what the files hold. Times are sums of a few costs, each measured by `benchmarks/index` with 1 and 10
million simulated vectors of 64 dimensions; beyond, they are extrapolated, and say so.
"""

# V items   D width of a vector   L lists of "ivf"

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from aisle.bundle.coarse import LEAST_ITEMS, MOST_CELLS
from aisle.bundle.faiss_index import default_lists
from aisle.bundle.index_config import choose_codes, choose_kind
from aisle.errors import AisleError

MOST_ITEMS, MOST_DIM = 10**10, 10**5
LINKS = 24  # of "hnsw": twice as many on the lowest level, 4 bytes each
MEASURED_ITEMS = (1_000_000, 10_000_000)
_AT, _BETWEEN, _BEYOND = "at a measured size", "between measured sizes", "extrapolated"


@dataclass(frozen=True)
class Costs:
    """What one thread of the measured machine needs; the defaults are of two cores of an Intel Xeon with AMX, 2.6 GHz.

    Attributes:
        call_ms: a search that finds nothing.
        cached_bytes_s, stream_bytes_s: item vectors multiplied a second, where all fit into the processor's cache and where not.
        cache_bytes: of the processor, about.
        batch_flops: multiplications and additions a second for 16 questions at once.
        coarse_call_ms, coarse_bytes_s, coarse_batch_flops: the same three where an exact search looks at 7 bits first.
        sq8_ns: of scoring one dimension of an 8-bit code; pq_ns: of one byte of a product code.
        skip_ns: of finding that an item is not allowed; mask_ns: of making a filter ready, an item of the catalogue.
        fetch_us: of scoring one fetched item exactly.
        looked_at: items that "ivf" looks at with a million items for 98% of the exact list, at k = 10.
        looked_at_growth: by which power of the number of items these grow.
        walk_us: of one item that "hnsw" looks at; walk: how many it looks at with a million items.
        train_flops: of making "ivf", two threads; pq_us: of one product code; hnsw_us: of adding one item to "hnsw".
    """

    call_ms: float = 0.06
    cached_bytes_s: float = 26e9
    stream_bytes_s: float = 13.5e9
    cache_bytes: float = 64e6
    batch_flops: float = 50e9
    coarse_call_ms: float = 0.2
    coarse_bytes_s: float = 23e9
    coarse_batch_flops: float = 190e9
    sq8_ns: float = 0.22
    pq_ns: float = 0.4
    skip_ns: float = 3.5
    mask_ns: float = 0.2
    fetch_us: float = 0.11
    looked_at: float = 8_000
    looked_at_growth: float = 0.57
    walk_us: float = 1.75
    walk: float = 768
    train_flops: float = 23.5e9
    pq_us: float = 18
    hnsw_us: float = 165


@dataclass(frozen=True)
class Choice:
    """One kind of index for a catalogue.

    Attributes:
        name: "exact", "ivf-sq8", "ivf-pq" or "hnsw".
        memory_bytes: that the index must hold in memory; of "exact" the item matrix, and itself in 7 bits where it has them.
        item_matrix_bytes: on disk, mapped: all of it is read by "exact", a few rows a question by the others.
        ms: of one question, one thread, k = 10; filtered_ms: with a filter that leaves 5%.
        batch_ms: of a question among 16 at once.
        build_s: to make, two threads.
        known: how sure the times are: "at a measured size", "between measured sizes" or "extrapolated".
        remark: what else to know.
    """

    name: str
    memory_bytes: int
    item_matrix_bytes: int
    ms: float
    filtered_ms: float
    batch_ms: float
    build_s: float
    known: str
    remark: str


@dataclass(frozen=True)
class Plan:
    """All choices, and the one we would take."""

    items: int
    dim: int
    choices: tuple[Choice, ...]
    recommended: str
    why: str

    def to_json(self) -> dict[str, Any]:
        """Return plain numbers and words."""
        return dataclasses.asdict(self) | {"choices": [dataclasses.asdict(choice) for choice in self.choices]}


def plan(n_items: int, dim: int, costs: Costs | None = None) -> Plan:
    """Return memory and expected times of each kind of index.

    Args:
        n_items: V.
        dim: D.
        costs: of another machine; None = the measured one.

    Raises:
        AisleError: E035 for sizes that cannot be.
    """
    if not (1 <= n_items <= MOST_ITEMS and 1 <= dim <= MOST_DIM):
        raise AisleError(
            f"{n_items:,} items of {dim:,} dimensions; expected 1 to {MOST_ITEMS:,} items and 1 to {MOST_DIM:,} dimensions",
            hint="such as --items 100e6 --dim 64",
            code="E035",
        )
    costs = costs or Costs()
    known = _BEYOND
    if n_items <= MEASURED_ITEMS[1]:
        known = _AT if n_items in MEASURED_ITEMS and dim == 64 else _BETWEEN
    make = (_exact, _ivf_sq8, _ivf_pq, _hnsw)
    choices = tuple(one(n_items, dim, costs, known) for one in make)
    by_name = {choice.name: choice for choice in choices}
    if choose_kind(n_items, dim) == "exact":
        name, exact = "exact", by_name["exact"]
        why = f"scoring every item takes {exact.ms:.2g} ms alone and {exact.batch_ms:.2g} ms among 16, and misses nothing"
    elif choose_codes(n_items, dim) == "sq8":
        name, sq8 = "ivf-sq8", by_name["ivf-sq8"]
        why = (
            f"exact search would take {by_name['exact'].ms:,.0f} ms a question; a byte a dimension fits in "
            f"{_gb(sq8.memory_bytes)}, and filters of any share are held inside the search"
        )
    else:
        name = "ivf-pq"
        why = (
            f"a byte a dimension would take {_gb(by_name['ivf-sq8'].memory_bytes)} of memory; product codes take "
            f"{_gb(by_name['ivf-pq'].memory_bytes)}, and the best of them are scored again exactly"
        )
    return Plan(n_items, dim, choices, name, why)


def _exact(n_items: int, dim: int, costs: Costs, known: str) -> Choice:
    size, few = 4 * n_items * dim, n_items // 20
    rate = costs.cached_bytes_s if size <= costs.cache_bytes else costs.stream_bytes_s
    coarse_bytes, call_ms, flops = 0, costs.call_ms, costs.batch_flops
    ms = call_ms + 1000 * size / rate
    if n_items >= LEAST_ITEMS and n_items * dim <= MOST_CELLS:
        coarse_bytes, call_ms, flops = n_items * dim, costs.coarse_call_ms, costs.coarse_batch_flops
        ms = call_ms + 1000 * coarse_bytes / costs.coarse_bytes_s
    return Choice(
        "exact",
        size + coarse_bytes,
        size,
        ms=_round(ms),
        filtered_ms=_round(costs.call_ms + few * costs.fetch_us / 1000),
        batch_ms=_round(call_ms / 16 + 1000 * 2 * n_items * dim / flops),
        build_s=0.0,
        known=known,
        remark="misses nothing",
    )


def _ivf_sq8(n_items: int, dim: int, costs: Costs, known: str) -> Choice:
    return _ivf("ivf-sq8", n_items, dim, costs, known)


def _ivf_pq(n_items: int, dim: int, costs: Costs, known: str) -> Choice:
    return _ivf("ivf-pq", n_items, dim, costs, known)


def _ivf(name: str, n_items: int, dim: int, costs: Costs, known: str) -> Choice:
    is_pq = name == "ivf-pq"
    lists, size = default_lists(n_items), 4 * n_items * dim
    code_bytes = dim // 2 or 1 if is_pq else dim
    one_ns = code_bytes * (costs.pq_ns if is_pq else costs.sq8_ns)
    looked_at = min(n_items, costs.looked_at * (n_items / 1e6) ** costs.looked_at_growth)
    fetch_ms = (140 if is_pq else 22) * costs.fetch_us / 1000
    lists_ms = 1000 * 4 * lists * dim / costs.cached_bytes_s
    filtered = min(n_items, 2 * 20 * looked_at)  # a filter that leaves 5% makes it look at 40 times as many, but score 1 in 20
    ms = costs.call_ms + lists_ms + looked_at * one_ns / 1e6 + fetch_ms
    filtered_ms = (
        costs.call_ms + lists_ms + n_items * costs.mask_ns / 1e6 + filtered * (costs.skip_ns + one_ns / 20) / 1e6 + fetch_ms
    )
    flops = 2 * dim * lists * (n_items + 10 * min(40 * lists, n_items))
    return Choice(
        name,
        n_items * (code_bytes + 8 + 1) + 4 * lists * dim + (4 * 256 * dim if is_pq else 8 * dim),
        size,
        ms=_round(ms),
        filtered_ms=_round(filtered_ms),
        batch_ms=_round(ms - costs.call_ms * 15 / 16),
        build_s=_round(flops / costs.train_flops + (n_items * costs.pq_us / 1e6 if is_pq else 0)),
        known=known,
        remark=f"{lists:,} lists; the item matrix is read for the items fetched, from memory or fast disk",
    )


def _hnsw(n_items: int, dim: int, costs: Costs, known: str) -> Choice:
    size = 4 * n_items * dim
    ms = costs.call_ms + costs.walk * costs.walk_us / 1000 * max(0.2, (n_items / 1e6) ** 0.25)
    return Choice(
        "hnsw",
        n_items * (dim + 4 * 2 * LINKS + 4 * LINKS // (LINKS - 1) + 12 + 1) + 8 * dim,
        size,
        ms=_round(ms),
        filtered_ms=_round(costs.call_ms + n_items / 20 * costs.fetch_us / 1000),
        batch_ms=_round(ms - costs.call_ms * 15 / 16),
        build_s=_round(costs.hnsw_us / 1e6 * n_items * max(0.3, 1 + 0.2 * _log10(n_items / 1e6))),
        known=_BEYOND if n_items > MEASURED_ITEMS[0] else known,  # ten million would take half an hour to make
        remark="found 0.6 of the exact list at k = 500; filters that leave few are answered by scoring those",
    )


def _log10(value: float) -> float:
    digits = 0.0
    while value > 1:
        value, digits = value / 10, digits + 1
    return digits


def _round(value: float) -> float:
    return float(f"{value:.3g}")


def _gb(size_bytes: int) -> str:
    return f"{size_bytes / 1e9:,.1f} GB"
