"""Two users, three items; the model says 4, 2, 3 to the first and 9, -1, nothing to the second."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from aisle.dataset.cases import Cases
from aisle.errors import AisleError
from aisle.evaluate.compare import compare
from aisle.evaluate.evaluation import Evaluation, evaluate
from aisle.evaluate.facts import Facts, Ratings
from aisle.evaluate.protocol import EvaluateConfig
from aisle.evaluate.results import load_evaluation, save_evaluation
from aisle.features.histories import Histories
from tests.evaluate.questions import OUT, cases_of
from tests.recommend.scorers import TableScorer

SAID = np.array([[4, 2, 3], [9, -1, OUT]], np.float32)
FACTS = replace(Facts.of(Histories.empty(2), 3), ratings=Ratings(1, 5, 3.5))
CONFIG = EvaluateConfig(protocol="rating", resamples=200)


def _cases() -> Cases:
    """The first user rated items 0 and 1 with 5 and 2, the second all three with 4, 1 and 3."""
    return replace(cases_of([0, 1], [[], []], [[0, 1], [0, 1, 2]]), rating=np.array([5, 2, 4, 1, 3], np.float32))


def _measured(said: np.ndarray = SAID) -> Evaluation:
    return evaluate(TableScorer(said), _cases(), CONFIG, FACTS)


def test_errors_by_hand() -> None:
    measured = _measured()
    # Said within 1 to 5, the mean rating 3.5 where there is no score: 4 2 5 1 3.5 against 5 2 4 1 3: errors -1 0 1 0 0.5.
    assert measured.metrics["MAE"].tolist() == [1, 0, 1, 0, 0.5]
    assert measured.metrics["MSE"].tolist() == [1, 0, 1, 0, 0.25]
    assert measured.means == pytest.approx({"RMSE": np.sqrt(2.25 / 5), "MSE": 0.45, "MAE": 0.5})
    assert measured.user.tolist() == [0, 0, 1, 1, 1]
    assert measured.counts == {"cases": 5, "users": 2, "fallback_cases": 1}


def test_the_interval_of_the_root_is_the_root_of_the_interval() -> None:
    measured = _measured()
    low, high = measured.intervals["MSE"]
    assert measured.intervals["RMSE"] == pytest.approx((np.sqrt(low), np.sqrt(high)))
    assert low <= measured.means["MSE"] <= high


def test_blocks_of_any_size_give_the_same_errors() -> None:
    small = evaluate(TableScorer(SAID), _cases(), replace(CONFIG, block_cells=8), FACTS)
    assert small.metrics["MSE"].tolist() == _measured().metrics["MSE"].tolist()


def test_a_result_is_read_back_equal(tmp_path: Path) -> None:
    measured = _measured()
    save_evaluation(measured, tmp_path / "test")
    assert load_evaluation(tmp_path / "test").to_json() == measured.to_json()


def test_of_two_models_the_one_with_smaller_errors_is_better() -> None:
    right = _measured(np.array([[5, 2, 3], [4, 1, 3]], np.float32))
    verdicts = {row.metric: row.verdict for row in compare(_measured(), right, resamples=500).rows}
    assert verdicts == {"MSE": "b is better", "MAE": "b is better"}


def test_questions_without_ratings_are_refused() -> None:
    with pytest.raises(AisleError, match="E706"):
        evaluate(TableScorer(SAID), replace(_cases(), rating=None), CONFIG, FACTS)
    with pytest.raises(AisleError, match="E706"):
        evaluate(TableScorer(SAID), _cases(), CONFIG, replace(FACTS, ratings=None))
