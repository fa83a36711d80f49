import numpy as np

from aisle.evaluate.facts import Facts
from tests.recommend.scorers import histories


def test_facts_count_training_events() -> None:
    facts = Facts.of(histories([1, 1, 3], [], [1]), 5)
    assert facts.item_events.tolist() == [0, 3, 0, 1, 0]
    assert facts.user_events.tolist() == [3, 0, 1]
    assert np.array_equal(facts.fallback, facts.item_events.astype(np.float32))
    assert facts.n_items == 5
