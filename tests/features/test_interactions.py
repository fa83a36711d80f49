from __future__ import annotations

import numpy as np
import pytest

from aisle.errors import AisleError
from aisle.features.histories import Histories
from aisle.features.interactions import event_weights, interactions
from aisle.schema.events import Event


def _seen(rows: list[list[tuple[int, Event]]]) -> Histories:
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
    events = [event for row in rows for event in row]
    item, kind = np.array([item for item, _ in events], np.int32), np.array([kind for _, kind in events], np.uint8)
    return Histories(offsets, item, kind, np.arange(len(events)))


def test_a_pair_weighs_what_its_weightiest_event_does() -> None:
    # The first shopper viewed 2, bought it, viewed it again, and viewed 0; the second did nothing; the third bought 1.
    seen = _seen([[(2, Event.view), (2, Event.purchase), (2, Event.view), (0, Event.view)], [], [(1, Event.purchase)]])
    weights = event_weights([("view", 0.25), ("purchase", 2.0)])
    assert interactions(seen, 4, weights).toarray().tolist() == [[0.25, 0, 2, 0], [0, 0, 0, 0], [0, 1 * 2, 0, 0]]


def test_without_weights_every_pair_counts_once() -> None:
    seen = _seen([[(2, Event.view), (2, Event.purchase), (0, Event.cart)]])
    met = interactions(seen, 3, event_weights([]))
    assert met.toarray().tolist() == [[1, 0, 1]]
    assert met.dtype == np.float32
    assert met.nnz == 2


def test_repeats_say_more_where_that_is_wanted() -> None:
    # Item 2 three times, the heaviest a purchase of 2: 2 * 3 ** .5; item 0 once.
    seen = _seen([[(2, Event.view), (0, Event.view), (2, Event.purchase), (2, Event.view)]])
    met = interactions(seen, 3, event_weights([("purchase", 2.0)]), repeat_power=0.5)
    np.testing.assert_allclose(met.toarray(), [[1, 0, 2 * 3**0.5]], rtol=1e-6)


def test_no_histories_and_no_events_make_an_empty_matrix() -> None:
    assert interactions(Histories.empty(0), 5, event_weights([])).shape == (0, 5)
    assert interactions(Histories.empty(2), 5, event_weights([])).toarray().tolist() == [[0] * 5] * 2


@pytest.mark.parametrize(("weights", "words"), [(("purchse", 1.0), "did you mean 'purchase'"), (("view", 0.0), "the weight 0.0")])
def test_wrong_event_weights_are_refused(weights: tuple[str, float], words: str) -> None:
    with pytest.raises(AisleError, match="E320") as error:
        event_weights([weights])
    assert words in str(error.value)
