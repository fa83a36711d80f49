import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from aisle.dataset.kcore import core_mask

PAIRS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=40)


def naive(pairs: list[tuple[int, int]], min_user: int, min_item: int) -> list[bool]:
    keep = [True] * len(pairs)
    while True:
        users = [user for (user, _), kept in zip(pairs, keep, strict=True) if kept]
        items = [item for (_, item), kept in zip(pairs, keep, strict=True) if kept]
        new = [
            kept and users.count(user) >= min_user and items.count(item) >= min_item
            for (user, item), kept in zip(pairs, keep, strict=True)
        ]
        if new == keep:
            return keep
        keep = new


def test_taking_out_an_item_can_take_out_a_user_and_then_another_item() -> None:
    # Item 9 has one event, so it goes; user 0 is left with one event, so they go; then item 8 has one left, so it goes;
    # then user 1 has one left. Users 2 and 3 keep two events each on items 6 and 7.
    user = np.array([0, 0, 1, 1, 2, 2, 3, 3])
    item = np.array([9, 8, 8, 7, 7, 6, 7, 6])
    kept = core_mask(user, item, min_user_events=2, min_item_events=2)
    assert kept.tolist() == [False] * 4 + [True] * 4


def test_one_event_each_is_enough_by_default() -> None:
    assert core_mask(np.array([0, 1]), np.array([0, 1]), min_user_events=1, min_item_events=1).all()


@given(PAIRS, st.integers(1, 4), st.integers(1, 4))
def test_it_is_the_fixpoint_of_the_naive_filter(pairs: list[tuple[int, int]], min_user: int, min_item: int) -> None:
    table = np.array(pairs, np.int64).reshape(-1, 2)
    kept = core_mask(table[:, 0], table[:, 1], min_user_events=min_user, min_item_events=min_item)
    assert kept.tolist() == naive(pairs, min_user, min_item)
