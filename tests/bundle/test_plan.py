"""The plan's arithmetic is what files really take, and its times are those that were measured."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from aisle.bundle.index import IndexConfig, build_index, choose_kind
from aisle.bundle.plan import plan
from benchmarks.index.vectors import simulate_shoppers, simulate_vectors

RESULTS = Path(__file__).parents[2] / "benchmarks" / "index" / "results.json"


@pytest.mark.parametrize(
    ("name", "config"),
    [("ivf-sq8", IndexConfig("ivf", codes="sq8")), ("ivf-pq", IndexConfig("ivf", codes="pq")), ("hnsw", IndexConfig("hnsw"))],
)
def test_memory_is_what_the_files_take(name: str, config: IndexConfig, tmp_path: Path) -> None:
    items = simulate_vectors(6_000, 16)
    report = build_index(items.item_VD, np.ones(6_000, np.bool_), config, tmp_path, simulate_shoppers(items, 10))
    choice = next(one for one in plan(6_000, 16).choices if one.name == name)
    assert choice.memory_bytes == pytest.approx(report.disk_bytes, rel=0.05)


def test_exact_by_hand() -> None:
    exact = plan(1_000_000, 64).choices[0]
    assert exact.memory_bytes == exact.item_matrix_bytes == 256_000_000  # 1 million x 64 x 4 bytes
    smaller = plan(50_000, 64).choices[0]
    assert (smaller.memory_bytes, smaller.item_matrix_bytes) == (16_000_000, 12_800_000)  # and 50,000 x 64 x 1 byte


@pytest.mark.parametrize("items", [1_000, 50_000, 1_000_000, 10_000_000, 100_000_000])
def test_what_is_recommended_is_what_an_index_becomes_by_itself(items: int) -> None:
    assert plan(items, 64).recommended.split("-")[0] == choose_kind(items, 64)


def test_more_items_never_need_less() -> None:
    sizes = [10**power for power in range(3, 10)]
    for one in range(4):
        choices = [plan(size, 64).choices[one] for size in sizes]
        for of in ("memory_bytes", "ms", "batch_ms", "filtered_ms", "build_s"):
            values = [getattr(choice, of) for choice in choices]
            assert values == sorted(values), (choices[0].name, of)


def test_what_is_extrapolated_says_so() -> None:
    assert {choice.known for choice in plan(100_000_000, 64).choices} == {"extrapolated"}
    assert plan(10_000_000, 64).choices[1].known == "at a measured size"
    assert plan(3_000_000, 64).choices[1].known == "between measured sizes"


def test_times_are_those_of_the_benchmark() -> None:
    """Within a factor of two: the benchmark's own spread from run to run is a third of that."""
    measured = json.loads(RESULTS.read_text())
    for entry in measured.values():
        if entry["items"] < 1_000_000:
            continue
        choice = next(one for one in plan(entry["items"], entry["dim"]).choices if one.name == entry["kind"])
        for question, ms in (("no filter", choice.ms), ("category (5%)", choice.filtered_ms)):
            seen = next(row["processor_ms"]["p50"] for row in entry["measured"] if row["question"] == question and row["k"] == 10)
            assert seen / 2 < ms < seen * 2, (entry["items"], entry["kind"], question, seen, ms)
