from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from aisle.dataset.cases import Cases, Split
from aisle.dataset.split import SplitConfig, split
from aisle.errors import AisleError
from aisle.features.histories import Histories
from aisle.schema.events import Event
from tests.dataset.small import Row, dataset_of

USERS, ITEMS = 5, 8


def rows_of(histories: Histories) -> list[list[int]]:
    return [histories.row(row).tolist() for row in range(len(histories))]


def answers(cases: Cases) -> dict[int, list[int]]:
    offsets = cases.target_offsets
    return {int(user): cases.target_item[offsets[c] : offsets[c + 1]].tolist() for c, user in enumerate(cases.user)}


def known(cases: Cases) -> dict[int, list[int]]:
    return {int(user): cases.known.row(c).tolist() for c, user in enumerate(cases.user)}


def by_time(folder: Path, rows: list[Row], **changes: object) -> Split:
    config = SplitConfig(**{"kind": "time", "cut_times": (10, 20), **changes})  # type: ignore[arg-type]
    return split(dataset_of(folder, rows, users=USERS, items=ITEMS), config)


# --- by time ---------------------------------------------------------------------------------------------------------

SHOP: list[Row] = [
    (0, 1, 1), (0, 2, 5), (0, 3, 10), (0, 4, 20),   # something in every part
    (1, 1, 2), (1, 5, 19),                          # nothing to ask in the test
    (2, 6, 25),                                     # new in the test: asked, and nothing is known
    (3, 1, 3), (3, 1, 21), (3, 2, 22), (3, 2, 23),  # meets item 1 again; buys item 2 twice
]  # fmt: skip


def test_a_time_split_learns_before_the_cut_and_asks_after_it(tmp_path: Path) -> None:
    parts = by_time(tmp_path, SHOP)
    assert rows_of(parts.train) == [[1, 2], [1], [], [1], []]
    assert rows_of(parts.refit) == [[1, 2, 3], [1, 5], [], [1], []]
    assert answers(parts.validation) == {0: [3], 1: [5]}
    assert answers(parts.test) == {0: [4], 2: [6], 3: [2]}


def test_a_question_knows_what_a_shop_would_know_at_that_moment(tmp_path: Path) -> None:
    parts = by_time(tmp_path, SHOP)
    assert known(parts.validation) == {0: [1, 2], 1: [1]}
    assert known(parts.test) == {0: [1, 2, 3], 2: [], 3: [1]}


def test_repeats_are_asked_only_when_wanted(tmp_path: Path) -> None:
    assert answers(by_time(tmp_path / "a", SHOP).test)[3] == [2]
    assert answers(by_time(tmp_path / "b", SHOP, repeats=True).test)[3] == [1, 2]


def test_only_target_events_are_asked_and_only_positive_ones_are_learned_from(tmp_path: Path) -> None:
    rows: list[Row] = [
        (0, 1, 1, Event.view), (0, 2, 2, Event.dislike), (0, 3, 3, Event.purchase),
        (0, 4, 21, Event.view), (0, 5, 22, Event.purchase), (0, 6, 23, Event.dislike),
    ]  # fmt: skip
    parts = by_time(tmp_path, rows, target_events=("purchase",))
    assert rows_of(parts.train)[0] == [1, 3]
    assert parts.train_index.tolist() == [0, 2]
    assert answers(parts.test) == {0: [5]}


def test_train_index_points_to_the_rows_of_the_dataset(tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path, SHOP, users=USERS, items=ITEMS)
    parts = split(dataset, SplitConfig(cut_times=(10, 20)))
    for part, index in ((parts.train, parts.train_index), (parts.refit, parts.refit_index)):
        assert np.array_equal(dataset.histories.item[index], part.item)
        assert np.array_equal(dataset.histories.time[index], part.time)


def test_shares_cut_at_quantiles_of_the_times(tmp_path: Path) -> None:
    # 10 events at times 0..9: a validation share of .2 and a test share of .3 cut at the times of places 5 and 7.
    rows: list[Row] = [(time % 2, time % ITEMS, time) for time in range(10)]
    dataset = dataset_of(tmp_path, rows, users=2, items=ITEMS)
    parts = split(dataset, SplitConfig(validation_share=0.2, test_share=0.3, repeats=True))
    assert (len(parts.train.item), len(parts.validation.target_item), len(parts.test.target_item)) == (5, 2, 3)
    assert parts.description["test_time"] == "1970-01-01T00:00:00.000007Z"


def test_the_kcore_counts_training_events_only(tmp_path: Path) -> None:
    # Item 2 has one training event and four later ones: it is too rare at the time of training.
    rows: list[Row] = [(0, 1, 1), (1, 1, 2), (0, 2, 3), *((user, 2, 30) for user in range(1, 5)), (1, 3, 21)]
    parts = by_time(tmp_path, rows, min_item_events=2)
    assert rows_of(parts.train) == [[1], [1], [], [], []]
    assert known(parts.test)[1] == [1], "what is known is not filtered"
    assert answers(parts.test)[1] == [2, 3], "what is asked is not filtered"


