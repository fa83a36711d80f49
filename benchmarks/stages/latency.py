"""How long a trained two-stage model takes: one shopper at a time, and in batches, stage by stage, on one thread.

    python -m benchmarks.stages.latency runs/two-stage --out benchmarks/stages/latency.json

Times are those of a whole request from raw ids to a table with reasons; "candidates", "rank" and "reasons" are the parts of it
that the two stages add, measured apart. Run it while nothing else runs; it says so where other work was seen.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from aisle.environment.facts import environment
from aisle.experiment.recommender import Recommender
from aisle.experiment.run import read_run
from aisle.recommend.stages import TwoStage

WARM_UP, REQUESTS, PARTS, BATCH, BATCHES = 20, 500, 200, 256, 5  # half a minute on a machine that does nothing else


def milliseconds(ask: Callable[[int], object], count: int) -> dict[str, float]:
    """Ask `count` times after a warm-up; return quantiles in ms."""
    taken = []
    for number in range(-min(WARM_UP, count // 5), count):
        start = time.perf_counter()
        ask(number % count)
        if number >= 0:
            taken.append(1000 * (time.perf_counter() - start))
    return {name: round(float(np.quantile(taken, share)), 3) for name, share in (("p50", 0.5), ("p99", 0.99))}


def parts_of(recommender: Recommender, model: TwoStage, users: list[Any]) -> dict[str, dict[str, float]]:
    """Time the parts of single requests of a two-stage model."""
    code_U, known = recommender.histories(users)
    one = [np.array([place]) for place in range(len(users))]
    asked = [(code_U[row], known.take(row)) for row in one]
    found = [model.candidates(*question) for question in asked]
    best = [np.where(row.item[:, :10] >= 0, row.item[:, :10], -1) for row in found]
    return {
        "candidates": milliseconds(lambda place: model.candidates(*asked[place]), len(users)),
        "rank": milliseconds(lambda place: model.ranker.rank(*asked[place], found[place]), len(users)),
        "reasons": milliseconds(lambda place: model.reasons(*asked[place], best[place]), len(users)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="a finished run of a two-stage recipe")
    parser.add_argument("--out", type=Path, help="write the figures here")
    parser.add_argument("--requests", type=int, default=REQUESTS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    done = read_run(arguments.run)
    recommender, dataset = done.recommender(), done.dataset()
    drawn = np.random.default_rng(0).choice(np.flatnonzero(dataset.histories.lengths), arguments.requests)
    users = dataset.users.decode(drawn)
    batches = [dataset.users.decode(drawn[np.arange(start, start + BATCH) % len(drawn)]) for start in range(0, BATCHES * 64, 64)]
    fitted = recommender.fitted
    if fitted is None or not isinstance(fitted.model, TwoStage):
        parser.error(f"{arguments.run} holds a {recommender.recipe.model}, not a two-stage model")
    facts = environment()
    result = {
        "run": arguments.run.name,
        "items": dataset.n_items,
        "recallers": [stage.title for stage in done.recipe.parameters.recall],
        "machine": {key: facts[key] for key in ("cpu", "python", "packages")},
        "load_before": round(os.getloadavg()[0], 2),
        "single_ms": milliseconds(lambda place: recommender.recommend([users[place]], k=10), len(users)),
        "parts_ms": parts_of(recommender, fitted.model, users[:PARTS]),
        f"batch_of_{BATCH}_ms": milliseconds(lambda place: recommender.recommend(batches[place], k=10), len(batches)),
        "load_after": round(os.getloadavg()[0], 2),
    }
    text = json.dumps(result, indent=2)
    if arguments.out:
        arguments.out.write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
