from dataclasses import replace

import numpy as np

from aisle.evaluate.facts import DAY_US, Facts, recent_popularity
from tests.recommend.scorers import histories


def test_facts_count_training_events() -> None:
    facts = Facts.of(histories([1, 1, 3], [], [1]), 5)
    assert facts.item_events.tolist() == [0, 3, 0, 1, 0]
    assert facts.user_events.tolist() == [3, 0, 1]
    assert np.array_equal(facts.fallback, facts.item_events.astype(np.float32))
    assert facts.n_items == 5


def test_what_sold_lately_answers_new_shoppers_when_asked_to() -> None:
    # Item 1 sold three times long ago, item 3 twice and item 2 once in the last day; item 4 once, long ago.
    history = histories([1, 1, 1, 4], [2, 3, 3])
    train = replace(history, time=np.array([0, 0, 0, 0, 5, 5, 5]) * DAY_US)
    all_events = np.array([0, 3, 1, 2, 1, 0])
    lately = recent_popularity(train, all_events, 1.0)
    assert np.argsort(-lately).tolist()[:4] == [3, 2, 1, 4]
    assert lately.astype(int).tolist() == [0, 0, 1, 2, 0, 0]
    assert recent_popularity(train, all_events, 100.0).astype(int).tolist() == all_events.tolist()
