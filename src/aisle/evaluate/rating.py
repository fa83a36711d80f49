"""Rating prediction: how far what a model says about a pair is from how the shopper rated it."""

# C cases   T ratings   B cases of a block   N most ratings of a case of the block

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aisle.dataset.cases import Cases
from aisle.errors import AisleError
from aisle.evaluate.bootstrap import intervals
from aisle.evaluate.facts import Facts, Ratings
from aisle.evaluate.protocol import EvaluateConfig
from aisle.evaluate.slices import Slice, cut_slices
from aisle.recommend.answer import blocks, check_no_nan
from aisle.recommend.scorer import Scorer

# Without a value for each case: the root of the mean of another.
DERIVED = ("RMSE",)
LOWER_IS_BETTER = ("RMSE", "MSE", "MAE")


@dataclass(frozen=True)
class Errors:
    """How wrong the predicted ratings are; every rating is a row.

    Attributes:
        user: (T,) int32 user codes.
        metrics: "MSE" and "MAE" -> (T,) float64.
        means: the same, and "RMSE", the root of the mean of MSE.
        intervals: name -> 95% bootstrap interval; RMSE's is the root of MSE's, which is the same as bootstrapping the root.
        counts: ratings (as "cases"), users, and ratings that the mean stood in for as the model has no score.
        slices: the same metrics for parts of the ratings.
    """

    user: NDArray[np.int32]
    metrics: dict[str, NDArray[np.float64]]
    means: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    counts: dict[str, int]
    slices: tuple[Slice, ...]


def measure_ratings(scorer: Scorer, cases: Cases, config: EvaluateConfig, facts: Facts) -> Errors:
    """Measure predicted ratings.

    Args:
        scorer: whose scores are ratings.
        cases: questions with the ratings that were given.
        config: the protocol.
        facts: the mean rating, said where the model has no score; and the range that predictions are clipped to.

    Raises:
        AisleError: E350 when the model gives NaN, E706 for questions or a training part without ratings.
    """
    if cases.rating is None or facts.ratings is None:
        raise AisleError(
            'protocol = "rating" needs ratings to predict, and these questions ask for items',
            hint='use split.kind = "folds", or protocol = "full"',
            code="E706",
        )
    said_T, modelled_T = predict(scorer, cases, facts.ratings, config)
    error_T = said_T - cases.rating.astype(np.float64)
    by_rating = {"MSE": error_T**2, "MAE": np.abs(error_T)}
    user_T = np.repeat(cases.user, np.diff(cases.target_offsets)).astype(np.int32)
    means, interval_of = _summary(by_rating, user_T, config)
    counts = {"cases": len(user_T), "users": len(np.unique(user_T)), "fallback_cases": int(np.count_nonzero(~modelled_T))}
    return Errors(user_T, by_rating, means, interval_of, counts, _slices(cases, by_rating, user_T, config, facts))


def predict(
    scorer: Scorer, cases: Cases, ratings: Ratings, config: EvaluateConfig
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the predicted rating of every pair, within the range of the known ones, and which of them the model made: (T,)."""
    count_C = np.diff(cases.target_offsets)
    said = np.empty(len(cases.target_item))
    for rows in blocks(len(cases), int(count_C.max()), config.block_cells // 8):
        block = cases.take(rows)
        there_BN = np.arange(count_C[rows].max()) < count_C[rows][:, None]
        item_BN = np.zeros(there_BN.shape, np.int64)
        item_BN[there_BN] = block.target_item
        score_BN = scorer.score_items(block.user.astype(np.int64), block.known, item_BN)
        check_no_nan(score_BN)
        said[cases.target_offsets[rows[0]] : cases.target_offsets[rows[-1] + 1]] = score_BN[there_BN]
    modelled = np.isfinite(said)
    return np.clip(np.where(modelled, said, ratings.mean), ratings.low, ratings.high), modelled


def _summary(
    by_rating: dict[str, NDArray[np.float64]], user_T: NDArray[np.int32], config: EvaluateConfig
) -> tuple[dict[str, float], dict[str, tuple[float, float]]]:
    value_TM = np.stack(list(by_rating.values()), axis=1)
    mean = dict(zip(by_rating, value_TM.mean(axis=0).tolist(), strict=True))
    low_high = intervals(value_TM, resamples=config.resamples, seed=config.seed, user_C=user_T)
    interval_of = {name: (float(low), float(high)) for name, (low, high) in zip(by_rating, low_high, strict=True)}
    low, high = interval_of["MSE"]
    return {"RMSE": float(np.sqrt(mean["MSE"])), **mean}, {"RMSE": (float(np.sqrt(low)), float(np.sqrt(high))), **interval_of}


def _slices(
    cases: Cases, by_rating: dict[str, NDArray[np.float64]], user_T: NDArray[np.int32], config: EvaluateConfig, facts: Facts
) -> tuple[Slice, ...]:
    parts = []
    for name, keep_T in cut_slices(cases, facts):
        kept = {metric: value_T[keep_T] for metric, value_T in by_rating.items()}
        parts.append(Slice(name, int(np.count_nonzero(keep_T)), *_summary(kept, user_T[keep_T], config)))
    return tuple(parts)
