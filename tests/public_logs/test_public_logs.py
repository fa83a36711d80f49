"""Every public log goes from file to figures by the commands of docs/public-logs.md, and the figures are the page's."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from aisle.dataset.cases import Split
from aisle.dataset.reader import Dataset
from aisle.dataset.split import SplitConfig, split
from aisle.evaluate.evaluation import evaluate
from aisle.evaluate.facts import Facts
from aisle.evaluate.protocol import EvaluateConfig
from aisle.features.histories import Histories
from tests.public_logs.page import rows, scripts

pytestmark = [pytest.mark.slow, pytest.mark.public_data]


@dataclass(frozen=True)
class Walk:
    """What a block left behind: the folder it ran in, and what it printed."""

    folder: Path
    printed: str

    def metrics(self, run: str) -> dict[str, Any]:
        """Read metrics.json of a run."""
        found: dict[str, Any] = json.loads((self.folder / "runs" / run / "metrics.json").read_text())
        return found


Walker = Callable[[str], Walk]


@pytest.fixture(scope="session")
def walk(public_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Walker:
    """Run the block of a log in a folder of its own, once a session, with `aisle` as this Python has it."""
    done: dict[str, Walk] = {}

    def run(log: str) -> Walk:
        if not (public_data / log).is_dir():
            pytest.skip(f"SKIPPED: no public log at {public_data / log}; set AISLE_PUBLIC_DATA")
        if log not in done:
            folder = tmp_path_factory.mktemp(log)
            aisle = f'aisle() {{ {shlex.quote(sys.executable)} -m aisle.cli.main "$@"; }}\n'
            words = ["sh", "-euc", aisle + scripts()[log]]
            env = {**os.environ, "LOGS": str(public_data.resolve())}
            result = subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True, check=False)
            assert result.returncode == 0, result.stderr
            done[log] = Walk(folder, result.stdout)
        return done[log]

    return run


@pytest.mark.parametrize("log", scripts())
def test_the_commands_of_the_page_give_the_counts_and_the_figures_of_the_page(log: str, walk: Walker) -> None:
    told, walked = rows()[log], walk(log)
    manifest = Dataset(walked.folder / "data" / log).manifest
    assert (manifest.events, manifest.users, manifest.items) == (told.events, told.users, told.items)
    for run in sorted((walked.folder / "runs").iterdir()):
        measured = walked.metrics(run.name)["test"]["metrics"]["HR@10"]
        low, high = measured["ci"]
        assert 0 < low < measured["mean"] < high <= 1
    assert walked.metrics(log)["test"]["metrics"]["HR@10"]["mean"] == pytest.approx(told.hr_at_10, abs=0.002)
    assert walked.printed.count("95% intervals") == scripts()[log].count("aisle evaluate ")


def test_ncfs_protocol_gives_popularity_and_item_knn_what_is_known(walk: Walker) -> None:
    metrics = walk("ncf-ml-1m").metrics("ncf-ml-1m")
    assert metrics["test"]["counts"]["cases"] == 6_040
    assert metrics["test"]["protocol"] | {"cases_sha256": ""} == {
        "ranking": "sampled",
        "catalogue_items": 3_706,
        "filter_seen": True,
        "ties": "count against the model",
        "cases_sha256": "",
        "negatives": 99,
        "negatives_from": "the split",
    }
    assert metrics["test"]["metrics"]["HR@10"]["mean"] >= 0.65
    assert 0.4515 <= metrics["baselines"]["popularity"]["test"]["metrics"]["HR@10"]["mean"] <= 0.4540


def test_other_negatives_than_the_papers_are_refused(walk: Walker) -> None:
    words = [sys.executable, "-m", "aisle.cli.main", "evaluate", "runs/ncf-ml-1m", "--negatives", "50"]
    result = subprocess.run(words, cwd=walk("ncf-ml-1m").folder, capture_output=True, text=True, check=False)
    assert (result.returncode, "brings its own 99 wrong answers" in result.stderr) == (2, True)


class Formula:
    """Scores items by a formula of a (B, N) shape, whoever asks."""

    def __init__(self, formula: Callable[[tuple[int, ...]], NDArray[np.float32]]) -> None:
        self._formula = formula

    def knows(self, user_B: NDArray[np.int64], known: Histories) -> NDArray[np.bool_]:
        return np.ones(len(user_B), np.bool_)

    def score_items(self, user_B: NDArray[np.int64], known: Histories, item_BN: NDArray[np.int64]) -> NDArray[np.float32]:
        return self._formula(item_BN.shape)

    def score(self, user_B: NDArray[np.int64], known: Histories) -> NDArray[np.float32]:
        raise AssertionError("a sampled protocol needs some items only")

    def similar(self, item_B: NDArray[np.int64]) -> NDArray[np.float32]:
        raise AssertionError


@pytest.fixture(scope="module")
def ncf(walk: Walker) -> Callable[[Formula], float]:
    """HR@10 of a formula on the prepared log, cut by its files."""
    dataset = Dataset(walk("ncf-ml-1m").folder / "data" / "ncf-ml-1m")
    cut: Split = split(dataset, SplitConfig(kind="files"))
    facts = Facts.of(cut.refit, dataset.n_items)
    config = EvaluateConfig(protocol="sampled", resamples=0)
    return lambda formula: evaluate(formula, cut.test, config, facts).means["HR@10"]


def test_random_scores_hit_one_time_in_ten(ncf: Callable[[Formula], float]) -> None:
    rng = np.random.default_rng(0)
    assert ncf(Formula(lambda shape: rng.random(shape, np.float32))) == pytest.approx(0.10, abs=0.01)


def test_the_same_score_for_every_item_never_hits(ncf: Callable[[Formula], float]) -> None:
    assert ncf(Formula(lambda shape: np.full(shape, 0.5, np.float32))) == 0
