from pathlib import Path

import numpy as np
import pytest

from aisle.errors import AisleError
from aisle.evaluate.evaluation import Evaluation, evaluate
from aisle.evaluate.protocol import EvaluateConfig
from aisle.evaluate.results import load_evaluation, save_evaluation
from tests.evaluate.questions import random_shop


def result(resamples: int = 20) -> Evaluation:
    scorer, cases, facts = random_shop(5)
    return evaluate(scorer, cases, EvaluateConfig(resamples=resamples, k=(1, 3)), facts)


@pytest.mark.parametrize("resamples", [0, 20])
def test_an_evaluation_comes_back_as_it_was_saved(tmp_path: Path, resamples: int) -> None:
    before = result(resamples)
    save_evaluation(before, tmp_path / "evaluation")
    after = load_evaluation(tmp_path / "evaluation")
    assert after.to_json() == before.to_json()
    assert np.array_equal(after.user, before.user)
    assert {name: value.tolist() for name, value in after.metrics.items()} == {
        name: value.tolist() for name, value in before.metrics.items()
    }


def test_saving_again_replaces_the_old_one(tmp_path: Path) -> None:
    save_evaluation(result(0), tmp_path / "evaluation")
    save_evaluation(result(20), tmp_path / "evaluation")
    assert load_evaluation(tmp_path / "evaluation").settings["resamples"] == 20
    assert [path.name for path in tmp_path.iterdir()] == ["evaluation"]


@pytest.mark.parametrize("damage", ["missing", "cut short", "not json", "pickled", "another shape"])
def test_a_damaged_evaluation_is_an_error_that_says_so(tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "evaluation"
    save_evaluation(result(), folder)
    value = folder / "value.npy"
    if damage == "missing":
        value.unlink()
    elif damage == "cut short":
        value.write_bytes(value.read_bytes()[:-9])
    elif damage == "not json":
        (folder / "evaluation.json").write_text("{")
    elif damage == "pickled":
        np.save(value, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    else:
        np.save(value, np.zeros((2, 2)))
    with pytest.raises(AisleError) as caught:
        load_evaluation(folder)
    assert caught.value.code == "E702"
