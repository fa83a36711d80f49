"""What is remembered of a shopper, and what a request rules out wherever it is remembered."""

from __future__ import annotations

import numpy as np
import pytest

from aisle.errors import AisleError
from aisle.features.histories import Histories
from aisle.recommend.knowledge import Knowledge, Memory, Shoppers
from aisle.recommend.rules import Rules, Shelf
from aisle.schema.events import Event


def history(*events: tuple[int, Event]) -> Histories:
    """Return one history of (item, event), a second apart."""
    item, event = [item for item, _ in events], [event for _, event in events]
    time = np.arange(len(events)) * 1_000_000
    return Histories(np.array([0, len(events)]), np.array(item, np.int32), np.array(event, np.uint8), time)


def knowledge(memory: Memory) -> Knowledge:
    return Knowledge("a model", np.ones(3, np.float32), Shelf(), Rules(), memory)


@pytest.mark.parametrize(("names", "taken"), [(("view",), {0}), (("purchase",), {1}), (("view", "purchase"), {0, 1})])
def test_a_rule_holds_for_what_is_learned_from_and_for_what_is_only_seen(names: tuple[str, ...], taken: set[int]) -> None:
    shoppers = Shoppers(np.array([0]), history((0, Event.view)), history((1, Event.purchase)))
    gate = knowledge(Memory(("view",), ("purchase",))).gate(Rules(exclude_events=names), shoppers)
    assert gate.taken is not None
    assert set(gate.taken.item.tolist()) == taken


def test_a_rule_about_events_that_are_not_remembered_is_refused() -> None:
    shoppers = Shoppers(np.array([0]), history((0, Event.view)), None)
    with pytest.raises(AisleError, match="remembers view only") as caught:
        knowledge(Memory(("view",))).gate(Rules(exclude_events=("purchase",)), shoppers)
    assert caught.value.code == "E376"


def test_the_last_positive_events_are_known_and_all_that_counts_as_seen_is_kept() -> None:
    events = history((0, Event.view), (1, Event.purchase), (2, Event.view), (0, Event.cart))
    memory = Memory(("view", "cart"), ("purchase",), known_events=2)
    assert memory.known(events).item.tolist() == [2, 0], "view 2 and cart 0: the last two of view, view, cart"
    seen = memory.seen(events)
    assert seen is not None
    assert seen.item.tolist() == [1]


@pytest.mark.parametrize("seen_events", [None, ("cart", "view")])
def test_what_is_known_and_what_is_seen_are_one_where_the_recipe_says_the_same(seen_events: tuple[str, ...] | None) -> None:
    assert Memory(("view", "cart"), seen_events).seen(history((0, Event.view))) is None
