"""What evaluation may know about items and users, taken from a dataset and the training part of a split."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from aisle.dataset.cases import Split
from aisle.dataset.reader import Dataset, Feature
from aisle.errors import AisleError
from aisle.evaluate.facts import Facts, Ratings, recent_popularity


def facts_of(dataset: Dataset, split: Split, *, refit: bool, fallback_days: float | None = None) -> Facts:
    """Return what evaluation needs to know about the training part: popularity, counts, categories, prices, segments.

    With `refit` popularity and counts include the validation events, as the final model does: they lie before the test.

    Raises:
        AisleError: E707 for a fallback of the last days where that makes no sense.
    """
    if fallback_days is not None and (dataset.manifest.time_kind == "order" or not fallback_days > 0):
        kind = "an order but no times" if dataset.manifest.time_kind == "order" else "times"
        raise AisleError(
            f"evaluate.fallback_days is {fallback_days}, and {dataset.folder} has {kind}",
            hint="give a number of days such as 30 on a log with times, or leave it out",
            code="E707",
        )
    features = dataset.manifest.item_features
    category = dataset.item_feature("category") if features.get("category") == "category" else None
    price = dataset.item_feature("price") if features.get("price") == "number" else None
    segments = {}
    if dataset.manifest.user_features.get("segment") == "category":
        segments["segment"] = _labels(dataset.user_feature("segment"))
    train = split.refit if refit else split.train
    facts = Facts.of(
        train,
        dataset.n_items,
        category=None if category is None else category.values,
        price=None if price is None else price.values,
        segments=segments,
        ratings=_ratings(dataset, split.refit_index if refit else split.train_index),
    )
    if fallback_days is None:
        return facts
    return replace(facts, fallback=recent_popularity(train, facts.item_events, fallback_days))


def _ratings(dataset: Dataset, index: NDArray[np.int64]) -> Ratings | None:
    """Return what the ratings of these events look like; None for a log without."""
    if "weight" not in dataset.manifest.event_columns:
        return None
    rating = dataset.event_column("weight").values
    assert rating is not None
    known = rating[index][~np.isnan(rating[index])]
    return Ratings(float(known.min()), float(known.max()), float(known.mean(dtype=np.float64))) if len(known) else None


def _labels(feature: Feature) -> NDArray[np.str_]:
    """Return a category column as text, "" where it is missing: (U,)."""
    assert feature.vocabulary is not None
    assert feature.values is not None
    names = np.array([*(str(name) for name in feature.vocabulary.decode(range(len(feature.vocabulary)))), ""])
    labels: NDArray[np.str_] = names[feature.values]  # -1, missing, takes the last name
    return labels
