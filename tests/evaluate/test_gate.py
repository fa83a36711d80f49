"""The rule that lets a new model take the place of the served one, by hand."""

from __future__ import annotations

import pytest

from aisle.errors import AisleError
from aisle.evaluate.compare import Comparison, Difference
from aisle.evaluate.gate import judge


def comparison(**rows: tuple[float, float, float]) -> Comparison:
    """Comparisons that found (low, mean, high) for each metric; "_at_" stands for "@"."""
    made = tuple(
        Difference(name.replace("_at_", "@"), 0.5, 0.5 + mean, mean, (low, high), "") for name, (low, mean, high) in rows.items()
    )
    return Comparison(100, {}, made, 1000, 0)


@pytest.mark.parametrize(
    ("low", "mean", "high", "margin", "passed"),
    [
        (-0.010, 0.001, 0.012, None, True),  # better on the mean, by however little
        (-0.010, 0.000, 0.010, None, False),  # the same model again is not better
        (-0.010, -0.001, 0.008, None, False),
        (-0.010, 0.001, 0.012, 0.0, False),  # better is not shown: the interval holds 0
        (0.001, 0.006, 0.012, 0.0, True),
        (-0.004, -0.001, 0.002, 0.005, True),  # worse by at most 0.004, and 0.005 may be
        (-0.006, 0.001, 0.008, 0.005, False),  # may be worse by 0.006
        (-0.005, 0.001, 0.008, 0.005, False),  # on the line is not above it
    ],
)
def test_the_mean_decides_without_a_margin_and_the_low_end_with_one(
    low: float, mean: float, high: float, margin: float | None, passed: bool
) -> None:
    assert judge(comparison(NDCG_at_10=(low, mean, high)), margin=margin).passed is passed


def test_of_an_error_less_is_better() -> None:
    # RMSE fell by 0.02; its interval says that it fell by at least 0.01.
    better = comparison(MAE=(-0.03, -0.02, -0.01))
    assert judge(better, metric="MAE").passed
    assert judge(better, metric="MAE", margin=0.0).passed
    worse = comparison(MAE=(-0.01, 0.01, 0.03))
    assert not judge(worse, metric="MAE").passed
    assert not judge(worse, metric="MAE", margin=0.02).passed
    assert judge(worse, metric="MAE", margin=0.04).passed


def test_the_first_ndcg_decides_where_no_metric_is_named() -> None:
    both = comparison(HR_at_5=(0.1, 0.2, 0.3), NDCG_at_5=(-0.3, -0.2, -0.1), NDCG_at_10=(0.1, 0.2, 0.3))
    assert not judge(both).passed
    assert judge(both).difference.metric == "NDCG@5"
    assert judge(both, metric="NDCG@10").passed
    assert judge(comparison(MAE=(-0.3, -0.2, -0.1))).difference.metric == "MAE"


def test_a_metric_that_was_not_measured_and_a_negative_margin_are_refused() -> None:
    for metric, margin in (("NDCG@20", None), (None, -0.1), (None, float("nan"))):
        with pytest.raises(AisleError) as caught:
            judge(comparison(NDCG_at_10=(0, 0, 0)), metric=metric, margin=margin)
        assert caught.value.code == "E048"
