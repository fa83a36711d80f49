"""The models by name: which config a recipe fills in, and how each is fitted on a split."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from aisle.dataset.cases import Split
from aisle.dataset.reader import Dataset, Feature
from aisle.features.fields import Field, Fields, join, make_field
from aisle.features.histories import Histories
from aisle.models.fm import FM, FMConfig
from aisle.models.item_knn import ItemKNN, ItemKNNConfig
from aisle.models.ncf import NCF, NCFConfig
from aisle.models.popularity import Popularity, PopularityConfig
from aisle.recommend.scorer import Scorer
from aisle.train.checkpoint import Checkpoints
from aisle.train.config import TrainConfig
from aisle.train.fit import train_model
from aisle.train.watch import EpochRecord, Watch

ModelConfig = PopularityConfig | ItemKNNConfig | FMConfig | NCFConfig
State = Mapping[str, NDArray[Any]]


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


def _fit_popularity(config: PopularityConfig, job: Job) -> Fitted:
    time_kind = job.dataset.manifest.time_kind
    return _counted(lambda: Popularity.fit(config, _counted_part(job), job.dataset.n_items, time_kind=time_kind))


def _fit_item_knn(config: ItemKNNConfig, job: Job) -> Fitted:
    return _counted(lambda: ItemKNN.fit(config, _counted_part(job), job.dataset.n_items))


def _counted_part(job: Job) -> Histories:
    """Models without epochs have nothing to choose on validation data: with `refit` they count it too, as the others do."""
    return job.split.refit if job.train.refit else job.split.train


def _counted(fit: Callable[[], Model]) -> Fitted:
    start = time.perf_counter()
    model = fit()
    return Fitted(model, (), None, "cpu", time.perf_counter() - start)


def _fit_fm(config: FMConfig, job: Job) -> Fitted:
    def build(train: Histories) -> FM:
        item_fields, user_fields = side_fields(job.dataset, train)
        return FM.untrained(
            config, train, job.dataset.n_items, seed=job.train.seed, item_fields=item_fields, user_fields=user_fields
        )

    return _trained(build, job)


def _fit_ncf(config: NCFConfig, job: Job) -> Fitted:
    return _trained(lambda train: NCF.untrained(config, train, job.dataset.n_items, seed=job.train.seed), job)


def _trained(build: Callable[[Histories], Any], job: Job) -> Fitted:
    done = train_model(build, job.split.train, job.split.refit, job.train, watch=job.watch, checkpoints=job.checkpoints)
    return Fitted(done.model, tuple(done.records), done.best_epoch, done.device, done.seconds)


def side_fields(dataset: Dataset, train: Histories) -> tuple[Fields, Fields]:
    """Return the catalogue and the users table as integer fields, their statistics from the training part only."""
    item_trained = np.bincount(train.item, minlength=dataset.n_items) > 0
    manifest = dataset.manifest
    item_fields = [_field(name, dataset.item_feature(name), item_trained) for name in manifest.item_features]
    user_fields = [_field(name, dataset.user_feature(name), train.lengths > 0) for name in manifest.user_features]
    return _join(item_fields, item_trained), _join(user_fields, train.lengths > 0)


def _field(name: str, feature: Feature, trained: NDArray[np.bool_]) -> Field | None:
    return make_field(name, feature.kind, feature.values, trained, offsets=feature.offsets)


def _join(fields: list[Field | None], trained: NDArray[np.bool_]) -> Fields:
    return join([field for field in fields if field is not None], trained)


MODELS: dict[str, ModelKind] = {
    "popularity": ModelKind(PopularityConfig, _fit_popularity, Popularity.from_state, trained=False),
    "item-knn": ModelKind(ItemKNNConfig, _fit_item_knn, ItemKNN.from_state, trained=False),
    "fm": ModelKind(FMConfig, _fit_fm, FM.from_state, trained=True),
    "ncf": ModelKind(NCFConfig, _fit_ncf, NCF.from_state, trained=True),
}
