"""Milliseconds from histories to the vectors that an index is asked with: the served encoder, and the eager model.

    python -m benchmarks.encoder.run [--rounds 200]

Histories of 50 events, width 64, the defaults of each model with random weights, one thread. Eager and served take turns in
one process on the same histories; medians, smallest and largest of one call go to `results.json`.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from aisle.bundle.scorers import load_scorer
from aisle.environment.facts import environment
from aisle.export.scorers import export_scorer
from aisle.features.histories import Histories
from aisle.models.ligr import LiGRConfig
from aisle.models.lstm import LSTMConfig
from aisle.models.next_item import NextItem
from aisle.models.sasrec import SASRecConfig

RESULTS = Path(__file__).with_name("results.json")
ITEMS, LENGTH, BATCHES = 50_000, 50, (1, 8, 32)
CONFIGS: dict[str, Any] = {"lstm": LSTMConfig(), "sasrec": SASRecConfig(), "ligr": LiGRConfig()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=200)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    measured = {name: {str(batch): _turns(name, batch, rounds) for batch in BATCHES} for name in CONFIGS}
    facts = environment()
    result = {
        "items": ITEMS,
        "length": LENGTH,
        "rounds": rounds,
        "machine": {key: facts[key] for key in ("cpu", "python", "packages")},
        "measured": measured,
    }
    RESULTS.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(measured, indent=2))


def _turns(name: str, batch: int, rounds: int) -> dict[str, dict[str, float]]:
    """Time one call of each side on one batch."""
    config = CONFIGS[name]
    model = NextItem.untrained(config, np.ones(ITEMS, np.bool_), seed=1).eval()
    with tempfile.TemporaryDirectory() as folder:
        export_scorer(model, name, config, Path(folder))
        scorer: Any = load_scorer(Path(folder))
        user_B, known = np.full(batch, -1), _histories(batch)
        sides: dict[str, Callable[[], object]] = {
            "served": lambda: scorer.user_vectors(user_B, known),
            "eager": lambda: model.states(known),
        }
        milliseconds: dict[str, list[float]] = {side: [] for side in sides}
        for _ in range(rounds + 5):  # the first warm up
            for side, ask in sides.items():
                start = time.perf_counter()
                ask()
                milliseconds[side].append(1e3 * (time.perf_counter() - start))
    return {
        side: {"median_ms": statistics.median(times[5:]), "min_ms": min(times[5:]), "max_ms": max(times[5:])}
        for side, times in milliseconds.items()
    }


def _histories(batch: int) -> Histories:
    random = np.random.default_rng(1)
    item = random.integers(0, ITEMS, batch * LENGTH).astype(np.int32)
    return Histories(np.arange(batch + 1) * LENGTH, item, np.ones(len(item), np.uint8), np.arange(len(item)) * 10**6)


if __name__ == "__main__":
    main()
