"""Each kind of index over simulated vectors: recall against exact lists with and without filters, times, bytes.

    OMP_NUM_THREADS=1 python -m benchmarks.index.run --items 50e3 --kinds exact ivf-sq8
    OMP_NUM_THREADS=1 python -m benchmarks.index.run --items 200e3 --kinds exact ivf-sq8
    OMP_NUM_THREADS=1 python -m benchmarks.index.run --items 1e6 --kinds exact ivf-sq8 ivf-pq hnsw
    OMP_NUM_THREADS=1 python -m benchmarks.index.run --items 10e6 --kinds ivf-sq8 ivf-pq exact

Results are kept in benchmarks/index/results.json by size and kind, and shown in benchmarks/index/results.md. An index is made
with two threads and asked by one. Filters: each of five categories of about 5% of the items (clusters of alike items), and
90% of the items at random, as those that are available. Run it while nothing else runs; it says how busy the machine was.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aisle.bundle.exact import ExactIndex
from aisle.bundle.faiss_index import found_share
from aisle.bundle.index import Index, IndexConfig, build_index, open_index
from aisle.environment.facts import environment
from benchmarks.index.vectors import SimulatedVectors, simulate_shoppers, simulate_vectors

RESULTS = Path(__file__).parent / "results.json"
KINDS = {
    "exact": IndexConfig("exact"),
    "ivf-sq8": IndexConfig("ivf", codes="sq8", build_threads=2),
    "ivf-pq": IndexConfig("ivf", codes="pq", build_threads=2),
    "hnsw": IndexConfig("hnsw", build_threads=2),
}
SHOPPERS, BATCH, CATEGORIES_ASKED = 200, 16, 5
Masks = list[NDArray[np.bool_] | None]


def quantiles(taken_ms: list[float]) -> dict[str, float]:
    return {name: round(float(np.quantile(taken_ms, share)), 3) for name, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99))}


def ask(index: Index, vector_SD: NDArray[np.float32], k: int, masks: Masks) -> tuple[dict[str, Any], NDArray[np.float32]]:
    """Ask one question at a time, the masks in turn; return times and scores."""
    taken, worked, scores = [], [], []
    for row in range(-5, len(vector_SD)):
        start, begin = time.perf_counter(), time.thread_time()
        _, score_1K = index.search(vector_SD[row % len(vector_SD)][None], k, masks[row % len(masks)])
        if row >= 0:
            taken.append(1000 * (time.perf_counter() - start))
            worked.append(1000 * (time.thread_time() - begin))
            scores.append(score_1K[0])
    return {"ms": quantiles(taken), "processor_ms": quantiles(worked)}, np.stack(scores)


def truth(exact: ExactIndex, vector_SD: NDArray[np.float32], k: int, masks: Masks) -> NDArray[np.float32]:
    """Return the scores of the exact lists: (S, k)."""
    score_SK = np.empty((len(vector_SD), k), np.float32)
    for place, mask_V in enumerate(masks):
        rows = np.arange(place, len(vector_SD), len(masks))
        score_SK[rows] = exact.search(vector_SD[rows], k, mask_V)[1]
    return score_SK


def questions(items: SimulatedVectors) -> dict[str, Masks]:
    available_V = np.random.default_rng(7).random(len(items.item_VD)) < 0.9
    inside: list[NDArray[np.bool_]] = [items.category_V == category for category in range(CATEGORIES_ASKED)]
    return {
        "no filter": [None],
        "available (90%)": [available_V],
        "category (5%)": [*inside],
        "category and available": [mask_V & available_V for mask_V in inside],
    }


def measure(index: Index, exact: ExactIndex, items: SimulatedVectors, shoppers: int) -> list[dict[str, Any]]:
    vector_SD = simulate_shoppers(items, shoppers, seed=3)  # others than the index was tuned on
    rows: list[dict[str, Any]] = []
    for name, masks in questions(items).items():
        for k in (10, 500):
            times, score_SK = ask(index, vector_SD, k, masks)
            recall = 1.0 if index.kind == "exact" else found_share(score_SK, truth(exact, vector_SD, k, masks))
            rows.append({"question": name, "k": k, "recall": round(recall, 4), **times})
            print(rows[-1], file=sys.stderr, flush=True)
    batch_ms, worked_ms = [], []
    for start in range(0, len(vector_SD) - BATCH, BATCH):
        begin, work = time.perf_counter(), time.thread_time()
        index.search(vector_SD[start : start + BATCH], 10, None)
        batch_ms.append(1000 * (time.perf_counter() - begin) / BATCH)
        worked_ms.append(1000 * (time.thread_time() - work) / BATCH)
    times = {"ms": quantiles(batch_ms), "processor_ms": quantiles(worked_ms)}
    rows.append({"question": f"no filter, {BATCH} at once", "k": 10, "recall": None, **times})
    return rows


def one(kind: str, items: SimulatedVectors, folder: Path) -> dict[str, Any]:
    """Make one index and measure it."""
    n_items = len(items.item_VD)
    ok_V = np.ones(n_items, np.bool_)
    shoppers = SHOPPERS if n_items <= 2_000_000 or kind != "exact" else SHOPPERS // 10
    start = time.perf_counter()
    report = build_index(items.item_VD, ok_V, KINDS[kind], folder, simulate_shoppers(items, SHOPPERS, seed=2))
    whole_s = time.perf_counter() - start
    start = time.perf_counter()
    index = open_index(folder, items.item_VD)
    open_s = time.perf_counter() - start
    return {
        "items": n_items,
        "dim": items.item_VD.shape[1],
        "kind": kind,
        "parameters": report.parameters,
        "build_s": report.build_s,
        "build_and_report_s": round(whole_s, 1),
        "open_s": round(open_s, 2),
        "disk_bytes": report.disk_bytes,
        "item_matrix_bytes": report.item_matrix_bytes,
        "measured": measure(index, ExactIndex(items.item_VD, ok_V), items, shoppers),
    }


def table(results: dict[str, Any]) -> str:
    """Return the results as a page."""
    cpu = next(iter(results.values()))["machine"]["cpu"]
    lines = [
        "# Nearest items: measured",
        "",
        f"Simulated vectors (`benchmarks/index/vectors.py`) on {cpu['cores']} cores of {cpu['name']}; two threads make an index,",
        "one asks it. One question at a time, in ms; recall is the share of the exact list that was found. `load` is how many",
        "processes wanted the processor before and after: beside other work p50 to p99 are longer, p99 most; `processor` is the",
        "median of the time that the thread itself worked, which other work lengthens little. Commands: the head of",
        "`benchmarks/index/run.py`.",
        "",
        "| items x dim | kind | made in s | on disk MB | question | k | recall | p50 | p90 | p99 | processor | load |",
        "|---|---|---:|---:|---|---:|---:|---:|---:|---:|---:|---|",
    ]
    for entry in results.values():
        head = (
            f"{entry['items']:,} x {entry['dim']} | {entry['kind']} | {entry['build_s']:,.0f} | {entry['disk_bytes'] / 1e6:,.0f}"
        )
        load = f"{entry['load'][0]}, {entry['load'][1]}"
        for row in entry["measured"]:
            recall = "" if row["recall"] is None else f"{row['recall']:.3f}"
            times = " | ".join(f"{ms:.2f}" for ms in (*row["ms"].values(), row["processor_ms"]["p50"]))
            lines.append(f"| {head} | {row['question']} | {row['k']} | {recall} | {times} | {load} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=float, default=1e6)
    parser.add_argument("--dim", type=int, default=64)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--folder", type=Path, help="where vectors and indexes are made; by default a temporary one")
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    n_items = int(arguments.items)
    facts = environment()
    machine = {key: facts[key] for key in ("cpu", "python", "packages")}
    results: dict[str, Any] = json.loads(arguments.out.read_text()) if arguments.out.exists() else {}
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        path = Path(folder) / "items.npy"
        into = np.lib.format.open_memmap(path, "w+", np.float32, (n_items, arguments.dim))
        drawn = simulate_vectors(n_items, arguments.dim, into=into)
        into.flush()
        items = SimulatedVectors(drawn.centre_CD, drawn.cluster_V, np.load(path, "r"))  # as a bundle is read
        for kind in arguments.kinds:
            load = [round(os.getloadavg()[0], 1)]
            result = one(kind, items, Path(folder) / kind)
            load.append(round(os.getloadavg()[0], 1))
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
            results[f"{n_items} x {arguments.dim} {kind}"] = {**result, "load": load, "peak_bytes": peak, "machine": machine}
            arguments.out.write_text(json.dumps(results, indent=1) + "\n")
            arguments.out.with_suffix(".md").write_text(table(results))
    print(table(results))


if __name__ == "__main__":
    main()
