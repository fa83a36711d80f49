"""Models that look at what a shopper did last, and learn nothing by descent."""

from __future__ import annotations

from aisle.experiment.job import Fitted, Job, ModelKind, counted
from aisle.models.recently_viewed import RecentlyViewed, RecentlyViewedConfig
from aisle.models.session_knn import SessionKNN, SessionKNNConfig


def _fit_recently_viewed(config: RecentlyViewedConfig, job: Job) -> Fitted:
    return counted(lambda: RecentlyViewed(config, job.dataset.n_items))


def _fit_session_knn(config: SessionKNNConfig, job: Job) -> Fitted:
    time_kind = job.dataset.manifest.time_kind
    return counted(lambda: SessionKNN.fit(config, job.counted_part, job.dataset.n_items, time_kind=time_kind))


KINDS: dict[str, ModelKind] = {
    "recently-viewed": ModelKind(RecentlyViewedConfig, _fit_recently_viewed, RecentlyViewed.from_state, trained=False),
    "vs-knn": ModelKind(SessionKNNConfig, _fit_session_knn, SessionKNN.from_state, trained=False),
}
