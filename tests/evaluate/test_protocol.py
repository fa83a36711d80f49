from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from aisle.dataset.cases import Cases
from aisle.evaluate.protocol import fingerprint
from tests.evaluate.questions import cases_of
from tests.recommend.scorers import histories

CASES = cases_of([0, 1], [[1], [2, 3]], [[4], [5, 6]], [[7, 8], [7, 9]])


def test_the_fingerprint_is_the_same_for_the_same_questions() -> None:
    assert fingerprint(CASES) == fingerprint(CASES.take(np.arange(2)))


def test_what_a_model_may_know_is_not_part_of_the_question() -> None:
    # One model reads the purchases alone, the other the views too; both are filtered by everything that was seen.
    purchases_only = replace(CASES, known=histories([1], [3]), seen=CASES.known)
    assert fingerprint(purchases_only) == fingerprint(CASES)


@pytest.mark.parametrize(
    "change",
    [
        lambda cases: replace(cases, user=cases.user + 1),
        lambda cases: replace(cases, target_item=cases.target_item + 1),
        lambda cases: replace(cases, target_offsets=np.array([0, 2, 3])),
        lambda cases: replace(cases, known=replace(cases.known, item=cases.known.item[::-1])),
        lambda cases: replace(cases, negatives=None),
        lambda cases: replace(cases, seen=histories([1], [])),
        lambda cases: cases.take(np.array([1, 0])),
    ],
)
def test_any_other_question_has_another_fingerprint(change: Callable[[Cases], Cases]) -> None:
    assert fingerprint(change(CASES)) != fingerprint(CASES)
