"""NCF's own protocol on its own files: numbers that a wrong protocol cannot give."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from aisle.dataset.cases import Cases
from aisle.evaluate.evaluation import evaluate
from aisle.evaluate.facts import Facts
from aisle.evaluate.protocol import EvaluateConfig
from aisle.features.histories import Histories

FOLDER = Path(os.environ.get("AISLE_PUBLIC_DATA", Path(__file__).parents[2] / "../shared/data")) / "ncf-ml-1m"
CONFIG = EvaluateConfig(protocol="sampled", resamples=0)

pytestmark = [
    pytest.mark.public_data,
    pytest.mark.skipif(not FOLDER.exists(), reason="the public logs are not here (AISLE_PUBLIC_DATA)"),
]


class Formula:
    """Scores a (B, N) block of items by a formula."""

    def __init__(self, score_V: NDArray[np.float32] | None, seed: int = 0) -> None:
        self.score_V, self.rng = score_V, np.random.default_rng(seed)

    def knows(self, user_B: NDArray[np.int64], known: Histories) -> NDArray[np.bool_]:
        return np.ones(len(user_B), np.bool_)

    def score_items(self, user_B: NDArray[np.int64], known: Histories, item_BN: NDArray[np.int64]) -> NDArray[np.float32]:
        return self.rng.random(item_BN.shape, np.float32) if self.score_V is None else self.score_V[item_BN]

    def score(self, user_B: NDArray[np.int64], known: Histories) -> NDArray[np.float32]:
        raise AssertionError("a sampled protocol needs some items only")

    def similar(self, item_B: NDArray[np.int64]) -> NDArray[np.float32]:
        raise AssertionError


@pytest.fixture(scope="module")
def train() -> Histories:
    table = pl.read_parquet(FOLDER / "train.parquet").sort("u", "chrono_rank")
    user, item = table["u"].to_numpy(), table["i"].to_numpy()
    offsets = np.searchsorted(user, np.arange(user.max() + 2)).astype(np.int64)
    return Histories(offsets, item.astype(np.int32), np.full(len(item), 8, np.uint8), np.arange(len(item)))


@pytest.fixture(scope="module")
def cases(train: Histories) -> Cases:
    lines = [line.split("\t") for line in (FOLDER / "test.negative").read_text().splitlines()]
    pairs = np.array([line[0].strip("()").split(",") for line in lines], np.int32)
    negatives = np.array([line[1:] for line in lines], np.int32)
    user, item = pairs[:, 0], pairs[:, 1]
    return Cases(user, train.take(user), np.arange(len(user) + 1), np.ascontiguousarray(item), negatives)


@pytest.fixture(scope="module")
def facts(train: Histories, cases: Cases) -> Facts:
    assert cases.negatives is not None
    return Facts.of(train, int(max(train.item.max(), cases.target_item.max(), cases.negatives.max())) + 1)


def test_popularity_scores_what_the_paper_shows(cases: Cases, facts: Facts) -> None:
    result = evaluate(Formula(facts.fallback), cases, CONFIG, facts)
    assert 0.4515 <= result.means["HR@10"] <= 0.4540
    assert result.counts["cases"] == 6040


def test_random_scores_hit_one_time_in_ten(cases: Cases, facts: Facts) -> None:
    assert evaluate(Formula(None), cases, CONFIG, facts).means["HR@10"] == pytest.approx(0.10, abs=0.01)


def test_the_same_score_for_every_item_hits_never(cases: Cases, facts: Facts) -> None:
    assert evaluate(Formula(np.full(facts.n_items, 0.5, np.float32)), cases, CONFIG, facts).means["HR@10"] == 0
