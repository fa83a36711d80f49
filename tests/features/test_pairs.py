import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from aisle.features.histories import Histories
from aisle.features.pairs import contains, distinct, pairs

NUMBERS = st.lists(st.integers(-5, 30), max_size=20)


@given(NUMBERS)
def test_distinct_is_a_sorted_set(numbers: list[int]) -> None:
    assert distinct(np.array(numbers, np.int64)).tolist() == sorted(set(numbers))


@given(NUMBERS, st.lists(st.integers(-6, 31), max_size=20))
def test_contains_is_membership(numbers: list[int], asked: list[int]) -> None:
    found = contains(distinct(np.array(numbers, np.int64)), np.array(asked, np.int64))
    assert found.tolist() == [number in numbers for number in asked]


def test_pairs_are_told_apart_by_row() -> None:
    item = np.array([3, 1, 3, 3], np.int32)
    histories = Histories(np.array([0, 3, 4]), item, np.zeros(4, np.uint8), np.arange(4))
    assert pairs(histories, 10).tolist() == [1, 3, 13]
