"""What the ranker sees, against a history small enough to count by hand."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from aisle.features.candidate_features import LATEST, SHORT_MOMENTS, candidate_features, feature_names
from aisle.features.histories import Histories
from aisle.features.item_facts import DAY_US, ItemFacts
from aisle.schema.events import Event

NAN = np.nan
# Items 0 and 1 are of category 0, item 2 of category 1, item 3 of none. Item 3 has no events.
PRICE = np.array([10, 20, 40, NAN])
CATEGORY = np.array([0, 0, 1, -1])


def events(*rows: tuple[int, Event, float]) -> Histories:
    """One history of (item, event, day)."""
    item, event, day = zip(*rows, strict=True)
    time = (np.array(day) * DAY_US).astype(np.int64)
    return Histories(np.array([0, len(rows)]), np.array(item, np.int32), np.array(event, np.uint8), time)


# One shopper's training events; the log ends on day 20, so the last week begins after day 13.
TRAIN = events((0, Event.view, 1), (1, Event.view, 2), (0, Event.cart, 14), (2, Event.purchase, 20))
FACTS = ItemFacts.of(TRAIN, 4, time_kind="timestamp", price=PRICE, category=CATEGORY)
KNOWN = events((0, Event.view, 20), (1, Event.view, 20.5), (1, Event.purchase, 21), (2, Event.view, 22))
SCORE = np.array([[[3, 0.5], [1, 0.5], [2, -np.inf]]], np.float32)


def seen(item: list[int], known: Histories = KNOWN) -> dict[str, NDArray[np.float32]]:
    """Feature name -> values of the one shopper's candidates."""
    score = np.zeros((1, len(item), 2), np.float32)
    score[:, : SCORE.shape[1]] = SCORE[:, : len(item)]
    value = candidate_features(FACTS, known, np.array([item]), score)
    return dict(zip(feature_names(("a", "b")), value[0].T, strict=True))


def test_facts_count_events_recent_ones_and_strong_ones() -> None:
    assert FACTS.events.tolist() == [2, 1, 1, 0]
    assert FACTS.recent.tolist() == [1, 0, 1, 0]
    assert FACTS.strong.tolist() == [1, 0, 1, 0]
    assert FACTS.again.tolist() == [1, 0, 0, 0]
    assert FACTS.age_days[:3].tolist() == [19, 18, 0]
    assert np.isnan(FACTS.age_days[3])
    again = ItemFacts.from_state(FACTS.state())
    assert all(np.array_equal(getattr(again, name), array, equal_nan=True) for name, array in FACTS.state().items())


def test_an_order_without_times_counts_the_latest_tenth_of_each_shopper() -> None:
    facts = ItemFacts.of(TRAIN, 4, time_kind="order")
    assert facts.recent.tolist() == [0, 0, 1, 0]  # one of four events is the latest tenth
    assert not facts.has_times
    assert np.isnan(facts.age_days).all()


def test_recallers_give_place_and_score_among_the_shoppers_candidates() -> None:
    got = seen([0, 1, 2])
    assert got["a.rank"].tolist() == [0, 2, 1]
    # mean 2, standard deviation sqrt(2/3)
    assert got["a.score"] == pytest.approx([1.5**0.5, -(1.5**0.5), 0], abs=1e-6)
    assert got["b.rank"][:2].tolist() == [0, 1]
    assert np.isnan([got["b.rank"][2], got["b.score"][2]]).all()


def test_places_and_scores_do_not_change_when_a_recaller_scales_its_scores() -> None:
    item = np.array([[0, 1, 2]])
    scaled = candidate_features(FACTS, KNOWN, item, SCORE * 7 + 1)
    assert np.allclose(scaled, candidate_features(FACTS, KNOWN, item, SCORE), equal_nan=True, atol=1e-5)


def test_what_the_shopper_did_with_the_candidate_itself() -> None:
    got = seen([0, 1, 2, 3])
    assert got["own"].tolist() == [1, 2, 1, 0]
    assert got["own_places"][:3].tolist() == [3, 1, 0]  # places ago, the last event 0
    assert got["own_days"][:3].tolist() == [2, 1, 0]  # now is the shopper's last event, on day 22
    assert got["own_strongest"][:3].tolist() == [1, 4, 1]
    assert np.isnan(got["own_places"][3])


