"""Models that read a history in order and expect the next item."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from aisle.errors import AisleError, did_you_mean
from aisle.experiment.job import Fitted, Job, ModelKind, trained, trained_items
from aisle.experiment.kinds.item_text import item_content_vectors
from aisle.features.histories import Histories
from aisle.features.interactions import event_weights
from aisle.models.ligr import LiGRConfig
from aisle.models.lstm import LSTMConfig
from aisle.models.next_item import NextItem, NextItemConfig
from aisle.models.sasrec import SASRecConfig
from aisle.schema.events import Event
from aisle.train.config import TrainConfig
from aisle.train.loop import Batches
from aisle.train.windows import Windows


def _fit_next_item(config: NextItemConfig, job: Job) -> Fitted:
    weight_E = target_weights(config)
    content_VC = item_content_vectors(job.dataset, config.content) if config.content else None

    def build(train: Histories) -> NextItem:
        known_V = trained_items(train, job.dataset.n_items)
        return NextItem.untrained(config, known_V, seed=job.train.seed, weight_E=weight_E, content_VC=content_VC)

    def batches(train: Histories, how: TrainConfig, device: torch.device) -> Batches:
        return Windows(train, how.batch_size, config.length, seed=how.seed, device=device)

    return trained(build, job, batches)


def target_weights(config: NextItemConfig) -> NDArray[np.float32]:
    """Return how much each kind of event counts as a target, by its code: (E,).

    Raises:
        AisleError: E253, E320 for a kind of event that does not exist or a weight that is not above 0.
    """
    weight_E = event_weights(config.event_weights)
    for name in config.target_events:
        if name not in Event.__members__:
            raise AisleError(f"no kind of event is called '{name}'", hint=did_you_mean(name, Event.__members__), code="E253")
    wanted = [int(Event[name]) for name in config.target_events]
    return np.where(np.isin(np.arange(len(weight_E)), wanted), weight_E, 0).astype(np.float32) if wanted else weight_E


def _kind(config: type[NextItemConfig]) -> ModelKind:
    load: Callable[[Any, Any], NextItem] = NextItem.from_state
    return ModelKind(config, _fit_next_item, load, trained=True)


KINDS: dict[str, ModelKind] = {"lstm": _kind(LSTMConfig), "sasrec": _kind(SASRecConfig), "ligr": _kind(LiGRConfig)}
