from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from aisle.dataset.order import canonical_order, group_numbers, repeated
from aisle.dataset.spill import Columns

rows = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from([0, 1, 1_000_000, 2_000_000, 2**62]), st.integers(0, 2), st.floats(width=32)),
    max_size=40,
)


@given(rows)
def test_rows_are_ordered_as_python_orders_their_tuples(rows: list[tuple[int, int, int, float]]) -> None:
    columns: Columns = {
        "user": np.array([row[0] for row in rows], np.int32),
        "time": np.array([row[1] for row in rows], np.int64),
        "item": np.array([row[2] for row in rows], np.int32),
    }
    expected = sorted((user, time, item) for user, time, item, _ in rows)
    order = canonical_order(columns, ["item"])
    assert [tuple(int(columns[name][at]) for name in columns) for at in order] == expected


@given(rows)
def test_without_a_tie_break_equal_rows_keep_their_places(rows: list[tuple[int, int, int, float]]) -> None:
    user, time = np.array([row[0] for row in rows], np.int32), np.array([row[1] for row in rows], np.int64)
    expected = sorted(range(len(rows)), key=lambda at: rows[at][:2])
    assert canonical_order({"user": user, "time": time}, []).tolist() == expected


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=40))
def test_groups_are_numbered_by_first_appearance_of_each_user(pairs: list[tuple[int, int]]) -> None:
    pairs.sort(key=lambda pair: pair[0])
    seen: dict[int, dict[int, int]] = {}
    expected = []
    for user, group in pairs:
        numbers = seen.setdefault(user, {})
        expected.append(numbers.setdefault(group, len(numbers)))
    user_N = np.array([pair[0] for pair in pairs], np.int32)
    group_N = np.array([pair[1] for pair in pairs], np.uint64)
    assert group_numbers(user_N, group_N).tolist() == expected


def test_a_missing_number_repeats_a_missing_number() -> None:
    columns = {"user": np.array([1, 1, 1, 2], np.int32), "price": np.array([np.nan, np.nan, 1, 1], np.float32)}
    assert repeated(columns).tolist() == [False, True, False, False]