def test_lines_of_one_order_are_one_meeting_and_pace_says_when_the_next_is_due() -> None:
    bought = Event.purchase
    orders = events((0, bought, 10), (0, bought, 10), (1, bought, 10), (0, bought, 14), (2, bought, 14), (1, bought, 20))
    got = seen([0, 1, 2, 3], orders)
    assert got["moments"].tolist() == [3, 3, 3, 3]
    assert got["own"].tolist() == [3, 2, 1, 0]
    assert got["own_share"] == pytest.approx([2 / 3, 2 / 3, 1 / 3, 0])
    assert got["own_ago"][:3].tolist() == [1, 0, 1]  # orders since the last one with the item
    assert got["own_recent"][1] == pytest.approx(1 + 0.5 ** (2 / SHORT_MOMENTS))
    assert got["own_due"][:2] == pytest.approx([6 / 4, 0 / 10])  # days since the last order with it, over days between them
    assert np.isnan(got["own_due"][2:]).all()  # one order has no pace


def test_what_the_shopper_did_with_the_candidates_category() -> None:
    got = seen([0, 1, 2, 3])
    assert got["category.share"][:3].tolist() == [0.75, 0.75, 0.25]
    assert got["category.places"][:3].tolist() == [1, 1, 0]
    assert got["category.strongest"][:3].tolist() == [4, 4, 1]
    assert np.isnan(got["category.share"][3])
    assert np.isnan(got["brand.share"]).all()


def test_prices_are_held_against_the_shoppers_usual_ones() -> None:
    usual = np.log([10, 20, 20, 40]).mean()
    assert seen([0, 1, 2])["price_gap"] == pytest.approx(np.log([10, 20, 40]) - usual, abs=1e-6)


def test_a_shopper_without_a_history_has_missing_values_not_errors() -> None:
    got = seen([0, 3], Histories.empty(1))
    assert got["own"].tolist() == [0, 0]
    assert got["history"].tolist() == [0, 0]
    assert np.isnan([*got["idle_days"], *got["price_gap"], *got["category.places"]]).all()


def test_kinds_look_at_the_latest_events_and_ones_own_items_at_all_and_padding_changes_nothing() -> None:
    long = events(*[(2, Event.view, 1.0)] * 30, *[(0, Event.view, 2.0)] * LATEST)
    assert seen([0, 2], long)["category.share"].tolist() == [1, 0]
    assert seen([0, 2], long)["own"].tolist() == [LATEST, 30]
    both = Histories(
        np.array([0, 4, 4 + len(long.item)]),
        np.concatenate([KNOWN.item, long.item]),
        np.concatenate([KNOWN.event, long.event]),
        np.concatenate([KNOWN.time, long.time]),
    )
    item = np.array([[0, 1, 2], [0, 3, -1]])
    together = candidate_features(FACTS, both, item, np.tile(SCORE, (2, 1, 1)))
    assert np.array_equal(together[0], candidate_features(FACTS, KNOWN, item[:1], SCORE)[0], equal_nan=True)
    assert np.isnan(together[1, 2]).all()


@pytest.mark.parametrize("seed", range(5))
def test_a_shopper_s_features_do_not_depend_on_who_else_asks(seed: int) -> None:
    """Ages of all sizes make weights whose sums round differently when a longer history pads them."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, 80, 40)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    time = np.concatenate([np.sort(rng.integers(0, 400 * 86_400_000_000, length)) for length in lengths])
    kinds = rng.choice([int(Event.view), int(Event.cart), int(Event.purchase)], offsets[-1]).astype(np.uint8)
    known = Histories(offsets, rng.integers(0, 4, offsets[-1]).astype(np.int32), kinds, time)
    item, score = np.tile(np.arange(4), (40, 1)), np.tile(SCORE[:, :1].repeat(4, axis=1), (40, 1, 1))
    together = candidate_features(FACTS, known, item, score)
    for row in range(40):
        alone = candidate_features(FACTS, known.take(np.array([row])), item[row : row + 1], score[row : row + 1])
        assert np.array_equal(alone[0], together[row], equal_nan=True)
