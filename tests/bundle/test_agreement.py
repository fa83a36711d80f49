"""Two lists agree when they differ in nothing but the order of items that tie."""

from __future__ import annotations

import pytest

from aisle.bundle.agreement import apart, disagreements
from aisle.bundle.question import Answer, Item


def answer(*rows: tuple[str, float], source: str = "model", known: bool = True) -> Answer:
    return Answer(tuple(Item(name, score, rank, source) for rank, (name, score) in enumerate(rows, 1)), known)


RIGHT = answer(("a", 0.9), ("b", 0.5), ("c", 0.49999), ("d", 0.1))


def words(seen: Answer, right: Answer = RIGHT, tolerance: float = 1e-4) -> str:
    return "; ".join(disagreements(right, seen, tolerance).words)


def test_the_same_list_agrees_and_rounding_is_measured() -> None:
    found = disagreements(RIGHT, answer(("a", 0.90001), ("b", 0.5), ("c", 0.49999), ("d", 0.1)), 1e-4)
    assert found.words == ()
    assert found.largest_difference == pytest.approx(1e-5)


def test_items_that_tie_may_change_places_and_no_others() -> None:
    assert not words(answer(("a", 0.9), ("c", 0.49999), ("b", 0.5), ("d", 0.1)))
    assert "place 1: 'b'" in words(answer(("b", 0.5), ("a", 0.9), ("c", 0.49999), ("d", 0.1)))
    # 0.5 and 0.49999 are 1e-5 apart: no tie where less is asked for
    assert "place 2: 'c'" in words(answer(("a", 0.9), ("c", 0.49999), ("b", 0.5), ("d", 0.1)), tolerance=1e-6)


def test_an_item_that_just_missed_the_list_may_stand_at_its_end() -> None:
    assert not words(answer(("a", 0.9), ("b", 0.5), ("c", 0.49999), ("e", 0.10005)))
    assert "place 4: 'e'" in words(answer(("a", 0.9), ("b", 0.5), ("c", 0.49999), ("e", 0.2)))


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        (answer(("a", 0.9), ("b", 0.5)), "2 items, expected 4"),
        (answer(("a", 0.8), ("b", 0.5), ("c", 0.49999), ("d", 0.1)), "differ by 0.1"),
        (answer(("a", 0.9), ("b", 0.5), ("c", float("nan")), ("d", 0.1)), "differ by nan"),
        (answer(("a", 0.9), ("b", 0.5), ("b", 0.5), ("d", 0.1)), "twice"),
        (answer(("a", 0.9), ("b", 0.5), ("c", 0.49999), ("d", 0.1), known=False), "unknown"),
        (answer(("a", 0.9), ("b", 0.5), ("c", 0.49999), ("d", 0.1), source="popular"), "from popular, expected model"),
        (answer(("a", 0.9), ("c", 0.49999), ("b", 0.5), ("d", 0.1), source="popular"), "place 2"),
    ],
)
def test_what_differs_is_said(seen: Answer, said: str) -> None:
    assert said in words(seen)


def test_large_scores_are_compared_relatively_as_they_are_rounded() -> None:
    assert apart(1000.0, 1000.05) == pytest.approx(5e-5)
    assert apart(0.1, 0.2) == pytest.approx(0.1)
    assert not words(answer(("a", 1000.05)), answer(("a", 1000.0)))


def test_two_empty_lists_agree() -> None:
    assert disagreements(Answer(), Answer(), 1e-4).words == ()
