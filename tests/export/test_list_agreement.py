"""The judge of lists, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from tests.export.list_agreement import disagreements

ITEMS, SCORES = [1, 2, 3], [0.9, 0.5, 0.1]


@pytest.mark.parametrize(
    ("items", "scores", "agree"),
    [
        (ITEMS, SCORES, True),
        (ITEMS, [0.9, 0.505, 0.1], True),  # within 0.01
        (ITEMS, [0.9, 0.55, 0.1], False),
        ([2, 1, 3], SCORES, False),  # 0.9 and 0.5 do not tie
        ([1, 2, 4], [0.9, 0.5, 0.105], True),  # 4 just missed the first list
        ([1, 4, 3], SCORES, False),  # 4 would have been the second of the first list
        ([1, 2, -1], [0.9, 0.5, -np.inf], False),
    ],
)
def test_lists_agree_but_for_ties(items: list[int], scores: list[float], agree: bool) -> None:
    one = np.array([ITEMS]), np.array([SCORES], np.float32)
    other = np.array([items]), np.array([scores], np.float32)
    assert (len(disagreements(*one, *other, 0.01)) == 0) is agree
    assert (len(disagreements(*other, *one, 0.01)) == 0) is agree


def test_items_that_tie_may_change_places() -> None:
    tied = np.array([[0.9, 0.5, 0.499]], np.float32)
    assert not len(disagreements(np.array([[1, 2, 3]]), tied, np.array([[1, 3, 2]]), tied, 0.01))


def test_ended_lists_agree() -> None:
    item, score = np.array([[1, -1], [-1, -1]]), np.array([[1.0, -np.inf], [-np.inf, -np.inf]], np.float32)
    assert not len(disagreements(item, score, item, score, 0.01))
