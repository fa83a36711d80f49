"""Models over pairs of a shopper and an item, trained on sampled negatives."""

from __future__ import annotations

from aisle.experiment.job import Fitted, Job, ModelKind, trained
from aisle.experiment.kinds.side_fields import side_fields
from aisle.features.histories import Histories
from aisle.models.fm import FM, FMConfig


def _fit_fm(config: FMConfig, job: Job) -> Fitted:
    def build(train: Histories) -> FM:
        item_fields, user_fields = side_fields(job.dataset, train)
        return FM.untrained(
            config, train, job.dataset.n_items, seed=job.train.seed, item_fields=item_fields, user_fields=user_fields
        )

    return trained(build, job)


KINDS: dict[str, ModelKind] = {
    "fm": ModelKind(FMConfig, _fit_fm, FM.from_state, trained=True),
}
