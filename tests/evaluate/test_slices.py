from dataclasses import replace

import numpy as np

from aisle.evaluate.facts import Facts
from aisle.evaluate.slices import cut_slices
from tests.evaluate.questions import cases_of, facts_of
from tests.recommend.scorers import histories

CASES = cases_of([0, 1, 2], [[], [], []], [[0, 1], [1], [2]])


def test_a_slice_of_items_keeps_single_answers_and_a_slice_of_users_whole_cases() -> None:
    facts = Facts(np.zeros(3, np.float32), np.array([5, 0, 5]), np.array([0, 4, 4]))
    keep = {name: mask.tolist() for name, mask in cut_slices(CASES, facts)}
    assert keep == {
        "users: new (no training events)": [True, True, False, False],
        "users: 1 to 4 training events": [False, False, True, True],
        "items: new (no training events)": [False, True, True, False],
        "items: with training events": [True, False, False, True],
    }


def test_active_users_fall_into_thirds() -> None:
    users = list(range(9))
    cases = cases_of(users, [[]] * 9, [[0]] * 9)
    facts = Facts(np.zeros(1, np.float32), np.array([1]), np.array([3, 1, 2, 6, 5, 4, 9, 8, 7]))
    sizes = {name: int(mask.sum()) for name, mask in cut_slices(cases, facts)}
    assert sizes == {"users: 1 to 3 training events": 3, "users: 4 to 6 training events": 3, "users: over 6 training events": 3}


def test_a_slice_that_is_everything_or_nothing_is_not_shown() -> None:
    facts = Facts(np.zeros(3, np.float32), np.array([5, 5, 5]), np.array([4, 4, 4]))
    assert list(cut_slices(CASES, facts)) == []


def test_a_pair_is_a_repeat_when_the_shopper_met_the_item_by_any_event() -> None:
    # The first shopper knows 1 and has seen 2 as well; the second has met nothing.
    cases = replace(cases_of([0, 1], [[1], []], [[0, 1, 2], [1]]), seen=histories([2], []))
    keep = {name: mask.tolist() for name, mask in cut_slices(cases, facts_of(3, 2)) if name.startswith("pairs")}
    assert keep == {"pairs: repeats": [False, True, True, False], "pairs: new": [True, False, False, True]}
    assert not [name for name, _ in cut_slices(CASES, facts_of(3, 3)) if name.startswith("pairs")], "nobody met anything"
