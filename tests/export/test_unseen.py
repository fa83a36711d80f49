"""No bundle is asked what it learned: by the moment of the cut, or shopper by shopper."""

from __future__ import annotations

import numpy as np
import pytest

from aisle.dataset.cases import Cases
from aisle.errors import AisleError
from aisle.export.unseen import check_left_out, check_splits
from aisle.features.histories import Histories
from aisle.schema.events import Event

SPLIT = {
    "kind": "leave-one-out",
    "positive_events": ["view"],
    "target_events": ["view"],
    "seen_events": ["view"],
    "known_events": None,
    "repeats": False,
}
A, B, C, D = range(4)


def history(*events: tuple[int, int]) -> Histories:
    """One shopper's (item, time) pairs, all views."""
    items, times = [item for item, _ in events], [time for _, time in events]
    kinds = np.full(len(events), Event.view, np.uint8)
    return Histories(np.array([0, len(events)]), np.array(items, np.int32), kinds, np.array(times, np.int64))


def check(
    remembered: Histories, asked: int, known: Histories, *, split: dict[str, object] | None = None, ordered: bool = False
) -> str:
    cases = Cases(np.zeros(1, np.int32), known, np.array([0, 1]), np.array([asked], np.int32))
    return check_left_out({**SPLIT, **(split or {})}, remembered, np.array([asked]), cases, ordered=ordered)


def leaks(*given: object, **options: object) -> bool:
    try:
        why_not = check(*given, **options)  # type: ignore[arg-type]
    except AisleError as error:
        return error.code == "E049" and "1 of the 1 questions" in error.message
    return why_not != ""


# The bundle's log: A at 1, B at 2, C at 3. C was left out for the test, and A and B were learned from.
BEFORE = history((A, 1), (B, 2), (C, 3))


def test_only_splits_that_cannot_leak_are_compared() -> None:
    early, late = {"kind": "time", "test_time": "2026-01-01Z"}, {"kind": "time", "test_time": "2026-01-02Z"}
    last = {"kind": "leave-one-out"}
    check_splits(early, late)
    check_splits(late, late)
    check_splits(last, last)
    for learned, asked in ((late, early), (last, late), (early, last), ({}, late), ({"kind": "files"}, {"kind": "files"})):
        with pytest.raises(AisleError) as caught:
            check_splits(learned, asked)
        assert caught.value.code == "E049"


@pytest.mark.parametrize("ordered", [False, True])
def test_in_a_log_that_only_grew_the_last_event_was_never_learned(ordered: bool) -> None:
    assert not leaks(BEFORE, C, history((A, 1), (B, 2)), ordered=ordered), "nothing new: what was left out then is asked now"
    assert not leaks(BEFORE, D, history((A, 1), (B, 2), (C, 3)), ordered=ordered), "a new event"
    assert not leaks(history(), C, history((A, 1), (B, 2)), ordered=ordered), "a stranger"


@pytest.mark.parametrize("ordered", [False, True])
def test_a_log_that_was_cut_back_asks_for_what_was_learned(ordered: bool) -> None:
    assert leaks(BEFORE, B, history((A, 1)), ordered=ordered)


def test_a_shopper_too_short_to_be_asked_was_learned_from_whole() -> None:
    """B was new to the shopper when the bundle was trained, and nothing else was: none was left out."""
    assert leaks(history((A, 1), (B, 2)), B, history((A, 1)))


def test_other_rules_about_repeats_make_another_event_the_last_one() -> None:
    """With repeats the second A, at 3, was left out and B learned; without them B is the last new item."""
    remembered = history((C, 0), (A, 1), (B, 2), (A, 3))
    assert leaks(remembered, B, history((C, 0), (A, 1)), split={"repeats": True})
    assert not leaks(remembered, A, history((C, 0), (A, 1), (B, 2)), split={"repeats": True})


def test_an_old_event_that_is_gone_from_the_log_is_no_answer() -> None:
    """The shop keeps three months: A at 1 is forgotten, and A at 9 is asked. In an order without times nobody can tell."""
    remembered = history((A, 1), (B, 2), (C, 3), (D, 4))
    assert not leaks(remembered, A, history((B, 2), (C, 3), (D, 4)))
    assert leaks(remembered, A, history((B, 2), (C, 3), (D, 4)), ordered=True)


@pytest.mark.parametrize(
    ("split", "why"),
    [
        ({"known_events": 50}, "only the last 50 events"),
        ({"seen_events": ["view", "impression"]}, "does not remember all kinds"),
        ({"target_events": ["purchase"]}, "does not remember all kinds"),
    ],
)
def test_what_cannot_be_checked_is_said(split: dict[str, object], why: str) -> None:
    assert why in check(BEFORE, B, history((A, 1)), split=split)
