"""Models that give every shopper and item a vector, or every pair of items a weight, and see no order."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from aisle.experiment.job import Fitted, Job, ModelKind, counted, trained
from aisle.features.histories import Histories
from aisle.models.ease import EASE, EASEConfig
from aisle.models.ials import IALS, IALSConfig
from aisle.models.mf import MF, MFConfig
from aisle.models.ncf import NCF, NCFConfig
from aisle.train.device import pick_device
from aisle.train.fit import pair_batches
from aisle.train.loop import FitResult, fit


def _fit_ials(config: IALSConfig, job: Job) -> Fitted:
    return counted(lambda: IALS.fit(config, job.counted_part, job.dataset.n_items, seed=job.train.seed))


def _fit_ease(config: EASEConfig, job: Job) -> Fitted:
    return counted(lambda: EASE.fit(config, job.counted_part, job.dataset.n_items))


def _fit_mf(config: MFConfig, job: Job) -> Fitted:
    return trained(lambda train: MF.untrained(config, train, job.dataset.n_items, seed=job.train.seed), job)


def _fit_ncf(config: NCFConfig, job: Job) -> Fitted:
    halves: list[FitResult] = []

    def build(train: Histories) -> NCF:
        model = NCF.untrained(config, train, job.dataset.n_items, seed=job.train.seed)
        if config.pretrain_epochs:
            gmf, gmf_story = _pretrained("gmf", config, train, job)
            mlp, mlp_story = _pretrained("mlp", config, train, job)
            model.start_from(gmf, mlp)
            halves.extend([gmf_story, mlp_story])
        return model

    whole = trained(build, job)
    records = [record for half in halves for record in half.records]
    return replace(whole, records=(*records, *whole.records), seconds=whole.seconds + sum(half.earlier_s for half in halves))


def _pretrained(head: Literal["gmf", "mlp"], config: NCFConfig, train: Histories, job: Job) -> tuple[NCF, FitResult]:
    """Train one half of NeuMF alone, in a phase of its own that a resumed run goes on from."""
    half_config, settings = replace(config, head=head, pretrain_epochs=0), replace(job.train, epochs=config.pretrain_epochs)
    phase = f"{'refit' if train is job.split.refit else 'choose'}-{head}"
    device = pick_device(settings.device)
    half = NCF.untrained(half_config, train, job.dataset.n_items, seed=settings.seed).to(device)
    batches, quiet = pair_batches(train, settings, device), replace(job.watch, validate=None)
    story = fit(half, batches, settings, watch=quiet, checkpoints=job.checkpoints, phase=phase)
    return half.cpu(), story


KINDS: dict[str, ModelKind] = {
    "ials": ModelKind(IALSConfig, _fit_ials, IALS.from_state, trained=False),
    "ease": ModelKind(EASEConfig, _fit_ease, EASE.from_state, trained=False),
    "mf": ModelKind(MFConfig, _fit_mf, MF.from_state, trained=True),
    "ncf": ModelKind(NCFConfig, _fit_ncf, NCF.from_state, trained=True),
}
