"""Models that give every user and every item a vector, made of what is known about them."""

from __future__ import annotations

import torch

from aisle.errors import AisleError, did_you_mean
from aisle.experiment.job import Fitted, Job, ModelKind, trained
from aisle.experiment.kinds.item_text import item_text_vectors
from aisle.experiment.kinds.side_fields import side_fields
from aisle.features.histories import Histories
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
        item_fields, user_fields = side_fields(job.dataset, train) if config.fields else (None, None)
        sides = {"item_fields": item_fields, "user_fields": user_fields}
        return TwoTower.untrained(config, train, job.dataset.n_items, seed=job.train.seed, item_text=text_VT, **sides)

    def batches(train: Histories, how: TrainConfig, device: torch.device) -> Batches:
        kinds = tuple(int(Event[name]) for name in config.target_events)
        return TowerBatches(train, config, how.batch_size, seed=how.seed, device=device, kinds=kinds)

    return trained(build, job, batches)


KINDS: dict[str, ModelKind] = {
    "two-tower": ModelKind(TwoTowerConfig, _fit_two_tower, TwoTower.from_state, trained=True),
}