def test_users_with_too_few_training_events_are_asked_but_not_learned_from(tmp_path: Path) -> None:
    parts = by_time(tmp_path, [(0, 1, 1), (0, 2, 2), (1, 3, 1), (1, 4, 12), (1, 5, 21)], min_user_events=2)
    assert rows_of(parts.train) == [[1, 2], [], [], [], []]
    assert rows_of(parts.refit) == [[1, 2], [3, 4], [], [], []]
    assert (answers(parts.test), known(parts.test)) == ({1: [5]}, {1: [3, 4]})


def test_a_sample_of_cases_is_the_same_for_the_same_seed(tmp_path: Path) -> None:
    rows: list[Row] = [(user, item, time) for user in range(USERS) for item, time in ((1, 1), (2, 30))]
    dataset = dataset_of(tmp_path, rows, users=USERS, items=ITEMS)
    config = SplitConfig(cut_times=(10, 20), max_cases=3)
    first, again = split(dataset, config), split(dataset, config)
    assert len(first.test) == 3
    assert np.array_equal(first.test.user, again.test.user)
    assert np.array_equal(first.train.item, again.train.item)


EVENTS = st.lists(st.tuples(st.integers(0, USERS - 1), st.integers(0, ITEMS - 1), st.integers(0, 29)), max_size=30)
LATER = st.lists(st.tuples(st.integers(0, USERS - 1), st.integers(0, ITEMS - 1), st.integers(20, 29)), min_size=1, max_size=12)
ALWAYS: list[Row] = [(0, 0, 0), (1, 0, 1), (0, 7, 15)]


@settings(max_examples=60, deadline=None)
@given(EVENTS, LATER, LATER, st.integers(1, 2))
def test_nothing_at_or_after_the_cut_changes_what_came_before(
    events: list[Row], test_a: list[Row], test_b: list[Row], core: int
) -> None:
    before = [row for row in [*ALWAYS, *events] if row[2] < 20]
    changes = {"min_item_events": core, "repeats": True}
    with TemporaryDirectory() as folder:
        a, b = (by_time(Path(folder) / name, before + later, **changes) for name, later in (("a", test_a), ("b", test_b)))
    for one, other in ((a.train, b.train), (a.refit, b.refit), (a.validation.known, b.validation.known)):
        assert rows_of(one) == rows_of(other)
        assert np.array_equal(one.time, other.time)
    assert answers(a.validation) == answers(b.validation)
    assert all(time < 20 for time in a.test.known.time)
    for user, items in known(a.test).items():
        assert known(b.test).get(user, items) == items


@settings(max_examples=30, deadline=None)
@given(LATER, LATER)
def test_with_shares_too_only_the_times_of_later_events_matter(test_a: list[Row], test_b: list[Row]) -> None:
    # Shares cut at a quantile of all times, so the times stay and everything else about the later events changes.
    rows: list[Row] = [(user, item, user + 2 * item) for user in range(USERS) for item in range(4)]
    times = [21 + place for place in range(min(len(test_a), len(test_b), 4))]
    later_a, later_b = ([(row[0], row[1], time) for row, time in zip(test, times, strict=False)] for test in (test_a, test_b))
    with TemporaryDirectory() as folder:
        a, b = (
            split(
                dataset_of(Path(folder) / name, [*rows, *later], users=USERS, items=ITEMS),
                SplitConfig(validation_share=0.2, test_share=len(times) / (20 + len(times)), repeats=True),
            )
            for name, later in (("a", later_a), ("b", later_b))
        )
    assert rows_of(a.train) == rows_of(b.train)
    assert rows_of(a.refit) == rows_of(b.refit)


# --- leave one out ---------------------------------------------------------------------------------------------------


def test_leave_one_out_asks_for_the_last_event_and_the_one_before(tmp_path: Path) -> None:
    rows: list[Row] = [(0, 1, 1), (0, 2, 2), (0, 3, 3), (0, 4, 4), (1, 5, 1), (1, 6, 2), (2, 7, 1)]
    dataset = dataset_of(tmp_path, rows, users=USERS, items=ITEMS, time_kind="order")
    parts = split(dataset, SplitConfig(kind="leave-one-out"))
    assert rows_of(parts.train) == [[1, 2], [5, 6], [7], [], []]
    assert rows_of(parts.refit) == [[1, 2, 3], [5, 6], [7], [], []]
    assert (answers(parts.validation), known(parts.validation)) == ({0: [3]}, {0: [1, 2]})
    assert (answers(parts.test), known(parts.test)) == ({0: [4]}, {0: [1, 2, 3]})


def test_leave_one_out_passes_over_items_that_the_shopper_had_met(tmp_path: Path) -> None:
    # New to this shopper are 1, 2, 3 and 4, in this order: 4 is the test, 3 the validation.
    rows: list[Row] = [(0, item, time) for time, item in enumerate([1, 2, 1, 3, 2, 4, 4, 1])]
    dataset = dataset_of(tmp_path, rows, users=1, items=ITEMS, time_kind="order")
    parts = split(dataset, SplitConfig(kind="leave-one-out"))
    assert rows_of(parts.train) == [[1, 2, 1]]
    assert (answers(parts.test), known(parts.test)) == ({0: [4]}, {0: [1, 2, 1, 3, 2]})
    repeats = split(dataset, SplitConfig(kind="leave-one-out", repeats=True))
    assert (answers(repeats.test), answers(repeats.validation)) == ({0: [1]}, {0: [4]})


