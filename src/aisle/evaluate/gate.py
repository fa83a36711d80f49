"""May a new model take the place of the one that is served? A rule over a paired comparison."""

from __future__ import annotations

from dataclasses import dataclass

from aisle.errors import AisleError, did_you_mean
from aisle.evaluate.compare import Comparison, Difference
from aisle.evaluate.rating import LOWER_IS_BETTER


@dataclass(frozen=True)
class Ruling:
    """What the rule says.

    Attributes:
        passed: the new model may take the place.
        difference: of the metric that decided, new minus served.
        rule: what was asked for, in words.
        margin: how much worse the new model may be; None where the mean had to be better.
    """

    passed: bool
    difference: Difference
    rule: str
    margin: float | None


def judge(comparison: Comparison, *, metric: str | None = None, margin: float | None = None) -> Ruling:
    """Judge a comparison of the served model (a) with a new one (b).

    Without a margin the new model has to be better on the mean over the cases, by however little: a new model that learned
    from newer events is worth having even where so many shoppers cannot show that it is better. With a margin the whole 95%
    interval of the difference has to lie above minus the margin: 0 asks for a difference that is shown, a positive margin
    lets a model pass that is shown not to be worse by more than that.

    Args:
        comparison: of the same questions.
        metric: such as "NDCG@10"; None = the first NDCG, or else the first metric.
        margin: in the metric's own unit, 0 or more. Of an error, where less is better, gains count as above zero too.

    Raises:
        AisleError: E048 for a metric that was not measured, or a margin below 0.
    """
    row = _row(comparison, metric)
    if margin is not None and not margin >= 0:
        raise AisleError(f"the margin is {margin}; expected 0 or more", hint="0.005 lets NDCG@10 fall by 0.005", code="E048")
    low, high = row.interval
    gain, worst_gain = (-row.difference, -high) if row.metric in LOWER_IS_BETTER else (row.difference, low)
    if margin is None:
        return Ruling(gain > 0, row, "better on the mean", None)
    rule = "shown to be better" if margin == 0 else f"shown not to be worse by {margin:g} or more"
    return Ruling(worst_gain > -margin, row, rule, margin)


def _row(comparison: Comparison, metric: str | None) -> Difference:
    rows = {row.metric: row for row in comparison.rows}
    if metric is None:
        return next((row for name, row in rows.items() if name.startswith("NDCG@")), comparison.rows[0])
    if metric not in rows:
        raise AisleError(f"no metric '{metric}' was measured for both models", hint=did_you_mean(metric, rows), code="E048")
    return rows[metric]
