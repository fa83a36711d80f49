"""The factorised models in a run: trained halves, their phases, and recipes that name them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from aisle.dataset.reader import Dataset
from aisle.experiment.recipe import Recipe, load_recipe
from aisle.experiment.recommender import Recommender
from aisle.experiment.run import Screen, read_run, train_run
from aisle.train.watch import Progress, Watch

QUICK = ["train.epochs=2", "evaluate.resamples=0", "baselines=[]", "train.batch_size=512", "train.device=cpu"]


def _pretrained() -> Recipe:
    small = ["parameters.factors=8", "parameters.mlp_factors=8", "parameters.hidden=[8, 4]", "parameters.pretrain_epochs=2"]
    return load_recipe("ncf", [*QUICK, *small])


def test_each_half_is_trained_before_the_whole_in_both_phases(dataset: Dataset) -> None:
    model = Recommender(_pretrained()).fit(dataset)
    phases = [record.phase for record in model.records]
    assert phases[:6] == ["choose-gmf", "choose-gmf", "choose-mlp", "choose-mlp", "refit-gmf", "refit-gmf"]
    assert phases[-1] == "refit"
    assert {record.validation for record in model.records if "-" in record.phase} == {None}


@pytest.mark.parametrize("phase", ["choose-mlp", "choose", "refit-gmf", "refit"])
def test_a_run_cut_off_in_any_phase_ends_with_the_same_bits(dataset: Dataset, tmp_path: Path, phase: str) -> None:
    def cut(progress: Progress) -> None:
        if (progress.phase, progress.epoch) == (phase, 1 if phase == "refit" else 2):
            raise KeyboardInterrupt

    recipe = _pretrained()
    whole = train_run(dataset, recipe, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train_run(dataset, recipe, tmp_path / "cut", screen=Screen(on_progress=cut))
    train_run(dataset, recipe, tmp_path / "cut", resume=True)
    files = [tmp_path / name / "model" / "model.safetensors" for name in ("whole", "cut")]
    assert files[0].read_bytes() == files[1].read_bytes()
    assert read_run(tmp_path / "cut").metrics["best_epoch"] == whole.metrics["best_epoch"]


@pytest.mark.parametrize(
    "settings",
    [
        ["model=ials", "parameters={dimensions = 8, event_weights = [['view', 0.3]]}"],
        ["model=ease", "parameters={regularisation = 50, event_weights = [['view', 0.3]]}"],
        ["model=mf", "parameters={factors = 8, loss = 'bpr'}"],
    ],
)
def test_a_recipe_names_them_and_a_saved_one_answers_the_same(dataset: Dataset, tmp_path: Path, settings: list[str]) -> None:
    recipe = load_recipe("popularity", [*QUICK, *settings])
    model = Recommender(recipe).fit(dataset, watch=Watch())
    model.save(tmp_path / "model")
    again = Recommender.load(tmp_path / "model")
    assert again.recipe == recipe
    users = dataset.users.decode(np.arange(20))
    assert again.recommend(users).equals(model.recommend(users))
    assert "model" in model.recommend(users)["source"].to_list()
