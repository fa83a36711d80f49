"""Popularity: what everyone buys. Not personal, hard to beat without a good model, and the fallback for new shoppers."""

# B shoppers   V items of the catalogue   N candidates a shopper   E training events

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from aisle.errors import AisleError, did_you_mean
from aisle.features.histories import Histories

DAY_US = 86_400 * 1_000_000
KINDS = ("all", "recent", "decay")


@dataclass(frozen=True)
class PopularityConfig:
    """How events are counted.

    Attributes:
        kind: "all" counts every training event, "recent" those of the last `days`, "decay" halves an event's weight every
            `days`. Both look back from the last training event.
        days: the window of "recent", the half-life of "decay"; used where the log has timestamps.
        share: the same for a log that has only an order: that share of each shopper's latest events.
    """

    kind: Literal["all", "recent", "decay"] = "all"
    days: float = 30.0
    share: float = 0.1

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise AisleError(f"popularity kind is {self.kind!r}", hint=did_you_mean(str(self.kind), KINDS), code="E301")
        if not self.days > 0 or not 0 < self.share <= 1:
            raise AisleError(
                f"popularity needs days > 0 and 0 < share <= 1; seen days = {self.days}, share = {self.share}",
                hint="set days to a number such as 30, share to one such as 0.1",
                code="E301",
            )


class Popularity:
    """Items by their number of training events, the same for every shopper.

    It answers everybody, so it `knows` everybody: it is what other models fall back to, and has no fallback of its own.

    Args:
        config: how the events were counted.
        count_V: (V,) float32 weight of each item; 0 for an item without training events, which is never recommended.
    """

    def __init__(self, config: PopularityConfig, count_V: NDArray[np.float32]) -> None:
        self.config = config
        self.count_V = count_V
        self._score_V = np.where(count_V > 0, count_V, -np.inf).astype(np.float32)

    @classmethod
    def fit(
        cls, config: PopularityConfig, train: Histories, n_items: int, *, time_kind: Literal["timestamp", "order"] = "timestamp"
    ) -> Popularity:
        """Count the training part.

        Args:
            config: how to count.
            train: what may be learned from.
            n_items: items in the catalogue.
            time_kind: what `train.time` means, as in the dataset's manifest.
        """
        weight_E = _weight_of_age(config, train, time_kind)
        return cls(config, np.bincount(train.item, weight_E, minlength=n_items).astype(np.float32))

    @classmethod
    def from_state(cls, config: PopularityConfig, state: Mapping[str, NDArray[Any]]) -> Popularity:
        """Rebuild from what `state` returned."""
        return cls(config, np.asarray(state["count"], np.float32))

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the arrays that make this model."""
        return {"count": self.count_V}

    def knows(self, user_B: NDArray[np.int64], known: Histories) -> NDArray[np.bool_]:
        """Return True for everyone: (B,)."""
        return np.ones(len(user_B), np.bool_)

    def score(self, user_B: NDArray[np.int64], known: Histories) -> NDArray[np.float32]:
        """Return the counts once a shopper: (B, V)."""
        return np.tile(self._score_V, (len(user_B), 1))

    def score_items(self, user_B: NDArray[np.int64], known: Histories, item_BN: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the counts of the items asked for: (B, N)."""
        return self._score_V[item_BN]

    def similar(self, item_B: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the counts again, (B, V): to popularity all items are alike, and the best sellers stand first."""
        score_BV = np.tile(self._score_V, (len(item_B), 1))
        score_BV[np.arange(len(item_B)), item_B] = -np.inf
        return score_BV


def _weight_of_age(config: PopularityConfig, train: Histories, time_kind: str) -> NDArray[np.float64]:
    """Return what each training event counts: (E,)."""
    if config.kind == "all" or not len(train.item):
        return np.ones(len(train.item))
    if time_kind == "timestamp":
        age_E = (train.time.max() - train.time) / (config.days * DAY_US)
    else:
        # An order compares events of one shopper only, so age is the share of the own history that came later.
        length_E = np.repeat(train.lengths, train.lengths)
        later_E = np.repeat(train.offsets[1:], train.lengths) - np.arange(len(train.item)) - 1
        age_E = later_E / length_E / config.share
    weight_E: NDArray[np.float64] = (age_E < 1).astype(np.float64) if config.kind == "recent" else 0.5**age_E
    return weight_E
