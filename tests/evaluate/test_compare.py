import json
from dataclasses import replace

import numpy as np
import pytest

from aisle.errors import AisleError
from aisle.evaluate.compare import compare, verdict
from aisle.evaluate.evaluation import Evaluation, evaluate
from aisle.evaluate.protocol import EvaluateConfig
from tests.evaluate.questions import cases_of, facts_of
from tests.recommend.scorers import TableScorer

USERS, ITEMS = 400, 30
CASES = cases_of(list(range(USERS)), [[]] * USERS, [[user % ITEMS] for user in range(USERS)])


def evaluation_of(skill: float, seed: int, config: EvaluateConfig | None = None) -> Evaluation:
    """Return the evaluation of a model that adds `skill` to the right answer's random score."""
    table = np.random.default_rng(seed).random((USERS, ITEMS)).astype(np.float32)
    table[np.arange(USERS), np.arange(USERS) % ITEMS] += np.float32(skill)
    return evaluate(TableScorer(table), CASES, config or EvaluateConfig(k=(5,), resamples=0), facts_of(ITEMS, USERS))


def test_the_difference_is_b_minus_a_with_its_paired_interval() -> None:
    a, b = evaluation_of(0.0, 1), evaluation_of(0.4, 1)
    row = next(row for row in compare(a, b).rows if row.metric == "HR@5")
    assert row.difference == pytest.approx(row.b - row.a)
    paired = b.metrics["HR@5"] - a.metrics["HR@5"]
    error = paired.std() / USERS**0.5
    assert row.interval == pytest.approx((row.difference - 1.96 * error, row.difference + 1.96 * error), abs=error / 3)
    assert row.verdict == "b is better"


def test_the_better_one_is_named_and_a_tie_is_no_verdict() -> None:
    weak, strong, twin = evaluation_of(0.0, 5), evaluation_of(0.4, 2), evaluation_of(0.0, 6)
    assert {row.verdict for row in compare(strong, weak).rows} == {"a is better"}
    assert {row.verdict for row in compare(weak, twin).rows} == {"no difference shown"}
    assert {row.verdict for row in compare(weak, weak).rows} == {"no difference shown"}


def test_a_verdict_needs_an_interval_without_zero() -> None:
    assert [verdict(*interval) for interval in ((0.1, 0.2), (-0.2, -0.1), (0.0, 0.1), (-0.1, 0.0))] == [
        "b is better",
        "a is better",
        "no difference shown",
        "no difference shown",
    ]


def test_turning_the_question_round_turns_the_answer_round() -> None:
    a, b = evaluation_of(0.0, 1), evaluation_of(0.2, 2)
    for there, back in zip(compare(a, b).rows, compare(b, a).rows, strict=True):
        assert there.difference == pytest.approx(-back.difference)


def test_the_comparison_is_plain_json() -> None:
    report = json.loads(json.dumps(compare(evaluation_of(0.0, 1), evaluation_of(0.2, 2)).to_json()))
    assert report["cases"] == USERS
    assert report["rows"][0]["metric"] == "HR@5"


def test_different_questions_are_never_compared() -> None:
    a = evaluation_of(0.0, 1)
    sampled = evaluation_of(0.0, 1, EvaluateConfig(k=(5,), resamples=0, protocol="sampled", negatives=5))
    others = evaluate(
        TableScorer(np.zeros((USERS, ITEMS), np.float32)),
        CASES.take(np.arange(10)),
        EvaluateConfig(k=(5,)),
        facts_of(ITEMS, USERS),
    )
    for b in (sampled, others, replace(a, user=a.user + 1)):
        with pytest.raises(AisleError) as caught:
            compare(a, b)
        assert caught.value.code == "E703"


def test_the_error_names_what_differs() -> None:
    sampled = evaluation_of(0.0, 1, EvaluateConfig(k=(5,), resamples=0, protocol="sampled", negatives=5))
    with pytest.raises(AisleError, match="ranking: 'full' and 'sampled'"):
        compare(evaluation_of(0.0, 1), sampled)


def test_no_metric_in_common_and_no_resamples_are_refused() -> None:
    a, other_k = evaluation_of(0.0, 1), evaluation_of(0.0, 1, EvaluateConfig(k=(3,), resamples=0))
    for b, resamples, code in ((other_k, 10, "E704"), (a, 0, "E705")):
        with pytest.raises(AisleError) as caught:
            compare(a, b, resamples=resamples)
        assert caught.value.code == code
