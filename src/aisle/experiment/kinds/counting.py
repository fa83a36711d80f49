"""Models without epochs: they count, or solve for their answer."""

from __future__ import annotations

from aisle.experiment.job import Fitted, Job, ModelKind, counted
from aisle.models.item_knn import ItemKNN, ItemKNNConfig
from aisle.models.popularity import Popularity, PopularityConfig


def _fit_popularity(config: PopularityConfig, job: Job) -> Fitted:
    time_kind = job.dataset.manifest.time_kind
    return counted(lambda: Popularity.fit(config, job.counted_part, job.dataset.n_items, time_kind=time_kind))


def _fit_item_knn(config: ItemKNNConfig, job: Job) -> Fitted:
    return counted(lambda: ItemKNN.fit(config, job.counted_part, job.dataset.n_items))


KINDS: dict[str, ModelKind] = {
    "popularity": ModelKind(PopularityConfig, _fit_popularity, Popularity.from_state, trained=False),
    "item-knn": ModelKind(ItemKNNConfig, _fit_item_knn, ItemKNN.from_state, trained=False),
}
