"""The context of events and of questions; codes are places in the sorted words: evening 0, morning 1, night 2."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from aisle.dataset.context import context_columns, event_context, test_context
from aisle.dataset.reader import Dataset
from aisle.dataset.split import SplitConfig, split
from aisle.errors import AisleError
from tests.dataset.logs import LOG, dataset_of

NIGHT, EVENING, MORNING = 2, 0, 1
RECIPE = {"context": ["daytime", "place"]}
EVENTS = LOG.with_columns(
    daytime=pl.Series(["evening", "morning", None, "evening", "morning"]),
    place=pl.Series(["bus"] * 5),
    price=pl.Series([1.5] * 5),
)
TEST = pl.DataFrame(
    {
        "user_id": ["bob", "ann", "bob"],
        "item_id": ["cup", "tea", "tea"],
        "daytime": ["night", "evening", "morning"],  # no event happened at night
    }
)


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return dataset_of(EVENTS, tmp_path, RECIPE, test=TEST)


def test_events_have_one_row_of_codes_each_and_a_missing_value_is_minus_one(dataset: Dataset) -> None:
    assert context_columns(dataset.manifest) == ["daytime", "place"]
    # ann: tea in the morning, then cup (unknown) and mug (evening) in one second; bob: mug in the morning, tea in the evening
    context = event_context(dataset)
    assert context is not None
    assert context.tolist() == [[MORNING, 0], [-1, 0], [EVENING, 0], [MORNING, 0], [EVENING, 0]]


def test_a_log_without_context_has_none(tmp_path: Path) -> None:
    plain = dataset_of(LOG, tmp_path, test=TEST)
    assert event_context(plain) is None
    assert test_context(plain) is None
    assert plain.array("test.user").tolist() == [0, 1]  # one case a user


def test_each_line_of_a_test_with_context_is_a_case_of_its_own(dataset: Dataset) -> None:
    assert dataset.users.decode(dataset.array("test.user")) == ["ann", "bob", "bob"]
    assert dataset.items.decode(dataset.array("test.item")) == ["tea", "tea", "cup"]
    context = test_context(dataset)
    assert context is not None
    assert context.tolist() == [[EVENING, -1], [MORNING, -1], [NIGHT, -1]]  # the test says nothing about the place


def test_the_order_of_the_lines_does_not_matter(dataset: Dataset, tmp_path: Path) -> None:
    other = dataset_of(EVENTS, tmp_path / "other", RECIPE, test=TEST.reverse())
    assert other.manifest.content_hash == dataset.manifest.content_hash


def test_questions_carry_the_context_that_they_are_asked_in(dataset: Dataset) -> None:
    parts = split(dataset, SplitConfig(kind="files", repeats=True))
    assert parts.test.known.context is not None
    assert parts.test.known.context.tolist() == [[EVENING, -1], [MORNING, -1], [NIGHT, -1]]
    one = parts.test.take(np.array([2]))
    assert one.known.context is not None
    assert one.known.context.tolist() == [[NIGHT, -1]]


def test_validation_asks_in_contexts_in_which_something_else_happened_as_the_test_does(tmp_path: Path) -> None:
    # Each of 20 users: two events in the morning, two in the evening, one at night; the test has 30 lines.
    daytime = ["morning", "morning", "evening", "evening", "night"]
    users, items = np.repeat(np.arange(20), 5), np.tile(np.arange(5), 20)
    events = pl.DataFrame({"user_id": users, "item_id": items, "daytime": daytime * 20}).with_columns(event=pl.lit("click"))
    test = pl.DataFrame({"user_id": np.arange(30) % 20, "item_id": np.full(30, 7), "daytime": ["morning"] * 30})
    dataset = dataset_of(events, tmp_path, {"context": ["daytime"], "order": "rows"}, test=test)
    parts = split(dataset, SplitConfig(kind="files", repeats=True))
    asked = parts.validation
    assert asked.known.context is not None
    assert len(asked) == 30
    assert len({(user, code) for user, (code,) in zip(asked.user.tolist(), asked.known.context.tolist(), strict=True)}) == 30
    # Item 4 was alone at night; the others are asked in their own part of the day.
    assert {
        (item // 2, code) for item, (code,) in zip(asked.target_item.tolist(), asked.known.context.tolist(), strict=True)
    } == {
        (0, MORNING),
        (1, EVENING),
    }
    assert len(parts.train.item) == 100 - 30
    assert len(parts.refit.item) == 100
    left = set(zip(parts.train.rows.tolist(), parts.train.item.tolist(), strict=True))
    assert not left & set(zip(asked.user.tolist(), asked.target_item.tolist(), strict=True))


def test_a_user_asked_for_several_events_at_once_is_asked_in_the_context_of_the_first(dataset: Dataset) -> None:
    times = np.sort(dataset.histories.time)
    parts = split(dataset, SplitConfig(cut_times=(int(times[1]), int(times[1])), repeats=True))
    assert parts.test.known.context is not None
    # After the first event ann had a cup (unknown) and a mug (evening), bob a mug (morning) and tea.
    assert parts.test.known.context.tolist() == [[-1, 0], [MORNING, 0]]


def test_event_by_event_each_question_has_its_own_context(dataset: Dataset) -> None:
    times = np.sort(dataset.histories.time)
    parts = split(dataset, SplitConfig(cut_times=(int(times[1]), int(times[1])), repeats=True, ask="next"))
    assert parts.test.known.context is not None
    assert parts.test.known.context.tolist() == [[-1, 0], [EVENING, 0], [MORNING, 0], [EVENING, 0]]


def test_negatives_a_user_do_not_fit_a_test_that_asks_a_user_several_times(tmp_path: Path) -> None:
    (tmp_path / "test.negative").write_text("(bob,tea)\tcup\n")
    with pytest.raises(AisleError, match="E205"):
        dataset_of(EVENTS, tmp_path, RECIPE, test=TEST, negatives=tmp_path / "test.negative")
