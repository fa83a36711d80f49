"""Factorisation machines: over pairs of a shopper and an item, with what is known about both and about the moment."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import torch

from aisle.experiment.job import Fitted, Job, ModelKind, trained_on
from aisle.experiment.kinds.side_fields import Part, context_of, parts_of, side_fields
from aisle.models.deepfm import DeepFM, DeepFMConfig
from aisle.models.fm import FM, FMConfig
from aisle.train.config import TrainConfig
from aisle.train.loop import Batches
from aisle.train.ratings import RatingSampler
from aisle.train.sampler import PairSampler


def _fit_fm(config: FMConfig, job: Job) -> Fitted:
    def build(part: Part) -> FM:
        mean = 0.0 if part.rating is None else float(part.rating.mean(dtype=np.float64))
        return FM.untrained(config, part.events, job.dataset.n_items, **_read(config, job, part), mean=mean)

    if config.loss != "squared":
        draw = functools.partial(pair_batches, own=config.own_negatives)
        return trained_on(build, job, draw, parts_of(job, context=config.context))
    batches = functools.partial(rating_batches, whole_users=config.implicit)
    return trained_on(build, job, batches, parts_of(job, context=config.context, rating=True))


def _fit_deepfm(config: DeepFMConfig, job: Job) -> Fitted:
    def build(part: Part) -> DeepFM:
        return DeepFM.untrained(config, part.events, job.dataset.n_items, **_read(config, job, part))

    draw = functools.partial(pair_batches, own=config.own_negatives)
    return trained_on(build, job, draw, parts_of(job, context=config.context))


def _read(config: FMConfig | DeepFMConfig, job: Job, part: Part) -> dict[str, Any]:
    """Return what a machine reads besides ids, and the seed of its weights."""
    item_fields, user_fields = side_fields(job.dataset, part.events, config.hash_size) if config.side else (None, None)
    context = context_of(job.dataset, part, config.hash_size)
    return {"seed": job.train.seed, "item_fields": item_fields, "user_fields": user_fields, "context": context}


def pair_batches(part: Part, config: TrainConfig, device: torch.device, *, own: bool = False) -> Batches:
    """Draw negatives for every event; they share its circumstances."""
    settings: dict[str, Any] = {"seed": config.seed, "device": device, "context": part.context, "own": own}
    return PairSampler(part.events, config.batch_size, config.negatives, **settings)


def rating_batches(part: Part, config: TrainConfig, device: torch.device, *, whole_users: bool) -> Batches:
    """Take ratings as they are; whole users at a time where their histories are read too."""
    assert part.rating is not None
    return RatingSampler(
        part.events,
        part.rating,
        config.batch_size,
        seed=config.seed,
        device=device,
        context=part.context,
        whole_users=whole_users,
    )


KINDS: dict[str, ModelKind] = {
    "fm": ModelKind(FMConfig, _fit_fm, FM.from_state, trained=True),
    "deepfm": ModelKind(DeepFMConfig, _fit_deepfm, DeepFM.from_state, trained=True),
}
