import json
from dataclasses import replace

import numpy as np
import pytest

from aisle.errors import AisleError
from aisle.evaluate.evaluation import evaluate
from aisle.evaluate.facts import Facts
from aisle.evaluate.protocol import EvaluateConfig
from tests.evaluate.questions import cases_of, facts_of, random_shop
from tests.recommend.scorers import TableScorer, histories

CONFIG = EvaluateConfig(k=(1, 2), resamples=50)
SCORER = TableScorer(np.array([[9, 8, 7, 6], [6, 7, 8, 9], [9, 8, 7, 6]], np.float32), strangers=frozenset({2}))
CASES = cases_of([0, 1, 2], [[], [], []], [[1], [3], [3]])


def test_means_are_over_cases_and_values_are_kept() -> None:
    # Ranks: item 1 of user 0 is second; item 3 of user 1 is first; user 2 is answered by popularity, where item 3 is last.
    facts = facts_of(4, 3, np.array([4, 3, 2, 1], np.float32))
    result = evaluate(SCORER, CASES, CONFIG, facts)
    assert result.metrics["HR@1"].tolist() == [0, 1, 0]
    assert result.metrics["HR@2"].tolist() == [1, 1, 0]
    assert result.means["HR@2"] == pytest.approx(2 / 3)
    assert result.means["MRR@2"] == pytest.approx((1 / 2 + 1 + 0) / 3)
    assert result.user.tolist() == [0, 1, 2]
    low, high = result.intervals["HR@2"]
    assert 0 <= low <= 2 / 3 <= high <= 1


def test_cases_that_the_fallback_answered_are_counted() -> None:
    result = evaluate(SCORER, CASES, CONFIG, facts_of(4, 3))
    assert result.counts["fallback_cases"] == 1
    assert (result.counts["cases"], result.counts["users"], result.counts["targets"]) == (3, 3, 3)


def test_coverage_diversity_and_revenue_come_with_what_they_need() -> None:
    facts = replace(
        facts_of(4, 3, np.array([4, 3, 2, 1], np.float32)),
        category=np.array([0, 0, 1, 1], np.int32),
        price=np.array([1, 10, 100, 1000], np.float32),
    )
    result = evaluate(SCORER, CASES, CONFIG, facts)
    assert result.aggregates == {"Coverage@1": 2 / 4, "Coverage@2": 4 / 4}
    assert result.metrics["Diversity@2"].tolist() == [0, 0, 0]
    assert result.metrics["Revenue@2"].tolist() == [10, 1000, 0]
    plain = evaluate(SCORER, CASES, replace(CONFIG, lists=False), facts_of(4, 3))
    assert plain.aggregates == {}
    assert not {"Diversity@2", "Revenue@2"} & set(plain.metrics)


def test_a_result_says_how_it_was_measured() -> None:
    full = evaluate(SCORER, CASES, CONFIG, facts_of(4, 3)).protocol
    assert (full["ranking"], full["filter_seen"], full["ties"]) == ("full", True, "count against the model")
    sampled = replace(CONFIG, protocol="sampled", negatives=2)
    by_seed = evaluate(SCORER, CASES, sampled, facts_of(4, 3)).protocol
    assert (by_seed["ranking"], by_seed["negatives"], by_seed["negatives_from"]) == ("sampled", 2, "unseen items, seed 0")
    fixed = evaluate(SCORER, replace(CASES, negatives=np.array([[0], [0], [0]], np.int32)), sampled, facts_of(4, 3)).protocol
    assert (fixed["negatives"], fixed["negatives_from"]) == (1, "the split")


def test_coverage_is_not_claimed_for_a_sampled_protocol() -> None:
    result = evaluate(SCORER, CASES, replace(CONFIG, protocol="sampled", negatives=2), facts_of(4, 3))
    assert result.aggregates == {}


def test_two_runs_give_the_same_report_to_the_last_digit() -> None:
    scorer, cases, facts = random_shop(3)
    reports = [json.dumps(evaluate(scorer, cases, CONFIG, facts).to_json()) for _ in range(2)]
    assert reports[0] == reports[1]


def test_without_resamples_there_is_no_interval() -> None:
    report = evaluate(SCORER, CASES, replace(CONFIG, resamples=0), facts_of(4, 3)).to_json()
    assert report["metrics"]["HR@1"]["ci"] is None
    json.dumps(report, allow_nan=False)


def test_slices_show_what_the_mean_hides() -> None:
    # User 2 has no training event; item 3 has none either.
    facts = Facts.of(histories([0, 1], [1, 2, 2], []), 4, segments={"age": np.array(["young", "old", ""])})
    result = evaluate(SCORER, CASES, CONFIG, facts)
    parts = {part.name: part for part in result.slices}
    assert {name: part.cases for name, part in parts.items()} == {
        "users: new (no training events)": 1,
        "users: 1 to 2 training events": 1,
        "users: over 2 training events": 1,
        "items: new (no training events)": 2,
        "items: with training events": 1,
        "age: old": 1,
        "age: young": 1,
    }
    assert parts["age: young"].means["HR@2"] == result.metrics["HR@2"][0]
    assert parts["items: new (no training events)"].means["HR@1"] == result.metrics["HR@1"][1:].mean()


@pytest.mark.parametrize("config", [EvaluateConfig(k=(0,)), EvaluateConfig(k=()), EvaluateConfig(negatives=0)])
def test_a_protocol_that_makes_no_sense_is_refused(config: EvaluateConfig) -> None:
    with pytest.raises(AisleError) as caught:
        evaluate(SCORER, CASES, config, facts_of(4, 3))
    assert caught.value.code == "E701"


def test_no_cases_is_an_error_not_a_nan() -> None:
    with pytest.raises(AisleError) as caught:
        evaluate(SCORER, cases_of([], [], []), CONFIG, facts_of(4, 3))
    assert caught.value.code == "E700"