@settings(max_examples=40, deadline=None)
@given(st.lists(st.permutations(range(ITEMS)), min_size=USERS, max_size=USERS), st.permutations(range(USERS)))
def test_leave_one_out_never_learns_from_an_answer(orders: list[list[int]], lengths: list[int]) -> None:
    rows: list[Row] = [
        (user, item, place) for user in range(USERS) for place, item in enumerate(orders[user][: lengths[user] + 2])
    ]
    with TemporaryDirectory() as folder:
        dataset = dataset_of(Path(folder), rows, users=USERS, items=ITEMS, time_kind="order")
        parts = split(dataset, SplitConfig(kind="leave-one-out"))
    for cases, learned in ((parts.validation, parts.train), (parts.test, parts.refit)):
        for user, items in answers(cases).items():
            assert not set(items) & set(known(cases)[user])
            assert not set(items) & set(learned.row(user).tolist())


# --- the publisher's test --------------------------------------------------------------------------------------------

TEST_FILES: dict[str, NDArray[Any]] = {
    "test.user": np.array([0, 2], np.int32),
    "test.offsets": np.array([0, 2, 3], np.int64),
    "test.item": np.array([6, 7, 0], np.int32),
    "test.negatives": np.array([[0, 1], [5, -1]], np.int32),
}
TEST_ROWS: list[Row] = [(0, 1, 1), (0, 2, 2), (0, 3, 3), (1, 4, 1), (2, 5, 1), (2, 6, 2)]


def test_a_publishers_test_is_asked_as_it_is(tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path, TEST_ROWS, users=USERS, items=ITEMS, time_kind="order", test=TEST_FILES)
    parts = split(dataset, SplitConfig(kind="files"))
    assert answers(parts.test) == {0: [6, 7], 2: [0]}
    assert known(parts.test) == {0: [1, 2, 3], 2: [5, 6]}
    assert parts.test.negatives is not None
    assert parts.test.negatives.tolist() == [[0, 1], [5, -1]]
    assert rows_of(parts.refit) == [[1, 2, 3], [4], [5, 6], [], []]


def test_validation_beside_a_publishers_test_leaves_one_out_with_as_many_negatives(tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path, TEST_ROWS, users=USERS, items=ITEMS, time_kind="order", test=TEST_FILES)
    parts = split(dataset, SplitConfig(kind="files"))
    assert answers(parts.validation) == {0: [3], 2: [6]}
    assert rows_of(parts.train) == [[1, 2], [4], [5], [], []]
    assert parts.validation.negatives is not None
    assert parts.validation.negatives.shape == (2, 2)
    for case, user in enumerate(parts.validation.user):
        assert not set(parts.validation.negatives[case].tolist()) & set(parts.refit.row(user).tolist())


# --- what cannot be split ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "rows", "time_kind", "code"),
    [
        (SplitConfig(), SHOP, "order", "E250"),
        (SplitConfig(cut_times=(0, 20)), SHOP, "timestamp", "E251"),
        (SplitConfig(), [(0, 1, 7), (1, 1, 7)], "timestamp", "E251"),
        (SplitConfig(), [], "timestamp", "E251"),
        (SplitConfig(cut_times=(10, 20), min_user_events=5), SHOP, "timestamp", "E251"),
        (SplitConfig(kind="files"), SHOP, "timestamp", "E252"),
        (SplitConfig(positive_events=("purchse",)), SHOP, "timestamp", "E253"),
        (SplitConfig(validation_share=0.6, test_share=0.4), SHOP, "timestamp", "E254"),
        (SplitConfig(test_share=0.0), SHOP, "timestamp", "E254"),
        (SplitConfig(cut_times=(20, 10)), SHOP, "timestamp", "E254"),
        (SplitConfig(kind="leave-one-out"), [(0, 1, 1), (0, 2, 2)], "timestamp", "E255"),
    ],
)
def test_a_split_that_makes_no_sense_says_so(
    tmp_path: Path, config: SplitConfig, rows: list[Row], time_kind: str, code: str
) -> None:
    dataset = dataset_of(tmp_path, rows, users=USERS, items=ITEMS, time_kind=time_kind)  # type: ignore[arg-type]
    with pytest.raises(AisleError) as caught:
        split(dataset, config)
    assert caught.value.code == code
    if code in ("E250", "E252"):
        assert "--set split.kind=leave-one-out" in caught.value.hint


def test_a_misspelt_event_gets_a_suggestion(tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path, SHOP, users=USERS, items=ITEMS)
    with pytest.raises(AisleError, match="did you mean 'purchase'"):
        split(dataset, SplitConfig(target_events=("purchse",)))
