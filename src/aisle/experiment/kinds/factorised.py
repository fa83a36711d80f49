"""Models that give every shopper and item a vector, or every pair of items a weight, and see no order."""

from __future__ import annotations

from aisle.experiment.job import Fitted, Job, ModelKind, counted, trained
from aisle.models.ease import EASE, EASEConfig
from aisle.models.ials import IALS, IALSConfig
from aisle.models.ncf import NCF, NCFConfig


def _fit_ials(config: IALSConfig, job: Job) -> Fitted:
    return counted(lambda: IALS.fit(config, job.counted_part, job.dataset.n_items, seed=job.train.seed))


def _fit_ease(config: EASEConfig, job: Job) -> Fitted:
    return counted(lambda: EASE.fit(config, job.counted_part, job.dataset.n_items))


def _fit_ncf(config: NCFConfig, job: Job) -> Fitted:
    return trained(lambda train: NCF.untrained(config, train, job.dataset.n_items, seed=job.train.seed), job)


KINDS: dict[str, ModelKind] = {
    "ials": ModelKind(IALSConfig, _fit_ials, IALS.from_state, trained=False),
    "ease": ModelKind(EASEConfig, _fit_ease, EASE.from_state, trained=False),
    "ncf": ModelKind(NCFConfig, _fit_ncf, NCF.from_state, trained=True),
}
