"""A run: one recipe on one dataset, in one folder that says everything about it (`run_folder`) and can be resumed."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from aisle import __version__
from aisle.dataset.cases import Split
from aisle.dataset.reader import Dataset
from aisle.dataset.split import split as cut
from aisle.environment.facts import environment
from aisle.errors import AisleError
from aisle.evaluate.compare import compare
from aisle.evaluate.evaluation import Evaluation
from aisle.evaluate.protocol import check
from aisle.evaluate.results import load_evaluation, save_evaluation
from aisle.experiment import plots
from aisle.experiment.identity import identity_of
from aisle.experiment.recipe import Recipe, load_recipe, parse_recipe, recipe_as_dict, write_recipe
from aisle.experiment.recommender import Recommender
from aisle.experiment.registry import MODELS
from aisle.experiment.run_folder import DATASET_NAME, METRICS_NAME, RECIPE_NAME, check_folder, open_folder
from aisle.experiment.run_log import RunLog
from aisle.experiment.torch_facts import torch_facts
from aisle.experiment.tracking import Tracker
from aisle.storage.atomic import remove, write_atomic
from aisle.train.checkpoint import Checkpoints
from aisle.train.device import check_precision, pick_device
from aisle.train.epoch_state import check_identity
from aisle.train.tensorboard import EpochBoard
from aisle.train.watch import EpochRecord, Progress, Watch


@dataclasses.dataclass(frozen=True)
class Screen:
    """Where a run speaks while it works: each line of its log, progress several times a second, and an MLflow run."""

    say: Callable[[str], None] | None = None
    on_progress: Callable[[Progress], None] | None = None
    tracker: Tracker | None = None


@dataclasses.dataclass(frozen=True)
class _Work:
    dataset: Dataset
    split: Split
    recipe: Recipe
    folder: Path
    log: RunLog


@dataclasses.dataclass(frozen=True)
class Run:
    """A finished run, read from its folder.

    Attributes:
        folder: where it lies.
        recipe: what was asked for.
        metrics: the content of metrics.json.
    """

    folder: Path
    recipe: Recipe
    metrics: dict[str, Any]

    @property
    def name(self) -> str:
        """The model's name."""
        return self.recipe.model

    def evaluation(self) -> Evaluation:
        """Read the per-case test results."""
        return load_evaluation(self.folder / "test")

    def baseline(self, name: str) -> Evaluation:
        """Read the per-case test results of a baseline that was measured beside the model."""
        return load_evaluation(self.folder / "baselines" / name)

    def recommender(self) -> Recommender:
        """Load the model."""
        return Recommender.load(self.folder / "model")

    def dataset(self) -> Dataset:
        """Open the dataset that the run was trained on.

        Raises:
            AisleError: E404 when another dataset lies there now.
        """
        about = json.loads((self.folder / DATASET_NAME).read_text())
        dataset = Dataset(Path(about["path"]))
        if dataset.manifest.content_hash != about["content_hash"]:
            raise AisleError(
                f"{about['path']} is not the dataset that {self.folder} was trained on: content hash "
                f"{dataset.manifest.content_hash[:16]}, expected {about['content_hash'][:16]}",
                hint="restore the dataset, or train again",
                code="E404",
            )
        return dataset


def read_run(folder: Path) -> Run:
    """Read a finished run.

    Raises:
        AisleError: E405 when there is no finished run.
    """
    folder = Path(folder)
    try:
        metrics = json.loads((folder / METRICS_NAME).read_text())
    except (OSError, ValueError) as error:
        unfinished = (folder / RECIPE_NAME).exists()
        raise AisleError(
            f"no finished run at {folder}" + (": it was interrupted" if unfinished else ""),
            hint=f"finish it with `aisle train DATASET --out {folder} --resume`" if unfinished else "make one with `aisle train`",
            code="E405",
        ) from error
    return Run(folder, load_recipe(folder / RECIPE_NAME), metrics)


def train_run(
    dataset: Dataset,
    recipe: Recipe,
    folder: Path,
    *,
    resume: bool = False,
    overwrite: bool = False,
    screen: Screen | None = None,
) -> Run:
    """Train, measure on the test part once, and write the run folder.

    Args:
        dataset: a prepared dataset.
        recipe: what to do with it.
        folder: the run folder.
        resume: go on from the last checkpoint; the result is bit-identical to a run that was never interrupted.
        overwrite: replace the run in `folder`; files that are not the run's stay.
        screen: where to speak; silent by default.

    Raises:
        AisleError: E406, E602, E604 when the folder cannot be had (see `run_folder`), E25x when the dataset cannot be split
            so, E506 when the run at `folder` had another dataset or recipe, E700 or E701 when the test part cannot be
            evaluated so, E412 when MLflow goes away, E5xx from training.
    """
    folder, screen = Path(folder), screen or Screen()
    if resume:
        _check_same_run(folder, dataset, recipe)
    if resume and (folder / METRICS_NAME).exists():
        if screen.say:
            screen.say(f"{folder} is finished already")
        return read_run(folder)
    check_folder(folder, resume=resume, overwrite=overwrite)
    split = cut(dataset, recipe.split)  # a split that cannot be made leaves no folder behind, and does not empty one
    check(split.test, recipe.evaluate)  # nor does a protocol that would fail after hours of training
    if MODELS[recipe.model].trained:
        check_precision(recipe.train.precision, pick_device(recipe.train.device))
    open_folder(folder, resume=resume)
    with RunLog(folder, screen.say) as log, screen.tracker or nullcontext():
        tags = _describe(folder, dataset, recipe, resume=resume)
        if screen.tracker:
            screen.tracker.begin(folder, tags, recipe_as_dict(recipe), resume=resume)
        log.write("resume" if resume else "start", model=recipe.model, dataset=dataset.manifest.content_hash[:16])
        log.write("split", **split.description)
        work = _Work(dataset, split, recipe, folder, log)
        recommender = _train(work, screen, resume=resume)
        recommender.save(folder / "model", overwrite=True)
        metrics = _measure(recommender, work)
        if screen.tracker:
            screen.tracker.finish(metrics)
        # Written last: a folder with metrics is a finished run.
        write_atomic(folder / METRICS_NAME, json.dumps(metrics, indent=2))
        remove(folder / "checkpoints")
        log.write("finished", **metrics["test"]["counts"])
    return read_run(folder)


