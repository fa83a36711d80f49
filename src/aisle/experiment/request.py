"""What a shopper's list may be asked for, and what comes back: rules of the shop, and the reason of each item."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
from numpy.typing import NDArray

from aisle.dataset.context import context_columns
from aisle.dataset.reader import Dataset
from aisle.errors import AisleError
from aisle.features.context_words import ContextWords
from aisle.features.vocabulary import Vocabulary
from aisle.recommend.reasons import Reasons, in_words
from aisle.recommend.recommender import Recommendations
from aisle.recommend.rules import Rules, Shelf

_COLUMNS = {"available": "number", "price": "number", "category": "category"}


@dataclass(frozen=True)
class Request:
    """What is asked for some users.

    Attributes:
        k: list length; fewer where fewer can be recommended.
        filter_seen: leave out what the user has already seen, as the recipe's `split.seen_events` says.
        candidates: raw item ids to choose from; None = the whole catalogue.
        context: context column of the log -> raw value.
        rules: of the shop; None = the recipe's `[rules]`.

    Raises:
        AisleError: E314 for a k below 0.
    """

    k: int = 10
    filter_seen: bool = True
    candidates: Sequence[Any] | None = None
    context: Mapping[str, Any] | None = None
    rules: Rules | None = None

    def __post_init__(self) -> None:
        if self.k < 0:
            raise AisleError(
                f"k is {self.k}; expected how many items to recommend", hint="give 1 or more, such as 10", code="E314"
            )


@dataclass(frozen=True)
class Answer:
    """Lists, and what the rules took out of them.

    Attributes:
        table: user_id, item_id, score, rank, source, reason, because_item_id; see `Recommender.recommend`.
        removed: user_id, rule, items: how many items each rule took out of each user's list; none where there are no rules.
    """

    table: pl.DataFrame
    removed: pl.DataFrame


def context_words_of(dataset: Dataset) -> ContextWords:
    """Return what the codes of a dataset's context columns mean."""
    features = {name: dataset.event_column(name) for name in context_columns(dataset.manifest)}
    return ContextWords({name: feature.vocabulary for name, feature in features.items() if feature.vocabulary is not None})


def shelf_of(dataset: Dataset) -> Shelf:
    """Return what rules look at."""
    features = dataset.manifest.item_features
    found = {name: dataset.item_feature(name).values for name, kind in _COLUMNS.items() if features.get(name) == kind}
    return Shelf(**found)  # a feature's kind says its values' type


def shelf_arrays(shelf: Shelf) -> dict[str, NDArray[Any]]:
    """Return the columns that there are, to save."""
    columns = {f"shelf.{name}": getattr(shelf, name) for name in _COLUMNS}
    return {name: column for name, column in columns.items() if column is not None}


def shelf_from(arrays: Mapping[str, NDArray[Any]]) -> Shelf:
    """Return what `shelf_arrays` took apart."""
    return Shelf(**{name: arrays.get(f"shelf.{name}") for name in _COLUMNS})


def reason_columns(reasons: Reasons, lists: Recommendations, items: Vocabulary) -> dict[str, pl.Series]:
    """Return the columns "reason", in words, and "because_item_id", the user's own item that it names (or null).

    Args:
        reasons: of the lists as a table.
        lists: R recommendations.
        items: raw ids.
    """
    texts, named = in_words(reasons, lists, items.decode)
    kind = pl.String if items.kind == "string" else pl.Int64
    return {"reason": pl.Series(texts, dtype=pl.String), "because_item_id": pl.Series(named, dtype=kind)}


def removed_table(lists: Recommendations, users: Sequence[Any]) -> pl.DataFrame:
    """Return how many items each rule took from each user's list, as rows; nothing where it took none."""
    parts = [
        pl.DataFrame({"user_id": pl.Series(list(users), strict=False), "rule": [rule] * len(users), "items": count_B})
        for rule, count_B in lists.removed.items()
        if len(users)
    ]
    if not parts:
        return pl.DataFrame(schema={"user_id": pl.String, "rule": pl.String, "items": pl.Int64})
    return pl.concat(parts).filter(pl.col("items") > 0)
