"""What is asked, event by event or all at once, and what each question knows and holds for seen."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from aisle.dataset.asking import ask_events
from aisle.dataset.cases import Cases, Split
from aisle.dataset.cut import SplitLog
from aisle.dataset.split import SplitConfig, split
from aisle.errors import AisleError
from aisle.features.histories import Histories, last_events
from aisle.schema.events import Event
from tests.dataset.small import Row, dataset_of
from tests.models.communities import histories

USERS, ITEMS = 5, 8
VIEW, CART, BUY = Event.view, Event.cart, Event.purchase
Question = tuple[int, list[int], list[int]]


def parts_of(folder: Path, rows: list[Row], **changes: object) -> Split:
    config = SplitConfig(**{"kind": "time", "cut_times": (10, 20), **changes})  # type: ignore[arg-type]
    return split(dataset_of(folder, rows, users=USERS, items=ITEMS), config)


def questions(cases: Cases) -> list[Question]:
    """(user, known items, right answers) of each case."""
    ends = cases.target_offsets
    return [
        (int(user), cases.known.row(c).tolist(), cases.target_item[ends[c] : ends[c + 1]].tolist())
        for c, user in enumerate(cases.user)
    ]


def seen_of(cases: Cases) -> list[list[int]]:
    return [cases.no_news.row(c).tolist() for c in range(len(cases))]


# --- event by event --------------------------------------------------------------------------------------------------

WALK: list[Row] = [(0, 1, 1), (0, 2, 12), (0, 3, 21), (0, 4, 22), (0, 1, 23), (1, 5, 25), (1, 6, 26), (2, 7, 2)]


def test_every_event_after_the_cut_knows_everything_of_its_user_before_it(tmp_path: Path) -> None:
    parts = parts_of(tmp_path, WALK, ask="next", repeats=True)
    assert questions(parts.test) == [
        (0, [1, 2], [3]), (0, [1, 2, 3], [4]), (0, [1, 2, 3, 4], [1]),
        (1, [], [5]), (1, [5], [6]),  # new in the test: asked, first with nothing known
    ]  # fmt: skip
    assert questions(parts.validation) == [(0, [1], [2])]


def test_event_by_event_too_only_new_items_are_asked_unless_repeats_are_wanted(tmp_path: Path) -> None:
    parts = parts_of(tmp_path, WALK, ask="next")
    assert [(user, right) for user, _, right in questions(parts.test)] == [(0, [3]), (0, [4]), (1, [5]), (1, [6])]


def test_what_is_learned_from_does_not_depend_on_how_is_asked(tmp_path: Path) -> None:
    rest, following = (parts_of(tmp_path / ask, WALK, ask=ask) for ask in ("rest", "next"))
    assert np.array_equal(rest.train.item, following.train.item)
    assert np.array_equal(rest.refit.item, following.refit.item)
    assert following.train.time.max() < 10
    assert following.refit.time.max() < 20


def test_of_two_events_of_one_moment_the_later_row_knows_the_earlier(tmp_path: Path) -> None:
    parts = parts_of(tmp_path, [(0, 1, 1), (0, 2, 20), (0, 3, 20)], ask="next")
    assert questions(parts.test) == [(0, [1], [2]), (0, [1, 2], [3])]


def test_only_target_events_are_asked_and_only_positive_ones_known(tmp_path: Path) -> None:
    rows: list[Row] = [(0, 1, 1, VIEW), (0, 2, 20, VIEW), (0, 3, 21, Event.dislike), (0, 4, 22, BUY), (0, 5, 23, VIEW)]
    parts = parts_of(tmp_path, rows, ask="next", target_events=("purchase",))
    assert questions(parts.test) == [(0, [1, 2], [4])]


def test_a_sample_of_questions_is_a_part_of_all_of_them(tmp_path: Path) -> None:
    rows: list[Row] = [(user, item, 20 + item) for user in range(USERS) for item in range(ITEMS)]
    everything = questions(parts_of(tmp_path / "all", [*WALK, *rows], ask="next", repeats=True).test)
    some = questions(parts_of(tmp_path / "some", [*WALK, *rows], ask="next", repeats=True, max_cases=7).test)
    assert len(some) == 7
    assert all(question in everything for question in some)


def test_a_question_may_know_only_the_last_events_and_still_sees_all_that_was_seen(tmp_path: Path) -> None:
    parts = parts_of(tmp_path, WALK, ask="next", known_events=2)
    assert questions(parts.test)[1] == (0, [2, 3], [4])
    assert seen_of(parts.test)[1] == [1, 2, 3]
    rest = parts_of(tmp_path / "rest", WALK, known_events=1)
    assert (questions(rest.test)[0], seen_of(rest.test)[0]) == ((0, [2], [3, 4]), [1, 2])


def test_the_last_events_are_the_last_of_each_history() -> None:
    kept = last_events(histories([[1, 2, 3], [], [4], [5, 6]]), 2)
    assert [kept.row(row).tolist() for row in range(4)] == [[2, 3], [], [4], [5, 6]]
    everything = histories([[1, 2, 3]])
    assert last_events(everything, None) is everything


EVENTS = st.lists(
    st.tuples(st.integers(0, USERS - 1), st.integers(0, ITEMS - 1), st.integers(0, 29), st.sampled_from([VIEW, CART, BUY])),
    max_size=30,
)
ALWAYS: list[Row] = [(0, 0, 0, BUY), (0, ITEMS, 25, BUY)]


@settings(max_examples=60, deadline=None)
@given(EVENTS, st.booleans())
def test_event_by_event_is_what_a_loop_over_the_log_would_ask(events: list[Row], repeats: bool) -> None:
    with TemporaryDirectory() as folder:
        dataset = dataset_of(Path(folder), [*ALWAYS, *events], users=USERS, items=ITEMS + 1)
        config = SplitConfig(
            cut_times=(10, 20),
            ask="next",
            repeats=repeats,
            target_events=("cart", "purchase"),
            seen_events=("cart", "purchase"),
        )
        log = dataset.histories
        parts = split(dataset, config)
        expected: list[Question] = []
        for user in range(USERS):
            rows = range(log.offsets[user], log.offsets[user + 1])
            for row in rows:
                bought = {int(log.item[before]) for before in range(rows.start, row) if log.event[before] != VIEW}
                if log.time[row] >= 20 and log.event[row] != VIEW and (repeats or int(log.item[row]) not in bought):
                    expected.append((user, log.item[rows.start : row].tolist(), [int(log.item[row])]))
        assert questions(parts.test) == expected


# --- in the session --------------------------------------------------------------------------------------------------


def log_of(rows: list[list[int]], sessions: list[int], positive: list[bool] | None = None) -> SplitLog:
    events = histories(rows)
    everything = np.ones(len(events.item), np.bool_)
    is_positive = everything if positive is None else np.array(positive)
    return SplitLog(events, np.arange(len(events.item)), is_positive, everything, is_positive, ITEMS, np.array(sessions))


def test_in_the_session_the_first_event_of_a_session_is_not_asked() -> None:
    # User 0: session 0 is items 1, 2; session 1 is items 3, 4. User 1 begins with session 1 too, which is another one.
    log = log_of([[1, 2, 3, 4], [5, 6]], [0, 0, 1, 1, 1, 1])
    cases = ask_events(log, np.ones(6, np.bool_), SplitConfig(ask="next-in-session"))
    assert questions(cases) == [(0, [1], [2]), (0, [1, 2, 3], [4]), (1, [5], [6])]


def test_a_session_goes_on_from_the_last_event_that_is_known() -> None:
    # Item 2 is no positive event: what the shopper is known to have done last is item 1, in another session than 3.
    log = log_of([[1, 2, 3, 4]], [0, 1, 1, 1], [True, False, True, True])
    cases = ask_events(log, np.array([False, False, True, True]), SplitConfig(ask="next-in-session"))
    assert questions(cases) == [(0, [1, 3], [4])]


# --- what is seen ----------------------------------------------------------------------------------------------------

FUNNEL: list[Row] = [(0, 1, 1, VIEW), (0, 2, 2, VIEW), (0, 2, 3, BUY), (0, 1, 21, BUY), (0, 2, 22, BUY), (0, 3, 23, BUY)]
BUYING = {"target_events": ("purchase",), "seen_events": ("purchase",)}


@pytest.mark.parametrize("ask", ["rest", "next"])
def test_an_item_that_was_only_viewed_may_be_asked_when_only_purchases_count_as_seen(tmp_path: Path, ask: str) -> None:
    by_purchase = parts_of(tmp_path / "a", FUNNEL, ask=ask, **BUYING).test
    assert by_purchase.target_item.tolist() == [1, 3]
    assert by_purchase.known.row(0).tolist() == [1, 2, 2], "models may look at the views all the same"
    assert by_purchase.no_news.row(0).tolist() == [2]
    by_any = parts_of(tmp_path / "b", FUNNEL, ask=ask, target_events=("purchase",)).test
    assert by_any.target_item.tolist() == [3]
    assert by_any.seen is None


def test_what_is_seen_need_not_be_known(tmp_path: Path) -> None:
    parts = parts_of(tmp_path, FUNNEL, positive_events=("purchase",), seen_events=("view", "purchase"))
    assert questions(parts.test) == [(0, [2], [3])]
    assert seen_of(parts.test) == [[1, 2, 2]]
    assert parts.train.item.tolist() == [2]


def test_leave_one_out_asks_for_the_first_purchase_of_a_viewed_item(tmp_path: Path) -> None:
    rows: list[Row] = [(0, 1, 1, BUY), (0, 2, 2, BUY), (0, 3, 3, VIEW), (0, 3, 4, BUY), (0, 1, 5, BUY)]
    parts = parts_of(tmp_path, rows, kind="leave-one-out", **BUYING)
    assert questions(parts.test) == [(0, [1, 2, 3], [3])]
    assert questions(parts.validation) == [(0, [1], [2])]


def test_taking_cases_takes_what_was_seen(tmp_path: Path) -> None:
    cases = parts_of(tmp_path, FUNNEL, ask="next", repeats=True, **BUYING).test
    assert seen_of(cases) == [[2], [2, 1], [2, 1, 2]]
    assert seen_of(cases.take(np.array([2, 0]))) == [[2, 1, 2], [2]]


# --- validation like a publisher's test ------------------------------------------------------------------------------

TEST: dict[str, NDArray[Any]] = {
    "test.user": np.array([0], np.int32),
    "test.offsets": np.array([0, 1], np.int64),
    "test.item": np.array([7], np.int32),
}


def test_answers_are_hidden_from_every_behaviour(tmp_path: Path) -> None:
    rows: list[Row] = [
        (0, 1, 1, VIEW), (0, 2, 2, VIEW), (0, 2, 3, CART), (0, 2, 4, BUY), (0, 3, 5, VIEW),
        (1, 4, 1, VIEW), (1, 4, 2, BUY),  # nothing is left of this shopper without item 4: learned from, not asked
    ]  # fmt: skip
    dataset = dataset_of(tmp_path, rows, users=USERS, items=ITEMS, test=TEST)
    parts = split(dataset, SplitConfig(kind="files", target_events=("purchase",), hide_answers=True))
    assert questions(parts.validation) == [(0, [1], [2])]
    assert [parts.train.row(user).tolist() for user in (0, 1)] == [[1], [4, 4]]
    assert questions(parts.test) == [(0, [1, 2, 2, 2, 3], [7])]


# --- what makes no sense ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"ask": "next", "kind": "leave-one-out"}, "E256"),
        ({"ask": "next-in-session", "kind": "files"}, "E256"),
        ({"hide_answers": True}, "E256"),
        ({"known_events": 0}, "E256"),
        ({"ask": "next-in-session"}, "E257"),
        ({"seen_events": ("purchse",)}, "E253"),
    ],
)
def test_a_way_of_asking_that_does_not_fit_says_so(tmp_path: Path, changes: dict[str, object], code: str) -> None:
    with pytest.raises(AisleError) as caught:
        parts_of(tmp_path, WALK, **changes)
    assert caught.value.code == code


def test_nobody_asked_is_no_case() -> None:
    log = log_of([[1]], [0])
    cases = ask_events(log, np.zeros(1, np.bool_), SplitConfig(ask="next"))
    assert (len(cases), len(cases.known), isinstance(cases.known, Histories)) == (0, 0, True)
