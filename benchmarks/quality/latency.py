"""How long one shopper waits for ten recommendations: the saved model of a run, asked one shopper at a time."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from aisle.dataset.reader import Dataset
from aisle.experiment.run import Run

_SHOPPERS, _WARM_UP = 200, 10


def answer_ms(run: Run, dataset: Dataset) -> dict[str, Any]:
    """Return the median and the 95th percentile in milliseconds over shoppers of the test part, one thread of the CPU."""
    recommender = run.recommender()
    asked = np.unique(run.evaluation().user)
    drawn = np.random.default_rng(0).choice(asked, _SHOPPERS + _WARM_UP)
    taken_ms = []
    for shopper in dataset.users.decode(drawn):
        start_s = time.perf_counter()
        recommender.recommend([shopper], k=10)
        taken_ms.append(1000 * (time.perf_counter() - start_s))
    median, late = np.quantile(taken_ms[_WARM_UP:], [0.5, 0.95])
    return {"median": round(float(median), 3), "p95": round(float(late), 3), "shoppers": _SHOPPERS}
