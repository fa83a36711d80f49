"""Rating prediction: the log's own parts ("folds"), one of them asked, the others learned from."""

# E events of a log   C questions   T ratings that are asked for

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aisle.dataset import layout
from aisle.dataset.asking import Past, sample
from aisle.dataset.cases import Cases
from aisle.dataset.cut import Cut, SplitLog
from aisle.dataset.reader import Dataset
from aisle.dataset.split_config import SplitConfig
from aisle.errors import AisleError

FOLD, RATING = "fold", "weight"


def ratings_of(dataset: Dataset) -> NDArray[np.float32]:
    """Return the rating of every event.

    Raises:
        AisleError: E258 for a log that lacks some or all of them.
    """
    has_ratings = RATING in dataset.manifest.event_columns
    rating_E = np.array(dataset.array(layout.event_column(RATING)), np.float32) if has_ratings else np.zeros(0, np.float32)
    missing = int(np.isnan(rating_E).sum())
    if not has_ratings or missing:
        raise AisleError(
            f"{dataset.folder} has no ratings to predict: "
            + (f"{missing:,} events have none" if has_ratings else f"no column {RATING}"),
            hint=f"map one when preparing (--column {RATING}=THEIR_NAME)",
            code="E258",
        )
    return rating_E


def cut_fold(dataset: Dataset, log: SplitLog, config: SplitConfig) -> Cut:
    """Ask for the ratings of one fold, and in validation for a random share of the others.

    Raises:
        AisleError: E258 for a log without folds or ratings, or without that fold.
    """
    ratings_of(dataset)
    has_folds = FOLD in dataset.manifest.event_columns
    fold_E = dataset.array(layout.event_column(FOLD))[log.index] if has_folds else np.zeros(0, np.int32)
    if not np.any(fold_E == config.fold):
        there = ", ".join(str(fold) for fold in np.unique(fold_E)) or f"no column {FOLD}"
        raise AisleError(
            f"{dataset.folder} has no fold {config.fold} ({there})",
            hint=f"map a column of whole numbers when preparing (--column {FOLD}=THEIR_NAME), and ask for one of them with "
            "--set split.fold=",
            code="E258",
        )
    asked = fold_E == config.fold
    drawn = np.random.default_rng(config.seed).random(len(fold_E)) < config.validation_share
    validation = log.target & ~asked & drawn
    return Cut(
        before_validation=~asked & ~validation,
        validation=validation,
        before_test=~asked,
        test=log.target & asked,
        description={"ratings": int(np.count_nonzero(log.target))},
    )


def ask_ratings(dataset: Dataset, log: SplitLog, asked: NDArray[np.bool_], before: Past, config: SplitConfig) -> Cases:
    """Ask every user with an asked rating, or a sample of them, for all of these; of one item rated twice, the latest."""
    place = np.flatnonzero(asked)
    key = log.events.rows[place] * log.n_items + log.events.item[place]
    _, last = np.unique(key[::-1], return_index=True)
    place = place[len(place) - 1 - last]
    row = log.events.rows[place]
    user, start = np.unique(row, return_index=True)
    offsets = np.append(start, len(row)).astype(np.int64)
    cases = Cases(
        user.astype(np.int32),
        before.known.take(user),
        offsets,
        log.events.item[place],
        rating=ratings_of(dataset)[log.index[place]],
    )
    return cases.take(sample(np.arange(len(user)), config))
