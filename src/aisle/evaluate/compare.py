"""Is B better than A? The paired difference over the same questions, with its interval, and a verdict in words."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from aisle.errors import AisleError
from aisle.evaluate.bootstrap import CONFIDENCE, intervals
from aisle.evaluate.evaluation import Evaluation
from aisle.evaluate.rating import LOWER_IS_BETTER


@dataclass(frozen=True)
class Difference:
    """One metric of two evaluations.

    Attributes:
        metric: such as "NDCG@10".
        a, b: the means.
        difference: b - a.
        interval: 95% paired bootstrap interval of the difference.
        verdict: "b is better", "a is better" or "no difference shown" when the interval contains 0.
    """

    metric: str
    a: float
    b: float
    difference: float
    interval: tuple[float, float]
    verdict: str


@dataclass(frozen=True)
class Comparison:
    """Two evaluations of the same questions.

    Attributes:
        cases: how many questions.
        protocol: the protocol of both.
        rows: one a metric that both have.
        resamples, seed: of the bootstrap.
    """

    cases: int
    protocol: dict[str, object]
    rows: tuple[Difference, ...]
    resamples: int
    seed: int

    def to_json(self) -> dict[str, Any]:
        """Return the comparison as plain JSON."""
        return {**asdict(self), "confidence": CONFIDENCE, "rows": [asdict(row) for row in self.rows]}


def compare(a: Evaluation, b: Evaluation, *, resamples: int = 1000, seed: int = 0) -> Comparison:
    """Compare two evaluations case by case.

    Pairing removes what both models find equally hard, so the interval of the difference is far narrower than the two
    models' own intervals suggest.

    Args:
        a: one evaluation, the reference.
        b: the other, of the same questions under the same protocol.
        resamples: bootstrap resamples, at least 1.
        seed: the same seed gives the same interval.

    Raises:
        AisleError: E703 when the protocols or the questions differ, E704 when they have no metric in common, E705 for
            resamples below 1.
    """
    _check_same_questions(a, b)
    names = [name for name in a.metrics if name in b.metrics]
    if not names:
        raise AisleError(
            f"no metric in common: {', '.join(a.metrics)} and {', '.join(b.metrics)}",
            hint="evaluate both with the same k",
            code="E704",
        )
    if resamples < 1:
        raise AisleError(f"resamples is {resamples}; an interval needs at least 1", hint="use 1000", code="E705")
    difference_CM = np.stack([b.metrics[name] - a.metrics[name] for name in names], axis=1)
    low_high = intervals(difference_CM, resamples=resamples, seed=seed, user_C=a.user)
    rows = tuple(
        Difference(name, a.means[name], b.means[name], float(mean), (float(low), float(high)), verdict(low, high, name))
        for name, mean, (low, high) in zip(names, difference_CM.mean(axis=0), low_high, strict=True)
    )
    return Comparison(len(a.user), a.protocol, rows, resamples, seed)


def verdict(low: float, high: float, metric: str = "") -> str:
    """Put an interval of b - a into words; of an error, less is better."""
    if metric in LOWER_IS_BETTER:
        low, high = -high, -low
    if low > 0:
        return "b is better"
    return "a is better" if high < 0 else "no difference shown"


def _check_same_questions(a: Evaluation, b: Evaluation) -> None:
    differing = sorted(
        f"{name}: {a.protocol.get(name)!r} and {b.protocol.get(name)!r}"
        for name in {*a.protocol, *b.protocol}
        if a.protocol.get(name) != b.protocol.get(name)
    )
    if differing or not np.array_equal(a.user, b.user):
        raise AisleError(
            f"these evaluations asked different questions ({'; '.join(differing) or 'other users'})",
            hint="evaluate both on the same dataset with the same split and protocol",
            code="E703",
        )
