import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from aisle.features.histories import Histories

ROWS = st.lists(st.lists(st.integers(0, 9), max_size=5), min_size=1, max_size=6)


def histories(rows: list[list[int]]) -> Histories:
    item = np.array([item for row in rows for item in row], np.int32)
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
    return Histories(offsets, item, (item % 7 + 1).astype(np.uint8), np.arange(len(item), dtype=np.int64))


def rows_of(block: Histories) -> list[list[int]]:
    return [block.row(row).tolist() for row in range(len(block))]


@given(ROWS)
def test_rows_come_back_as_they_went_in(rows: list[list[int]]) -> None:
    block = histories(rows)
    assert rows_of(block) == rows
    assert block.lengths.tolist() == [len(row) for row in rows]
    assert block.rows.tolist() == [number for number, row in enumerate(rows) for _ in row]


@given(ROWS, st.data())
def test_take_gives_the_rows_in_the_order_asked_and_nothing_for_the_unknown(rows: list[list[int]], data: st.DataObject) -> None:
    wanted = data.draw(st.lists(st.integers(-1, len(rows) - 1), max_size=8))
    block = histories(rows)
    taken = block.take(np.array(wanted, np.int64))
    assert rows_of(taken) == [rows[row] if row >= 0 else [] for row in wanted]
    assert np.array_equal(block.item[taken.time], taken.item), "all columns move together"
    assert np.array_equal(block.event[taken.time], taken.event)


@given(ROWS, st.data())
def test_where_keeps_every_row_and_the_order_of_its_events(rows: list[list[int]], data: st.DataObject) -> None:
    total = sum(map(len, rows))
    keep = np.array(data.draw(st.lists(st.booleans(), min_size=total, max_size=total)), np.bool_)
    block = histories(rows).where(keep)
    flags = iter(keep.tolist())
    assert rows_of(block) == [[item for item in row if next(flags)] for row in rows]


def test_empty_histories_have_rows_without_events() -> None:
    assert rows_of(Histories.empty(3)) == [[], [], []]
    assert rows_of(Histories.empty(0)) == []
    assert rows_of(Histories.empty(2).take(np.array([1, -1]))) == [[], []]


def test_the_context_of_a_question_follows_its_history() -> None:
    asked = Histories.empty(2).at(np.array([[4, -1], [7, 2]], np.int32))
    assert asked.context is not None
    taken = asked.take(np.array([1, -1, 1]))
    assert taken.context is not None
    assert taken.context.tolist() == [[7, 2], [-1, -1], [7, 2]]  # nobody is asked in no context
    assert asked.where(np.zeros(0, bool)).context is asked.context
    assert asked.at(None).take(np.array([0])).context is None
