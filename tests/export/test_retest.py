"""A bundle asked the questions of a newer run: the same model, other codes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from aisle.bundle.bundle import Bundle
from aisle.bundle.question import Question, RawEvent
from aisle.dataset.prepare import prepare
from aisle.dataset.reader import Dataset
from aisle.dataset.split import split
from aisle.errors import AisleError
from aisle.experiment.recipe import load_recipe
from aisle.experiment.run import Run, train_run
from aisle.export.bundle import export_run
from aisle.export.retest import Translated, retest
from aisle.features.histories import Histories
from aisle.schema.events import Event


@dataclass(frozen=True)
class Nights:
    """A model of some days ago as a bundle, the run it came from, and a run on newer data."""

    old: Bundle
    old_run: Run
    new_run: Run


@pytest.fixture(scope="module")
def nights(shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Nights:
    folder = tmp_path_factory.mktemp("nights")
    events = pl.read_parquet(shop / "events.parquet").sort("timestamp")
    items = pl.read_parquet(shop / "items.parquet")
    runs = []
    for name, count in (("old", len(events) * 4 // 5), ("new", len(events))):
        some = events.head(count)
        some.write_parquet(folder / f"{name}.parquet")
        items.filter(pl.col("item_id").is_in(some["item_id"].to_list())).write_parquet(folder / f"{name}-items.parquet")
        prepare([folder / f"{name}.parquet"], folder / f"{name}-data", items=folder / f"{name}-items.parquet")
        recipe = load_recipe("item-knn", ["baselines=[]", "evaluate.resamples=20"])
        runs.append(train_run(Dataset(folder / f"{name}-data"), recipe, folder / name))
    export_run(runs[0], folder / "bundle")
    return Nights(Bundle.open(folder / "bundle"), *runs)


def test_on_its_own_questions_a_bundle_reaches_what_its_run_reached(nights: Nights) -> None:
    again, before = retest(nights.old, nights.old_run).evaluation, nights.old_run.evaluation()
    assert again.protocol == before.protocol
    for name, value_C in before.metrics.items():
        np.testing.assert_array_equal(again.metrics[name], value_C)


def test_on_newer_questions_it_reaches_what_it_would_have_shown(nights: Nights) -> None:
    again = retest(nights.old, nights.new_run).evaluation
    assert again.protocol == nights.new_run.evaluation().protocol
    dataset = nights.new_run.dataset()
    cases = split(dataset, nights.new_run.recipe.split).test
    known = cases.known
    hits = []
    for case, user in enumerate(cases.user):
        events = tuple(
            RawEvent(dataset.items[int(known.item[place])], Event(known.event[place]).name, int(known.time[place]))
            for place in range(known.offsets[case], known.offsets[case + 1])
        )
        question = Question(user_id=dataset.users[int(user)], events=events, whole=True, k=10)
        shown = {item.item_id for item in nights.old.recommend([question])[0].items}
        start, stop = cases.target_offsets[case : case + 2]
        hits.append(any(dataset.items[int(item)] in shown for item in cases.target_item[start:stop]))
    # Equal scores count against a model where it is measured; where it is asked one of them has to come first.
    measured = again.metrics["HR@10"] > 0
    assert not np.any(measured & ~np.array(hits))
    assert np.mean(measured == np.array(hits)) > 0.97
    assert measured.mean() > 0.1


def test_what_came_after_the_bundle_it_can_never_recommend(nights: Nights) -> None:
    dataset = nights.new_run.dataset()
    cases = split(dataset, nights.new_run.recipe.split).test
    target_T = nights.old.items.encode(dataset.items.decode(cases.target_item))
    assert np.count_nonzero(target_T < 0) > 0
    counts = retest(nights.old, nights.new_run).evaluation.counts
    assert counts["unreachable_targets"] == np.count_nonzero(target_T < 0)


def test_a_bundle_that_learned_the_answers_is_refused(nights: Nights, tmp_path: Path) -> None:
    export_run(nights.new_run, tmp_path / "bundle")
    with pytest.raises(AisleError, match="it would know answers") as caught:
        retest(Bundle.open(tmp_path / "bundle"), nights.old_run)
    assert caught.value.code == "E049"


def test_a_bundle_of_left_out_events_is_asked_by_a_later_log_and_not_by_an_earlier_one(nights: Nights, tmp_path: Path) -> None:
    recipe = load_recipe("popularity", ["baselines=[]", "evaluate.resamples=20", "split.kind=leave-one-out"])
    old = train_run(nights.old_run.dataset(), recipe, tmp_path / "old")
    new = train_run(nights.new_run.dataset(), recipe, tmp_path / "new")
    for run in (old, new):
        export_run(run, tmp_path / f"{run.folder.name}-bundle")
    again = retest(Bundle.open(tmp_path / "old-bundle"), new)
    assert (again.unchecked, again.evaluation.protocol) == ("", new.evaluation().protocol)
    assert retest(Bundle.open(tmp_path / "new-bundle"), new).unchecked == "", "its own questions"
    with pytest.raises(AisleError, match="learned answers to") as caught:
        retest(Bundle.open(tmp_path / "new-bundle"), old)
    assert caught.value.code == "E049"


class Echo:
    """Scores item w for user u, who knows n events, u * 100 + n * 10 + w; keeps what it was asked."""

    def knows(self, user_B: NDArray[np.int64], known: Histories) -> NDArray[np.bool_]:
        return user_B >= 0

    def score(self, user_B: NDArray[np.int64], known: Histories) -> NDArray[np.float32]:
        self.known = known
        return (user_B[:, None] * 100 + known.lengths[:, None] * 10 + np.arange(3)).astype(np.float32)

    def score_items(self, user_B: NDArray[np.int64], known: Histories, item_BN: NDArray[np.int64]) -> NDArray[np.float32]:
        return np.take_along_axis(self.score(user_B, known), item_BN, axis=1)

    def similar(self, item_B: NDArray[np.int64]) -> NDArray[np.float32]:
        return (item_B[:, None] * 10 + np.arange(3)).astype(np.float32)


@pytest.fixture
def translated() -> Translated:
    """Theirs a, b, c, d are ours 2, unknown, 0, 1; their users are ours 1, unknown, 0; one of two context columns is ours."""
    return Translated(Echo(), np.array([1, -1, 0]), np.array([2, -1, 0, 1]), (np.array([5, 6, -1]), np.array([-1])), (1, -1))


@pytest.fixture
def known() -> Histories:
    """Their users 0 and 1: a then b, and d."""
    context = np.array([[9, 1], [9, -1]], np.int32)
    return Histories(np.array([0, 2, 3]), np.array([0, 1, 3], np.int32), np.ones(3, np.uint8), np.arange(3), context)


def test_codes_of_users_items_and_context_are_translated(translated: Translated, known: Histories) -> None:
    user_B = np.array([0, 1])
    # User 0 is our 1 and knows one event that is ours (b says nothing): 110 + w. User 1 is nobody: -100 + 10 + w.
    expected = np.array([[112, -np.inf, 110, 111], [-88, -np.inf, -90, -89]], np.float32)
    np.testing.assert_array_equal(translated.score(user_B, known), expected)
    item_BN = np.array([[3, 1], [2, 0]])
    np.testing.assert_array_equal(translated.score_items(user_B, known, item_BN), np.take_along_axis(expected, item_BN, axis=1))
    assert translated.knows(user_B, known).tolist() == [True, False]
    asked = translated.scorer.known  # type: ignore[attr-defined]
    assert asked.item.tolist() == [2, 1]
    assert asked.context.tolist() == [[6, -1], [-1, -1]]


def test_an_item_that_is_new_to_the_bundle_is_like_nothing(translated: Translated) -> None:
    nothing = [-np.inf] * 4
    np.testing.assert_array_equal(translated.similar(np.array([1, 2])), np.array([nothing, [2, -np.inf, 0, 1]], np.float32))
