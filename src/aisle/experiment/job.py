"""What fitting takes and returns, the same for every model."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from aisle.dataset.cases import Split
from aisle.dataset.reader import Dataset
from aisle.features.histories import Histories
from aisle.recommend.scorer import Scorer
from aisle.train.checkpoint import Checkpoints
from aisle.train.config import TrainConfig
from aisle.train.fit import pair_batches, train_model
from aisle.train.loop import Batches
from aisle.train.watch import EpochRecord, Watch

State = Mapping[str, NDArray[Any]]
PartT = TypeVar("PartT")


class Model(Scorer, Protocol):
    """A scorer that can be saved."""

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the arrays that make this model."""


@dataclass(frozen=True)
class Job:
    """Everything a model may learn from, and how.

    Attributes:
        dataset: for the catalogue and users table.
        split: for its training part; a model never sees the rest.
        train: the loop's settings.
        watch: validation and progress callbacks.
        checkpoints: where to keep and find epochs; None keeps none.
    """

    dataset: Dataset
    split: Split
    train: TrainConfig
    watch: Watch
    checkpoints: Checkpoints | None = None

    @property
    def counted_part(self) -> Histories:
        """What a model without epochs learns from: with `refit` validation too, as it has nothing to choose on it."""
        return self.split.refit if self.train.refit else self.split.train


@dataclass(frozen=True)
class Fitted:
    """A model with the story of its training.

    Attributes:
        records: one an epoch; none for models that only count.
        best_epoch: the epoch that validation chose; None without epochs.
        seconds: fitting alone, without reading or evaluating the dataset.
    """

    model: Model
    records: tuple[EpochRecord, ...]
    best_epoch: int | None
    device: str
    seconds: float


@dataclass(frozen=True)
class ModelKind:
    """One model that a recipe can name.

    Attributes:
        config: the dataclass behind the recipe's `[parameters]`.
        fit: fits it on a job.
        load: rebuilds it from its config and saved arrays.
        trained: whether the training loop is used.
    """

    config: type[Any]
    fit: Callable[[Any, Job], Fitted]
    load: Callable[[Any, State], Model]
    trained: bool


def counted(fit: Callable[[], Model]) -> Fitted:
    """Time a fit that has no epochs."""
    start = time.perf_counter()
    model = fit()
    return Fitted(model, (), None, "cpu", time.perf_counter() - start)


def trained(
    build: Callable[[Histories], Any],
    job: Job,
    batches: Callable[[Histories, TrainConfig, torch.device], Batches] = pair_batches,
) -> Fitted:
    """Run the training loop on the histories of a job's split."""
    return trained_on(build, job, batches, (job.split.train, job.split.refit))


def trained_on(
    build: Callable[[PartT], Any],
    job: Job,
    batches: Callable[[PartT, TrainConfig, torch.device], Batches],
    parts: tuple[PartT, PartT],
) -> Fitted:
    """Run the training loop on parts of any kind: what is learned from, and the same with the validation answers added."""
    done = train_model(build, *parts, job.train, batches=batches, watch=job.watch, checkpoints=job.checkpoints)
    return Fitted(done.model, tuple(done.records), done.best_epoch, done.device, done.seconds)


def trained_items(train: Histories, n_items: int) -> NDArray[np.bool_]:
    """Say which items have training events: (V,)."""
    has_events: NDArray[np.bool_] = np.bincount(train.item, minlength=n_items) > 0
    return has_events
