"""A run folder says everything about a run, and an interrupted run ends as if nothing had happened."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from aisle.dataset.reader import Dataset
from aisle.errors import AisleError
from aisle.experiment.recipe import load_recipe
from aisle.experiment.recommender import Recommender
from aisle.experiment.run import Screen, read_run, train_run
from aisle.train.watch import Progress

QUICK = ["train.epochs=3", "train.patience=3", "evaluate.resamples=50", "baselines=['popularity']"]


def model_hash(folder: Path) -> str:
    return hashlib.sha256((folder / "model" / "model.safetensors").read_bytes()).hexdigest()


class PowerCutError(Exception):
    """Stands for anything that stops a run from outside."""


def cut_power_in_epoch(epoch: int, phase: str = "choose") -> Screen:
    def cut(progress: Progress) -> None:
        if (progress.phase, progress.epoch) == (phase, epoch):
            raise PowerCutError

    return Screen(on_progress=cut)


def test_the_folder_holds_recipe_environment_log_curves_and_metrics(dataset: Dataset, tmp_path: Path) -> None:
    run = train_run(dataset, load_recipe("ncf", QUICK), tmp_path / "run")
    names = {path.name for path in run.folder.iterdir()}
    assert {"recipe.toml", "environment.json", "dataset.json", "log.txt", "log.jsonl", "epochs.json", "curves.png"} <= names
    assert {"tensorboard", "model", "test", "baselines", "metrics.json"} <= names
    assert "checkpoints" not in names
    environment = json.loads((run.folder / "environment.json").read_text())
    assert {"python", "torch", "cuda", "cudnn", "cpu_capability", "threads", "packages", "git_commit", "dataset"} <= set(
        environment
    )
    events = [json.loads(line)["event"] for line in (run.folder / "log.jsonl").read_text().splitlines()]
    assert events[0] == "start"
    assert events[-1] == "finished"
    assert events.count("epoch") >= 3
    assert list((run.folder / "tensorboard").iterdir())


def test_a_split_that_cannot_be_made_leaves_no_folder_and_empties_none(dataset: Dataset, tmp_path: Path) -> None:
    impossible = load_recipe("popularity", ["split.kind=files"])
    with pytest.raises(AisleError, match="E252"):
        train_run(dataset, impossible, tmp_path / "new")
    assert not (tmp_path / "new").exists()
    done = train_run(dataset, load_recipe("popularity", QUICK), tmp_path / "old")
    with pytest.raises(AisleError, match="E252"):
        train_run(dataset, impossible, tmp_path / "old", overwrite=True)
    assert read_run(tmp_path / "old").metrics == done.metrics


def test_a_file_is_no_place_for_a_run(dataset: Dataset, tmp_path: Path) -> None:
    (tmp_path / "run").write_text("precious")
    with pytest.raises(AisleError, match="E602"):
        train_run(dataset, load_recipe("popularity", QUICK), tmp_path / "run", overwrite=True)
    assert (tmp_path / "run").read_text() == "precious"


def test_two_runs_of_one_recipe_are_bit_identical(dataset: Dataset, tmp_path: Path) -> None:
    for name in ("a", "b"):
        train_run(dataset, load_recipe("ncf", QUICK), tmp_path / name)
    assert model_hash(tmp_path / "a") == model_hash(tmp_path / "b")
    a, b = read_run(tmp_path / "a"), read_run(tmp_path / "b")
    assert a.metrics["test"] == b.metrics["test"]


@pytest.mark.parametrize("model", ["fm", "ncf"])
@pytest.mark.parametrize("epoch", [1, 2])
def test_an_interrupted_run_resumes_to_the_same_bits(dataset: Dataset, tmp_path: Path, model: str, epoch: int) -> None:
    recipe = load_recipe(model, QUICK)
    train_run(dataset, recipe, tmp_path / "whole")
    with pytest.raises(PowerCutError):
        train_run(dataset, recipe, tmp_path / "cut", screen=cut_power_in_epoch(epoch))
    assert "stopped" in (tmp_path / "cut" / "log.txt").read_text()
    train_run(dataset, recipe, tmp_path / "cut", resume=True)
    assert model_hash(tmp_path / "cut") == model_hash(tmp_path / "whole")
    whole, cut = (json.loads((tmp_path / name / "epochs.json").read_text()) for name in ("whole", "cut"))
    assert [record["loss"] for record in cut] == [record["loss"] for record in whole]
    # The time of the epochs before the cut counts too.
    assert read_run(tmp_path / "cut").metrics["train_seconds"] >= sum(record["seconds"] for record in cut)


def test_an_unfinished_run_is_no_run_and_says_how_to_finish_it(dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(PowerCutError):
        train_run(dataset, load_recipe("ncf", QUICK), tmp_path / "run", screen=cut_power_in_epoch(1))
    with pytest.raises(AisleError, match="interrupted") as caught:
        read_run(tmp_path / "run")
    assert "--resume" in caught.value.hint


def test_a_second_run_never_overwrites_the_first_unasked(dataset: Dataset, tmp_path: Path) -> None:
    recipe = load_recipe("popularity", ["evaluate.resamples=50", "baselines=[]"])
    train_run(dataset, recipe, tmp_path / "run")
    with pytest.raises(AisleError) as caught:
        train_run(dataset, recipe, tmp_path / "run")
    assert caught.value.code == "E406"
    train_run(dataset, recipe, tmp_path / "run", overwrite=True)


def test_resuming_with_another_recipe_is_refused_by_name(dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(PowerCutError):
        train_run(dataset, load_recipe("ncf", QUICK), tmp_path / "run", screen=cut_power_in_epoch(2))
    with pytest.raises(AisleError, match="learning_rate"):
        train_run(dataset, load_recipe("ncf", [*QUICK, "train.learning_rate=0.5"]), tmp_path / "run", resume=True)


def test_a_refused_resumption_changes_nothing_and_the_right_one_still_goes_on(dataset: Dataset, tmp_path: Path) -> None:
    recipe = load_recipe("ncf", QUICK)
    with pytest.raises(PowerCutError):
        train_run(dataset, recipe, tmp_path / "run", screen=cut_power_in_epoch(2))
    # Epochs that were validated with NDCG@10 and with NDCG@5 cannot be compared: the kept one would depend on the cut.
    for other in ("train.seed=7", "evaluate.k=[5]"):
        with pytest.raises(AisleError, match="E506"):
            train_run(dataset, load_recipe("ncf", [*QUICK, other]), tmp_path / "run", resume=True)
    assert load_recipe(tmp_path / "run" / "recipe.toml") == recipe
    train_run(dataset, load_recipe(tmp_path / "run" / "recipe.toml"), tmp_path / "run", resume=True)


def test_a_finished_run_does_not_pass_for_another_one(dataset: Dataset, tmp_path: Path) -> None:
    train_run(dataset, load_recipe("popularity", QUICK), tmp_path / "run")
    with pytest.raises(AisleError, match="model was"):
        train_run(dataset, load_recipe("item-knn", QUICK), tmp_path / "run", resume=True)
    assert train_run(dataset, load_recipe("popularity", QUICK), tmp_path / "run", resume=True).name == "popularity"


def test_a_protocol_or_a_device_that_cannot_be_had_is_refused_before_training(dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(AisleError, match="E701"):
        train_run(dataset, load_recipe("ncf", ["evaluate.k=[0]"]), tmp_path / "run")
    with pytest.raises(AisleError, match="E503"):
        train_run(dataset, load_recipe("ncf", ["train.device=cpu", "train.precision=float16"]), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_saved_model_answers_as_the_trained_one_without_the_dataset(dataset: Dataset, tmp_path: Path) -> None:
    for name in ("popularity", "item-knn", "fm", "ncf"):
        trained = Recommender(load_recipe(name, QUICK)).fit(dataset)
        trained.save(tmp_path / name)
        loaded = Recommender.load(tmp_path / name)
        users = [*dataset.users.decode(range(20)), "nobody"]
        assert loaded.recommend(users, k=7).equals(trained.recommend(users, k=7))
        items = dataset.items.decode(range(5))
        assert loaded.similar_items(items, k=3).equals(trained.similar_items(items, k=3))


def test_another_kind_of_popularity_has_plain_popularity_as_a_baseline(dataset: Dataset, tmp_path: Path) -> None:
    recent = train_run(dataset, load_recipe("popularity-recent", ["evaluate.resamples=50"]), tmp_path / "recent")
    assert set(recent.metrics["baselines"]) == {"popularity", "item-knn"}
    plain = train_run(dataset, load_recipe("popularity", QUICK), tmp_path / "plain")
    assert plain.metrics["baselines"] == {}


@pytest.mark.parametrize("resume", [False, True])
def test_a_folder_that_is_no_run_is_never_emptied_nor_written_into(dataset: Dataset, tmp_path: Path, resume: bool) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    recipe = load_recipe("popularity", ["evaluate.resamples=50", "baselines=[]"])
    with pytest.raises(AisleError) as caught:
        train_run(dataset, recipe, tmp_path, overwrite=not resume, resume=resume)
    assert caught.value.code == "E604"
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_overwriting_a_run_leaves_what_others_put_into_its_folder(dataset_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(dataset_folder, tmp_path / "data")
    recipe = load_recipe("popularity", ["evaluate.resamples=50", "baselines=[]"])
    train_run(Dataset(tmp_path / "data"), recipe, tmp_path / "run")
    shutil.move(tmp_path / "data", tmp_path / "run" / "data")
    (tmp_path / "run" / "notes.txt").write_text("why we did this")
    (tmp_path / "run" / "epochs.json").write_text("of an earlier run")
    train_run(Dataset(tmp_path / "run" / "data"), recipe, tmp_path / "run", overwrite=True)
    assert (tmp_path / "run" / "notes.txt").read_text() == "why we did this"
    assert (tmp_path / "run" / "data" / "manifest.json").exists()
    assert not (tmp_path / "run" / "epochs.json").exists()


def test_a_run_that_was_killed_before_its_first_file_was_whole_can_be_resumed(dataset: Dataset, tmp_path: Path) -> None:
    for name in ("log.txt", "log.jsonl", ".recipe.toml.partial"):
        (tmp_path / name).write_text("")
    train_run(dataset, load_recipe("popularity", ["evaluate.resamples=50", "baselines=[]"]), tmp_path, resume=True)
