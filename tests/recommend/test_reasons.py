from __future__ import annotations

import numpy as np
import pytest

from aisle.features.histories import Histories
from aisle.recommend.reasons import LATEST, Reasons, _latest, in_words
from aisle.recommend.recommender import Recommendations


def histories(*rows: list[tuple[int, int]]) -> Histories:
    """Return histories of (item, kind of event)."""
    events = np.array([event for row in rows for event in row], np.int64).reshape(-1, 2)
    offsets = np.cumsum([0, *map(len, rows)]).astype(np.int64)
    return Histories(offsets, events[:, 0].astype(np.int32), events[:, 1].astype(np.uint8), np.arange(len(events)))


def test_the_latest_items_are_distinct_and_have_their_last_event() -> None:
    twice = [(5, 1), (7, 2), (5, 3)]
    item_BH, event_BH = _latest(histories([], twice, [(9, 4)]))
    assert item_BH[:, :3].tolist() == [[-1, -1, -1], [5, 7, -1], [9, -1, -1]]
    assert event_BH[:, :3].tolist() == [[0, 0, 0], [3, 2, 0], [4, 0, 0]]
    assert (item_BH[:, 3:] == -1).all()


@pytest.mark.parametrize("n_items", [3, 12, 1000])  # few items: the last events are of the same ones over and over
def test_as_many_events_are_looked_at_as_it_takes(n_items: int) -> None:
    rng = np.random.default_rng(n_items)
    rows = [[(int(item), int(rng.integers(1, 8))) for item in rng.integers(n_items, size=rng.integers(40))] for _ in range(50)]
    item_BH, event_BH = _latest(histories(*rows))
    for row, items, events in zip(rows, item_BH.tolist(), event_BH.tolist(), strict=True):
        kind_of = dict(row)  # of each item the last
        order = list(dict.fromkeys(item for item, _ in reversed(row)))[:LATEST]
        assert items == [*order, *[-1] * (LATEST - len(order))]
        assert events == [*(kind_of[item] for item in order), *[0] * (LATEST - len(order))]


def test_nobody_did_anything() -> None:
    assert (_latest(histories([], []))[0] == -1).all()


def test_what_is_popular_has_no_other_reason() -> None:
    reasons = Reasons(
        ("knn", "als"), np.array([[1, 0, -1, 0]]), np.array([[3, 4, -1, 3]], np.int32), np.array([[1, 6, 0, 1]], np.uint8)
    )
    lists = Recommendations(
        np.zeros(4, np.int64),
        np.array([2, 4, 5, 6], np.int32),
        np.ones(4, np.float32),
        np.arange(1, 5, dtype=np.int32),
        np.array([True, True, True, False]),
    )
    texts, named = in_words(reasons, lists, lambda codes: [f"i{code}" for code in codes])
    assert texts == ["similar to i3 you viewed", "you bought it", "popular", "popular"]
    assert named == ["i3", "i4", None, None]
