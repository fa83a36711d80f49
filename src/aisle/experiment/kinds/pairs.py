"""Factorisation machines: over pairs of a shopper and an item, with what is known about both and about the moment."""

from __future__ import annotations

import torch

from aisle.experiment.job import Fitted, Job, ModelKind, trained_on
from aisle.experiment.kinds.side_fields import Part, context_of, parts_of, side_fields
from aisle.models.fm import FM, FMConfig
from aisle.train.config import TrainConfig
from aisle.train.loop import Batches
from aisle.train.sampler import PairSampler


def _fit_fm(config: FMConfig, job: Job) -> Fitted:
    def build(part: Part) -> FM:
        item_fields, user_fields = side_fields(job.dataset, part.events, config.hash_size) if config.side else (None, None)
        return FM.untrained(
            config,
            part.events,
            job.dataset.n_items,
            seed=job.train.seed,
            item_fields=item_fields,
            user_fields=user_fields,
            context=context_of(job.dataset, part, config.hash_size),
        )

    return trained_on(build, job, pair_batches, parts_of(job, context=config.context))


def pair_batches(part: Part, config: TrainConfig, device: torch.device) -> Batches:
    """Draw negatives for every event; they share its circumstances."""
    return PairSampler(part.events, config.batch_size, config.negatives, seed=config.seed, device=device, context=part.context)


KINDS: dict[str, ModelKind] = {
    "fm": ModelKind(FMConfig, _fit_fm, FM.from_state, trained=True),
}
