"""The second stage: the order of the candidates, from what is known about each of them at this moment."""

# B shoppers   N candidates a shopper   F features of a candidate

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from aisle.features.buckets import Buckets
from aisle.features.candidate_features import candidate_features
from aisle.features.histories import Histories
from aisle.features.item_facts import ItemFacts
from aisle.recommend.candidates import Candidates
from aisle.recommend.scorer import Scorer


class Ranker(Protocol):
    """Orders candidates. Higher is better; entries without an item may hold anything."""

    def rank(self, user_B: NDArray[np.int64], known: Histories, candidates: Candidates) -> NDArray[np.float32]:
        """Score the candidates: (B, N) float32."""

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the arrays that make this ranker."""


class CodeScorer(Protocol):
    """A model over the codes of features, such as `models.candidate_fm.CandidateFM`."""

    def score_codes(self, code_BNF: NDArray[np.int32]) -> NDArray[np.float32]:
        """Score candidates by their codes: (B, N, F) -> (B, N) float32."""

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the arrays that make this model."""


class SavedScorer(Scorer, Protocol):
    """A scorer that can be saved."""

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the arrays that make this model."""


@dataclass(frozen=True)
class FeatureRanker:
    """Orders candidates by features computed at the moment of the question.

    Attributes:
        facts: of the items.
        buckets: how features become codes.
        model: scores the codes.
    """

    facts: ItemFacts
    buckets: Buckets
    model: CodeScorer

    def rank(self, user_B: NDArray[np.int64], known: Histories, candidates: Candidates) -> NDArray[np.float32]:
        """Score the candidates: (B, N) float32."""
        return self.model.score_codes(self.codes(known, candidates))

    def codes(self, known: Histories, candidates: Candidates) -> NDArray[np.int32]:
        """Return the codes of the candidates' features: (B, N, F) int32."""
        return self.buckets.code(candidate_features(self.facts, known, candidates.item, candidates.score))

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the arrays that make this ranker."""
        parts = {"facts": self.facts.state(), "buckets": self.buckets.state(), "model": self.model.state()}
        return {f"{part}.{name}": array for part, arrays in parts.items() for name, array in arrays.items()}


@dataclass(frozen=True)
class ModelRanker:
    """Orders candidates by an ordinary model, such as FM or NCF; it looks at shopper and item alone.

    Attributes:
        scorer: the model. Where it does not know the shopper, candidates stand in order of their best place
            with any recaller.
    """

    scorer: SavedScorer

    def rank(self, user_B: NDArray[np.int64], known: Histories, candidates: Candidates) -> NDArray[np.float32]:
        """Score the candidates: (B, N) float32."""
        rows = np.flatnonzero(self.scorer.knows(user_B, known))
        score_BN = _best_place(candidates.score)
        if len(rows) and candidates.item.shape[1]:
            item_BN = np.maximum(candidates.item[rows], 0)
            score_BN[rows] = self.scorer.score_items(user_B[rows], known.take(rows), item_BN)
        return score_BN

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the arrays that make this ranker."""
        return self.scorer.state()


def _best_place(score_BNR: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return minus the best place that each candidate has with any recaller, 0 for a first: (B, N, R) -> (B, N)."""
    place_BNR = (-score_BNR).argsort(axis=1, kind="stable").argsort(axis=1, kind="stable")
    best_BN = np.where(np.isfinite(score_BNR), place_BNR, score_BNR.shape[1]).min(axis=2)
    return np.asarray(-best_BN, np.float32)
