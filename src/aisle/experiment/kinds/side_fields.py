"""The catalogue and the users table as fields that a model can read, their statistics from a training part only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aisle.dataset.reader import Dataset, Feature
from aisle.experiment.job import trained_items
from aisle.features.fields import Field, Fields, join, make_field
from aisle.features.histories import Histories


def side_fields(dataset: Dataset, train: Histories) -> tuple[Fields, Fields]:
    """Return the catalogue and the users table as integer fields, their statistics from the training part only."""
    item_trained = trained_items(train, dataset.n_items)
    manifest = dataset.manifest
    item_fields = [_field(name, dataset.item_feature(name), item_trained) for name in manifest.item_features]
    user_fields = [_field(name, dataset.user_feature(name), train.lengths > 0) for name in manifest.user_features]
    return _join(item_fields, item_trained), _join(user_fields, train.lengths > 0)


def _field(name: str, feature: Feature, trained: NDArray[np.bool_]) -> Field | None:
    return make_field(name, feature.kind, feature.values, trained, offsets=feature.offsets)


def _join(fields: list[Field | None], trained: NDArray[np.bool_]) -> Fields:
    return join([field for field in fields if field is not None], trained)
