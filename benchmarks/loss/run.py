"""Forward and backward of the softmax over the catalogue: in blocks that stay in the cache, and on the whole product.

    python -m benchmarks.loss.run [--repeats 7]

The same numbers in turns in one process, one thread; medians, smallest and largest go to `results.json`.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from aisle.environment.facts import environment
from aisle.models.next_item_loss import softmax_loss

RESULTS = Path(__file__).with_name("results.json")
TARGETS, ITEMS, WIDTH = 6_400, 3_416, 64


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=7)
    repeats = parser.parse_args().repeats
    torch.set_num_threads(1)
    random = torch.Generator().manual_seed(1)
    state = torch.randn(TARGETS, WIDTH, generator=random, requires_grad=True)
    item = torch.randn(ITEMS, WIDTH, generator=random, requires_grad=True)
    target, weight = torch.randint(ITEMS, (TARGETS,), generator=random), torch.ones(TARGETS)

    def blocked() -> Tensor:
        return softmax_loss(state, item, target, weight)

    def blocked_bfloat16() -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return softmax_loss(state, item, target, weight)

    def whole() -> Tensor:
        return functional.cross_entropy(state @ item.T, target)

    sides: dict[str, Callable[[], Tensor]] = {"blocked": blocked, "blocked, bfloat16": blocked_bfloat16, "cross_entropy": whole}
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(repeats + 1):  # the first round warms up
        for name, loss in sides.items():
            start = time.perf_counter()
            torch.autograd.backward(loss())
            seconds[name].append(time.perf_counter() - start)
    facts = environment()
    measured = {
        name: {"median_s": statistics.median(times[1:]), "min_s": min(times[1:]), "max_s": max(times[1:])}
        for name, times in seconds.items()
    }
    result = {
        "targets": TARGETS,
        "items": ITEMS,
        "width": WIDTH,
        "repeats": repeats,
        "machine": {key: facts[key] for key in ("cpu", "python", "packages")},
        "measured": measured,
    }
    RESULTS.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(measured, indent=2))


if __name__ == "__main__":
    main()