def _check_same_run(folder: Path, dataset: Dataset, recipe: Recipe) -> None:
    """Refuse to go on with another dataset or recipe, before anything is written over what the run says about itself."""
    if not ((folder / RECIPE_NAME).exists() and (folder / DATASET_NAME).exists()):
        return
    seen = identity_of(json.loads((folder / DATASET_NAME).read_text())["content_hash"], load_recipe(folder / RECIPE_NAME))
    wanted = identity_of(dataset.manifest.content_hash, recipe)
    check_identity(folder, seen, wanted)


def _describe(folder: Path, dataset: Dataset, recipe: Recipe, *, resume: bool) -> dict[str, str]:
    """Write what the run is before it begins; return what it can be found by."""
    write_recipe(recipe, folder / RECIPE_NAME)
    about = {"path": str(dataset.folder.resolve()), "content_hash": dataset.manifest.content_hash}
    write_atomic(folder / DATASET_NAME, json.dumps(about, indent=2))
    facts = {**environment(), **torch_facts(recipe.train.threads), "seed": recipe.train.seed, "dataset": about["content_hash"]}
    name = "environment.resume.json" if resume and (folder / "environment.json").exists() else "environment.json"
    write_atomic(folder / name, json.dumps(facts, indent=2))
    tags = {"model": recipe.model, "dataset": about["content_hash"], "aisle": __version__, "torch": facts["torch"]}
    tags |= {"python": facts["python"], "mlflow.source.git.commit": facts["git_commit"]}
    return {tag: str(value) for tag, value in tags.items() if value is not None}


def _train(work: _Work, screen: Screen, *, resume: bool) -> Recommender:
    recipe, folder = work.recipe, work.folder
    checkpoints = None
    if MODELS[recipe.model].trained:
        checkpoints = Checkpoints(folder / "checkpoints", identity_of(work.dataset.manifest.content_hash, recipe), resume=resume)
    with EpochBoard(folder / "tensorboard") as board:

        def on_epoch(record: EpochRecord) -> None:
            work.log.write("epoch", **record.as_dict())
            board.write(record)
            if screen.tracker:
                screen.tracker.epoch(record)

        watch = Watch(on_epoch=on_epoch, on_progress=screen.on_progress or (lambda _: None))
        recommender = Recommender(recipe).fit(work.dataset, work.split, watch=watch, checkpoints=checkpoints)
    fitted = recommender.fitted
    assert fitted is not None
    work.log.write("trained", seconds=round(fitted.seconds, 3), device=fitted.device, best_epoch=fitted.best_epoch)
    _draw_curves(recommender, folder)
    return recommender


def _draw_curves(recommender: Recommender, folder: Path) -> None:
    records = [record.as_dict() for record in recommender.records]
    if not records:
        return
    write_atomic(folder / "epochs.json", json.dumps(records, indent=2))
    fitted = recommender.fitted
    chosen = [{**record, "metric": record["validation"]} for record in records if record["phase"] == "choose"]
    figure = plots.curves(chosen, recommender.validation_metric, fitted.best_epoch if fitted else None)
    write_atomic(folder / "curves.png", plots.png(figure))


def _measure(recommender: Recommender, work: _Work) -> dict[str, Any]:
    """Evaluate the model and its baselines on the test cases."""
    fitted = recommender.fitted
    assert fitted is not None
    evaluation = recommender.evaluate()
    save_evaluation(evaluation, work.folder / "test")
    work.log.write("test", **{name: round(value, 6) for name, value in evaluation.means.items()})
    baselines = {name: _plain(name, work.recipe) for name in work.recipe.baselines}
    return {
        "model": work.recipe.model,
        "dataset": work.dataset.manifest.content_hash,
        "split": work.split.description,
        "train_seconds": fitted.seconds,
        "device": fitted.device,
        "epochs": len([record for record in fitted.records if record.phase == "choose"]),
        "best_epoch": fitted.best_epoch,
        "test": evaluation.to_json(),
        "baselines": {
            name: _measure_baseline(plain, evaluation, work)
            for name, plain in baselines.items()
            if plain != work.recipe  # recent popularity has plain popularity as a baseline, plain popularity has not
        },
    }


def _plain(name: str, recipe: Recipe) -> Recipe:
    """Return the same recipe for a baseline with its default parameters."""
    return parse_recipe({**recipe_as_dict(recipe), "model": name, "parameters": {}}, "baseline")


def _measure_baseline(plain: Recipe, evaluation: Evaluation, work: _Work) -> dict[str, Any]:
    name = plain.model
    baseline = Recommender(plain).fit(work.dataset, work.split)
    measured = baseline.evaluate()
    save_evaluation(measured, work.folder / "baselines" / name)
    work.log.write("baseline", name=name, **{key: round(value, 6) for key, value in measured.means.items()})
    assert baseline.fitted is not None
    return {
        "train_seconds": baseline.fitted.seconds,
        "test": measured.to_json(),
        "difference": compare(measured, evaluation).to_json(),
    }
