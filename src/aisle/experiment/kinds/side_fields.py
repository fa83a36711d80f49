"""What a model may read besides users and items, as integer fields, their statistics from a training part only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aisle.dataset.context import context_columns, event_context
from aisle.dataset.folds import ratings_of
from aisle.dataset.reader import Dataset, Feature
from aisle.errors import AisleError, did_you_mean
from aisle.experiment.job import Job, trained_items
from aisle.features.fields import ContextTable, Field, Fields, context_table, hashed, join, make_field
from aisle.features.histories import Histories


@dataclass(frozen=True)
class Part:
    """What is learned from, E training events.

    Attributes:
        events: one history a user.
        context: (E, F) the circumstances of each event; None for a log without any, or a model that reads none.
        rating: (E,) float32; None where nothing is rated.
    """

    events: Histories
    context: NDArray[np.int32] | None = None
    rating: NDArray[np.float32] | None = None


def parts_of(job: Job, *, context: bool | tuple[str, ...], rating: bool = False) -> tuple[Part, Part]:
    """Return the training part and the one with the validation answers added.

    Raises:
        AisleError: E258 for a log without the ratings that are wanted, E312 for a context column that it does not have.
    """
    codes = _context_codes(job.dataset, context)
    ratings = ratings_of(job.dataset) if rating else None

    def part(events: Histories, index: NDArray[np.int64]) -> Part:
        return Part(events, None if codes is None else codes[index], None if ratings is None else ratings[index])

    return part(job.split.train, job.split.train_index), part(job.split.refit, job.split.refit_index)


def _context_codes(dataset: Dataset, wanted: bool | tuple[str, ...]) -> NDArray[np.int32] | None:
    """Return the context of every event: (E, F), all values missing in columns that are not wanted."""
    names = context_columns(dataset.manifest)
    for name in () if isinstance(wanted, bool) else wanted:
        if name not in names:
            raise AisleError(f"{dataset.folder} has no context column '{name}'", hint=did_you_mean(name, names), code="E312")
    codes = event_context(dataset) if wanted else None
    if codes is None or isinstance(wanted, bool):
        return codes
    return np.where([name in wanted for name in names], codes, np.int32(-1))


def context_of(dataset: Dataset, part: Part, hash_size: int | None) -> ContextTable | None:
    """Return which values of the context columns a part has; None where it has no context."""
    if part.context is None:
        return None
    return context_table(context_sizes(dataset), part.context, hash_size)


def context_sizes(dataset: Dataset) -> list[int]:
    """Return how many distinct values each context column has."""
    vocabularies = [dataset.event_column(name).vocabulary for name in context_columns(dataset.manifest)]
    return [len(vocabulary) for vocabulary in vocabularies if vocabulary is not None]


def side_fields(dataset: Dataset, train: Histories, hash_size: int | None = None) -> tuple[Fields, Fields]:
    """Return the catalogue and the users table as integer fields, their statistics from the training part only."""
    item_trained = trained_items(train, dataset.n_items)
    manifest = dataset.manifest
    item_fields = [_field(name, dataset.item_feature(name), item_trained) for name in manifest.item_features]
    user_fields = [_field(name, dataset.user_feature(name), train.lengths > 0) for name in manifest.user_features]
    return _join(item_fields, item_trained, hash_size), _join(user_fields, train.lengths > 0, hash_size)


def _field(name: str, feature: Feature, trained: NDArray[np.bool_]) -> Field | None:
    return make_field(name, feature.kind, feature.values, trained, offsets=feature.offsets)


def _join(fields: list[Field | None], trained: NDArray[np.bool_], hash_size: int | None) -> Fields:
    return join([hashed(field, hash_size) for field in fields if field is not None], trained)
