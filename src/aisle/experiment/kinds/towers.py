"""Models that give every user and every item a vector, made of what is known about them."""

from __future__ import annotations

import torch

from aisle.dataset.reader import Dataset
from aisle.errors import AisleError, did_you_mean
from aisle.experiment.job import Fitted, Job, ModelKind, trained, trained_items
from aisle.experiment.kinds.item_text import item_text_vectors, item_texts
from aisle.experiment.kinds.side_fields import side_fields
from aisle.features.fields import Fields, beside, join
from aisle.features.histories import Histories
from aisle.features.text import hashed_words
from aisle.models.two_tower import TwoTower, TwoTowerConfig
from aisle.schema.events import Event
from aisle.train.config import TrainConfig
from aisle.train.loop import Batches
from aisle.train.tower_batches import TowerBatches


def _fit_two_tower(config: TwoTowerConfig, job: Job) -> Fitted:
    for name in config.target_events:
        if name not in Event.__members__:
            raise AisleError(f"no kind of event is called '{name}'", hint=did_you_mean(name, Event.__members__), code="E253")
    text_VT = item_text_vectors(job.dataset, config.text) if config.text else None

    def build(train: Histories) -> TwoTower:
        item_fields, user_fields = _fields(config, job.dataset, train)
        sides = {"item_fields": item_fields, "user_fields": user_fields}
        return TwoTower.untrained(config, train, job.dataset.n_items, seed=job.train.seed, item_text=text_VT, **sides)

    def batches(train: Histories, how: TrainConfig, device: torch.device) -> Batches:
        kinds = tuple(int(Event[name]) for name in config.target_events)
        return TowerBatches(train, config, how.batch_size, seed=how.seed, device=device, kinds=kinds)

    return trained(build, job, batches)


def _fields(config: TwoTowerConfig, dataset: Dataset, train: Histories) -> tuple[Fields, Fields]:
    """Return the side features of items and users that the config wants."""
    trained_V, trained_U = trained_items(train, dataset.n_items), train.lengths > 0
    item_fields, user_fields = side_fields(dataset, train) if config.fields else (join([], trained_V), join([], trained_U))
    if config.hashed_words:
        words = hashed_words("words", item_texts(dataset), config.hashed_words)
        item_fields = beside(item_fields, join([words], trained_V))
    return item_fields, user_fields


KINDS: dict[str, ModelKind] = {
    "two-tower": ModelKind(TwoTowerConfig, _fit_two_tower, TwoTower.from_state, trained=True),
}
