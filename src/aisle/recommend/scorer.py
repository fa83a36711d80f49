"""The one contract between a trained model and everything that uses it."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from aisle.features.histories import Histories


class Scorer(Protocol):
    """Anything that can say how much some shoppers want some items. Higher is better; -inf means "cannot say".

    Shapes: B shoppers, V items of the catalogue, N candidates a shopper.
    """

    def knows(self, user_B: NDArray[np.int64], known: Histories) -> NDArray[np.bool_]:
        """Say for which shoppers this model has more to offer than popularity: (B,) bool.

        Args:
            user_B: user codes, -1 for a user that is not in the dataset.
            known: B histories; what the model may look at.
        """

    def score(self, user_B: NDArray[np.int64], known: Histories) -> NDArray[np.float32]:
        """Score the whole catalogue: (B, V) float32."""

    def score_items(self, user_B: NDArray[np.int64], known: Histories, item_BN: NDArray[np.int64]) -> NDArray[np.float32]:
        """Score given items only: (B, N) item codes -> (B, N) float32; equal to the same entries of `score`."""

    def similar(self, item_B: NDArray[np.int64]) -> NDArray[np.float32]:
        """Score how alike every item is to each given one: (B,) -> (B, V) float32; an item's own entry is -inf."""


@runtime_checkable
class SharedScorer(Protocol):
    """A scorer for which a few items, the same for everybody, cost much less than the whole catalogue.

    Worth having where a pair is dear, as for a network over pairs; a matrix product has nothing to gain.
    """

    def score_shared(self, user_B: NDArray[np.int64], known: Histories, item_N: NDArray[np.int64]) -> NDArray[np.float32]:
        """Score the same items for every shopper: (B,) and (N,) -> (B, N), up to rounding the same entries of `score`."""
