"""Models that give every shopper and item a vector, or every pair of items a weight, and see no order."""

from __future__ import annotations

from aisle.experiment.job import Fitted, Job, ModelKind, trained
from aisle.models.ncf import NCF, NCFConfig


def _fit_ncf(config: NCFConfig, job: Job) -> Fitted:
    return trained(lambda train: NCF.untrained(config, train, job.dataset.n_items, seed=job.train.seed), job)


KINDS: dict[str, ModelKind] = {
    "ncf": ModelKind(NCFConfig, _fit_ncf, NCF.from_state, trained=True),
}
