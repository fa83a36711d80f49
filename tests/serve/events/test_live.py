"""Live histories in memory: bounded, and never behind what was acknowledged."""

from __future__ import annotations

from aisle.bundle.question import RawEvent
from aisle.schema.events import Event
from aisle.serve.events.config import DAY_US, EventsConfig
from aisle.serve.events.live import Entry, Key, LiveHistories, unexpired

U1, U2, U3 = (Key("user", name) for name in ("u1", "u2", "u3"))
A, B, C = (RawEvent(name, "view", place) for place, name in enumerate("abc"))


def filled(live: LiveHistories, entries: dict[Key, Entry]) -> None:
    assert live.end(live.begin(entries), entries) == set()


def test_memory_holds_so_many_shoppers_and_forgets_who_was_not_asked_for_longest() -> None:
    live = LiveHistories(EventsConfig(live_shoppers=2))
    filled(live, {U1: Entry((A,), 1), U2: Entry()})
    assert live.get(U1) == Entry((A,), 1)
    filled(live, {U3: Entry()})
    assert live.get(U2) is None
    assert live.get(U1) is not None
    assert len(live) == 2
    assert (live.hits, live.misses) == (2, 1)


def test_memory_holds_so_many_events_of_a_shopper() -> None:
    live = LiveHistories(EventsConfig(live_events=2))
    filled(live, {U1: Entry()})
    for row, event in enumerate((B, A, C), start=1):
        live.add(U1, row, event)
    assert live.get(U1) == Entry((B, C), 3)


def test_an_event_that_the_read_from_disk_saw_already_is_not_counted_twice() -> None:
    live = LiveHistories(EventsConfig())
    filled(live, {U1: Entry((A, B), 2)})
    live.add(U1, 2, B)
    assert live.get(U1) == Entry((A, B), 2)


def test_what_arrives_while_the_disk_is_read_makes_it_read_again() -> None:
    live = LiveHistories(EventsConfig())
    fill = live.begin([U1, U2])
    live.add(U1, 2, B)
    live.forget(U3)
    assert live.end(fill, {U1: Entry((A,), 1), U2: Entry()}) == {U1}
    assert live.get(U1) is None
    assert live.get(U2) == Entry()


def test_what_is_forgotten_while_the_disk_is_read_stays_forgotten() -> None:
    live = LiveHistories(EventsConfig())
    fill = live.begin([U1, U2])
    live.forget(U1)
    assert live.end(fill, {U1: Entry((A,), 1), U2: Entry()}) == {U1}
    fill = live.begin([U1])
    live.clear()
    assert live.end(fill, {U1: Entry((A,), 1)}) == {U1}
    assert len(live) == 0


def test_events_are_kept_by_time_and_by_the_lifetime_of_their_kind() -> None:
    config = EventsConfig({Event.view: 1.0, Event.cart: 3.0})
    now_us = 10 * DAY_US
    events = [RawEvent("cart", "cart", 8 * DAY_US), RawEvent("old", "view", 8 * DAY_US), RawEvent("new", "view", 10 * DAY_US)]
    assert [event.item_id for event in unexpired(events, 0, now_us, config)] == ["cart", "new"]
    assert [event.item_id for event in unexpired(events, 9 * DAY_US, now_us, config)] == ["new"]
    assert unexpired(events, 11 * DAY_US, now_us, config) == ()
