"""Ask a model every question of a split and keep what came out, shopper by shopper."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aisle.dataset.cases import Cases
from aisle.evaluate import metrics
from aisle.evaluate.bootstrap import CONFIDENCE, intervals
from aisle.evaluate.facts import Facts
from aisle.evaluate.metrics import RANK_METRICS, Ranks
from aisle.evaluate.protocol import EvaluateConfig, check, describe
from aisle.evaluate.ranking import Ranking, rank
from aisle.evaluate.rating import Errors, measure_ratings
from aisle.evaluate.slices import Slice, cut_slices
from aisle.recommend.scorer import Scorer


@dataclass(frozen=True)
class Evaluation:
    """The result of one model on C cases.

    Attributes:
        protocol: what defines the numbers; see `protocol.describe`.
        user: (C,) int32 user codes.
        metrics: name, such as "HR@10" -> (C,) float64, one value a case.
        means: name -> mean over cases.
        intervals: name -> 95% bootstrap interval of the mean.
        aggregates: numbers of all lists together, such as "Coverage@10": they have no value a case, so no interval.
        counts: cases, users, targets; cases that the fallback answered; cases with a right answer that the model has no
            score for; targets that can never be recommended.
        slices: the same metrics for parts of the cases.
        settings: k, resamples and seed: they change what is shown, not what is measured.
    """

    protocol: dict[str, object]
    user: NDArray[np.int32]
    metrics: dict[str, NDArray[np.float64]]
    means: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    aggregates: dict[str, float]
    counts: dict[str, int]
    slices: tuple[Slice, ...]
    settings: dict[str, object]

    def to_json(self) -> dict[str, Any]:
        """Return everything but the values a case, as plain JSON; an interval that was not asked for is null."""
        return {
            "protocol": self.protocol,
            "settings": self.settings,
            "counts": self.counts,
            "metrics": with_intervals(self.means, self.intervals),
            "aggregates": self.aggregates,
            "slices": [
                {"name": part.name, "cases": part.cases, "metrics": with_intervals(part.means, part.intervals)}
                for part in self.slices
            ],
        }


def evaluate(scorer: Scorer, cases: Cases, config: EvaluateConfig, facts: Facts) -> Evaluation:
    """Evaluate a model.

    Args:
        scorer: the model.
        cases: the questions.
        config: the protocol.
        facts: popularity for the cases that the model cannot answer, and what slices, diversity and revenue need.

    Returns:
        Metrics a case, means with intervals, slices, and the protocol.

    Raises:
        AisleError: E350 when the model gives NaN, E700 without cases, E701 for a k below 1, E706 for rating prediction
            without ratings.
    """
    check(cases, config)
    if config.protocol == "rating":
        return _of_errors(measure_ratings(scorer, cases, config, facts), cases, config, facts)
    ranking = rank(scorer, cases, config, facts)
    price_T = None if facts.price is None else facts.price[cases.target_item]
    by_case = _rank_metrics(ranking.ranks, config.k, price_T)
    aggregates: dict[str, float] = {}
    if ranking.item is not None:
        aggregates = {f"Coverage@{k}": metrics.coverage(ranking.item, k, facts.n_items) for k in config.k}
        if facts.category is not None:
            by_case |= {f"Diversity@{k}": metrics.diversity(ranking.item, k, facts.category) for k in config.k}
    means, interval_of = _summary(by_case, cases.user, config)
    return Evaluation(
        protocol=describe(cases, config, facts.n_items),
        user=np.asarray(cases.user, np.int32),
        metrics=by_case,
        means=means,
        intervals=interval_of,
        aggregates=aggregates,
        counts=_counts(cases, ranking),
        slices=_slices(cases, ranking.ranks, price_T, config, facts),
        settings={"k": list(config.k), "resamples": config.resamples, "seed": config.seed, "confidence": CONFIDENCE},
    )


def _of_errors(errors: Errors, cases: Cases, config: EvaluateConfig, facts: Facts) -> Evaluation:
    return Evaluation(
        protocol=describe(cases, config, facts.n_items),
        user=errors.user,
        metrics=errors.metrics,
        means=errors.means,
        intervals=errors.intervals,
        aggregates={},
        counts=errors.counts,
        slices=errors.slices,
        settings={"k": list(config.k), "resamples": config.resamples, "seed": config.seed, "confidence": CONFIDENCE},
    )


def _rank_metrics(ranks: Ranks, k_list: tuple[int, ...], price_T: NDArray[np.float32] | None) -> dict[str, NDArray[np.float64]]:
    by_case = {f"{name}@{k}": metric(ranks, k) for k in k_list for name, metric in RANK_METRICS.items()}
    if price_T is not None:
        by_case |= {f"Revenue@{k}": metrics.revenue(ranks, k, price_T) for k in k_list}
    return by_case


def _summary(
    by_case: dict[str, NDArray[np.float64]], user_C: NDArray[np.int32], config: EvaluateConfig
) -> tuple[dict[str, float], dict[str, tuple[float, float]]]:
    value_CM = np.stack(list(by_case.values()), axis=1)
    low_high = intervals(value_CM, resamples=config.resamples, seed=config.seed, user_C=user_C)
    means = {name: float(value.mean()) for name, value in by_case.items()}
    return means, {name: (float(low), float(high)) for name, (low, high) in zip(by_case, low_high, strict=True)}


def _slices(
    cases: Cases, ranks: Ranks, price_T: NDArray[np.float32] | None, config: EvaluateConfig, facts: Facts
) -> tuple[Slice, ...]:
    parts = []
    for name, keep_T in cut_slices(cases, facts):
        kept, left = ranks.only(keep_T)
        by_case = _rank_metrics(kept, config.k, None if price_T is None else price_T[keep_T])
        parts.append(Slice(name, len(kept.count), *_summary(by_case, cases.user[left], config)))
    return tuple(parts)


def _counts(cases: Cases, ranking: Ranking) -> dict[str, int]:
    return {
        "cases": len(cases),
        "users": len(np.unique(cases.user)),
        "targets": len(cases.target_item),
        "fallback_cases": int(np.count_nonzero(~ranking.modelled)),
        "filled_cases": int(np.count_nonzero(ranking.filled)),
        "unreachable_targets": int(np.count_nonzero(ranking.ranks.rank == metrics.NEVER)),
    }


def with_intervals(means: dict[str, float], interval_of: dict[str, tuple[float, float]]) -> dict[str, dict[str, Any]]:
    """Return name -> {"mean": x, "ci": [low, high]}, with null for an interval that was not asked for."""
    return {
        name: {"mean": mean, "ci": None if np.isnan(interval_of[name]).any() else list(interval_of[name])}
        for name, mean in means.items()
    }
