"""What a request rules out, whatever the model remembers of its shopper and where it remembers it."""

from __future__ import annotations

import numpy as np
import pytest

from aisle.dataset.split_config import SplitConfig
from aisle.errors import AisleError
from aisle.experiment.request import Request, gate_of
from aisle.features.histories import Histories
from aisle.recommend.rules import Rules, Shelf
from aisle.schema.events import Event


def one(item: int, event: Event) -> Histories:
    """Return one history of one event."""
    return Histories(np.array([0, 1]), np.array([item], np.int32), np.array([event], np.uint8), np.zeros(1, np.int64))


@pytest.mark.parametrize(("names", "taken"), [(("view",), {0}), (("purchase",), {1}), (("view", "purchase"), {0, 1})])
def test_a_rule_holds_for_what_is_learned_from_and_for_what_is_only_seen(names: tuple[str, ...], taken: set[int]) -> None:
    split = SplitConfig(positive_events=("view",), seen_events=("purchase",))
    gate = gate_of(Rules(exclude_events=names), Shelf(), one(0, Event.view), one(1, Event.purchase), split)
    assert gate.taken is not None
    assert set(gate.taken.item.tolist()) == taken


def test_a_list_of_fewer_than_no_items_is_refused() -> None:
    with pytest.raises(AisleError, match="k is -1") as caught:
        Request(k=-1)
    assert caught.value.code == "E314"
