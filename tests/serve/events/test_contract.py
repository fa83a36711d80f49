"""What every event store promises, asked of a file and of a real Redis."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import pytest

from aisle.bundle.question import RawEvent
from aisle.errors import AisleError
from aisle.schema.events import Event
from aisle.serve.events.config import DAY_US, KINDS, EventsConfig
from aisle.serve.events.protocol import Appended, EventStore, Live, Served, Shopper, StoreBusyError, StoredEvent
from tests.serve.events.conftest import Address

NOW_US = time.time_ns() // 1_000 - 60_000_000


def view(
    item: str, user: str | None = "u1", session: str | None = None, at_s: float = 0, event_id: str | None = None
) -> StoredEvent:
    return StoredEvent(item, Event.view, NOW_US + int(at_s * 1e6), user, session, event_id)


async def items(store: EventStore, user: str | None = None, session: str | None = None, since_us: int = 0) -> list[str]:
    (live,) = await store.histories([Shopper(user, session)], since_us)
    return [str(event.item_id) for event in live.events]


async def logged(store: EventStore) -> list[tuple[str | None, str]]:
    return [(event.user_id, event.item_id) async for _, event in store.read()]


def test_the_next_recommendation_reflects_what_was_accepted(address: Address) -> None:
    async def body(store: EventStore) -> None:
        assert await store.histories([Shopper("u1")]) == [Live("u1")]
        assert await store.append([view("a"), view("b", at_s=1)]) == Appended(2)
        expected = (RawEvent("a", "view", NOW_US), RawEvent("b", "view", NOW_US + 1_000_000))
        assert await store.histories([Shopper("u1"), Shopper("u2")]) == [Live("u1", expected), Live("u2")]

    address.run(body)


def test_what_was_accepted_is_there_after_the_store_is_opened_again(address: Address) -> None:
    full = StoredEvent("ä\n😀", Event.purchase, NOW_US, "u", "s", "id", "r", 3, 2.0, 9.95, "B")
    bare = StoredEvent("i", Event.dislike, NOW_US, None, "alone")

    async def write(store: EventStore) -> None:
        await store.append([full, bare])

    async def read(store: EventStore) -> None:
        assert [event async for _, event in store.read()] == [full, bare]
        assert await items(store, "u") == ["ä\n😀"]

    address.run(write)
    address.run(read)


@pytest.mark.parametrize("event", KINDS)
def test_every_kind_of_event_is_taken(address: Address, event: Event) -> None:
    async def body(store: EventStore) -> None:
        await store.append([replace(view("a"), event=event)])
        (live,) = await store.histories([Shopper("u1")])
        assert live.events == (RawEvent("a", event.name, NOW_US),)

    address.run(body)


def test_events_are_ordered_by_their_time_and_not_by_their_arrival(address: Address) -> None:
    async def body(store: EventStore) -> None:
        await store.append([view("c", at_s=3)])
        assert await items(store, "u1") == ["c"]
        await store.append([view("a", at_s=1)])
        await store.append([view("b", at_s=2)])
        assert await items(store, "u1") == ["a", "b", "c"]
        assert await items(store, "u1", since_us=NOW_US + 2_000_000) == ["b", "c"]

    address.run(body)


def test_only_the_latest_events_are_answered_and_all_are_logged(address: Address) -> None:
    async def body(store: EventStore) -> None:
        for number in range(8):
            await store.append([view(str(number), at_s=number)])
        assert await items(store, "u1") == ["5", "6", "7"]
        assert len(await logged(store)) == 8

    address.run(body, EventsConfig(live_events=3))


def test_a_repeated_event_is_accepted_and_stored_once(address: Address) -> None:
    async def body(store: EventStore) -> None:
        event = view("a", event_id="e1")
        assert await store.append([event, event]) == Appended(1, 1)
        assert await store.append([replace(event, time_us=NOW_US + 5), view("b", event_id="e2")]) == Appended(1, 1)
        assert await logged(store) == [("u1", "a"), ("u1", "b")]
        assert store.counts()["appended_events"] == 2
        assert store.counts()["repeated_events"] == 2

    address.run(body)


def test_two_events_without_an_id_are_two_events(address: Address) -> None:
    async def body(store: EventStore) -> None:
        assert await store.append([view("a"), view("a")]) == Appended(2)
        assert await logged(store) == [("u1", "a")] * 2

    address.run(body)


@pytest.mark.parametrize("other", [{"item_id": "b"}, {"user_id": "u2"}, {"event": Event.cart}, {"session_id": "s"}])
def test_an_event_id_that_was_used_for_another_event_is_refused_whole(address: Address, other: dict[str, object]) -> None:
    async def body(store: EventStore) -> None:
        event = view("a", event_id="e1")
        await store.append([event])
        with pytest.raises(AisleError, match="'e1' was used before, for 'view' of item 'a'") as error:
            await store.append([view("new"), replace(event, **other)])  # type: ignore[arg-type]
        assert error.value.code == "E050"
        assert await logged(store) == [("u1", "a")]

    address.run(body)


def test_two_different_events_with_one_id_in_one_call_are_refused(address: Address) -> None:
    async def body(store: EventStore) -> None:
        with pytest.raises(AisleError, match="'e1' was used before"):
            await store.append([view("a", event_id="e1"), view("b", event_id="e1")])
        assert await logged(store) == []

    address.run(body)


def test_a_bad_event_refuses_all_that_came_with_it(address: Address) -> None:
    async def body(store: EventStore) -> None:
        with pytest.raises(AisleError, match="event 2 of 2"):
            await store.append([view("a"), view("")])
        assert await logged(store) == []
        assert await store.append([]) == Appended(0)

    address.run(body)


def test_a_visitor_who_says_who_they_are_brings_the_visit_along(address: Address) -> None:
    async def body(store: EventStore) -> None:
        await store.append([view("a", None, "s1"), view("x", None, "s2")])
        assert await items(store, None, "s1") == ["a"]
        assert await items(store, "u1") == []
        # Asked for both, both count, though nothing says yet that they are one.
        assert await items(store, "u1", "s1") == ["a"]
        await store.append([view("b", "u1", "s1", at_s=1)])
        assert await items(store, "u1") == ["a", "b"]
        # From now on the session alone is the user, for questions and for events.
        assert await store.histories([Shopper(session_id="s1")]) == await store.histories([Shopper("u1")])
        await store.append([view("c", None, "s1", at_s=2)])
        assert await items(store, "u1") == ["a", "b", "c"]
        assert await items(store, None, "s2") == ["x"]
        assert await logged(store) == [("u1", "a"), (None, "x"), ("u1", "b"), ("u1", "c")]

    address.run(body)


def test_a_shared_visit_belongs_to_who_was_named_last_and_nobody_loses_events(address: Address) -> None:
    async def body(store: EventStore) -> None:
        await store.append([view("a", "u1", "s")])
        await store.append([view("b", "u2", "s", at_s=1)])
        await store.append([view("c", None, "s", at_s=2)])
        assert (await items(store, "u1"), await items(store, "u2")) == (["a"], ["b", "c"])
        assert (await store.histories([Shopper(session_id="s")]))[0].user_id == "u2"

    address.run(body)


def test_an_erased_shopper_is_gone_and_known_as_erased(address: Address) -> None:
    served = Served("r1", ("a", "b"), NOW_US, "bundle", None, "u1", "s1")
    others = replace(served, request_id="r2", user_id="u2", session_id="s1")

    async def body(store: EventStore) -> None:
        await store.append([view("a", None, "s1"), view("b", "u1", "s1"), view("c", "u2")])
        assert await items(store, "u1") == ["a", "b"]
        store.log_impressions([served, replace(served, user_id=None), others])
        receipt = await store.erase("u1")
        assert (receipt.events, receipt.served, receipt.sessions) == (2, 2, 1)
        assert abs(receipt.time_us - time.time_ns() // 1_000) < 60_000_000
        assert "u1" not in repr(receipt)
        assert (await store.erased("u1"), await store.erased("u2")) == (True, False)
        assert await store.histories([Shopper("u1"), Shopper(None, "s1")]) == [Live("u1", (), erased=True), Live(None)]
        assert await logged(store) == [("u2", "c")]
        assert [one async for _, one in store.read_served()] == [others]

    async def later(store: EventStore) -> None:
        assert await store.erased("u1")
        # Who comes back is a shopper of whom only the new is known.
        await store.append([view("z")])
        assert await store.histories([Shopper("u1")]) == [Live("u1", (RawEvent("z", "view", NOW_US),), erased=True)]
        assert (await store.erase("u1")).events == 1
        assert await store.lift(NOW_US) == 0
        assert await store.lift(time.time_ns() // 1_000 + 1) == 1
        assert not await store.erased("u1")

    address.run(body)
    address.run(later)


@pytest.mark.parametrize("flush_served_s", [1.0, 1e-4], ids=["waiting", "being written"])
def test_nothing_shown_to_a_shopper_before_the_receipt_is_stored_after_it(address: Address, flush_served_s: float) -> None:
    hers = Served("hers", ("a",), NOW_US, "bundle", None, "u1", "s1")
    visit, others = replace(hers, request_id="visit", user_id=None), replace(hers, request_id="others", user_id="u2")
    shown = 0

    async def body(store: EventStore) -> None:
        nonlocal shown
        await store.append([view("a", "u1", "s1")])
        erasing = asyncio.ensure_future(store.erase("u1"))
        while not erasing.done():
            store.log_impressions([hers, visit, others])
            shown += 1
            await asyncio.wait({erasing}, timeout=0.001)
        await erasing
        store.log_impressions([replace(hers, request_id="back", time_us=time.time_ns() // 1_000 + 1)])

    async def later(store: EventStore) -> None:
        assert [one.request_id async for _, one in store.read_served()] == ["others"] * shown + ["back"]
        assert store.counts()["served_dropped"] == 0

    address.run(body, EventsConfig(flush_served_s=flush_served_s, queue_served=1_000_000))
    address.run(later)


def test_the_number_of_an_erased_event_can_be_used_again(address: Address) -> None:
    async def body(store: EventStore) -> None:
        await store.append([view("a", event_id="e1")])
        await store.erase("u1")
        assert await store.append([view("b", event_id="e1")]) == Appended(1)

    address.run(body)


def test_erasing_somebody_unknown_gives_a_receipt_too(address: Address) -> None:
    async def body(store: EventStore) -> None:
        receipt = await store.erase("a-bundle-may-know-them")
        assert (receipt.events, receipt.served, receipt.sessions) == (0, 0, 0)
        assert await store.erased("a-bundle-may-know-them")

    address.run(body)


def test_events_expire_by_their_kind(address: Address) -> None:
    config = EventsConfig({Event.view: 1.0, Event.purchase: 10.0}, served_days=2.0, session_days=3.0)
    old = replace(view("old", None, "s1"), time_us=NOW_US - 2 * DAY_US)
    bought = replace(old, item_id="bought", event=Event.purchase, session_id=None, user_id="u1")
    visit = replace(view("visit", "u9", "s9"), event=Event.purchase, time_us=NOW_US - 4 * DAY_US)

    async def body(store: EventStore) -> None:
        await store.append([old, bought, visit, view("new", None, "s1")])
        store.log_impressions([Served("r1", ("a",), NOW_US - 3 * DAY_US, "b"), Served("r2", ("a",), NOW_US, "b")])
        # What is over is not answered from, whether or not it was removed yet.
        assert await items(store, None, "s1") == ["new"]
        removed = await store.expire(NOW_US)
        assert removed["view"] == 1
        assert removed["sessions"] == 1
        assert sum(removed.values()) == 2 + removed["served"]
        assert await logged(store) == [("u1", "bought"), ("u9", "visit"), (None, "new")]
        assert (await store.histories([Shopper(None, "s9")])) == [Live(None)]
        assert store.counts()["expired_events"] == 1
        assert sum((await store.expire(NOW_US)).values()) + removed["served"] <= 1

    async def later(store: EventStore) -> None:
        await store.expire(NOW_US)
        assert [one.request_id async for _, one in store.read_served()] == ["r2"]

    address.run(body, config)
    address.run(later, config)


def test_rows_only_grow_so_that_a_log_can_be_read_on_from_where_it_ended(address: Address) -> None:
    async def body(store: EventStore) -> None:
        await store.append([view("a", "u1"), view("b", "u2")])
        last = [row async for row, _ in store.read()][-1]
        await store.erase("u2")
        await store.append([view("c", "u3")])
        assert [event.item_id async for _, event in store.read(last)] == ["c"]

    address.run(body)


def test_served_lists_are_written_at_close_and_bounded(address: Address) -> None:
    lists = [Served(f"r{number}", ("a", "b"), NOW_US, "bundle", "B", None, "s") for number in range(6)]

    async def write(store: EventStore) -> None:
        store.log_impressions(lists[:3])
        store.log_impressions(lists[3:])

    async def read(store: EventStore) -> None:
        assert [one async for _, one in store.read_served()] == lists[:4]

    address.run(write, EventsConfig(queue_served=4))
    address.run(read)


def test_what_is_over_the_bound_is_counted(address: Address) -> None:
    async def body(store: EventStore) -> None:
        store.log_impressions([Served("r", ("a",), NOW_US, "bundle")] * 6)
        assert store.counts()["served_dropped"] == 2

    address.run(body, EventsConfig(queue_served=4))


def test_more_than_may_wait_is_refused_as_busy_and_the_rest_is_stored(address: Address) -> None:
    async def body(store: EventStore) -> None:
        jobs = [store.append([view(f"i{number}", event_id=f"e{number}")]) for number in range(50)]
        outcomes = await asyncio.gather(*jobs, return_exceptions=True)
        refused = [outcome for outcome in outcomes if isinstance(outcome, StoreBusyError)]
        assert len(refused) == store.counts()["refused_busy"] == 40
        assert refused[0].retry_after_s >= 1
        assert refused[0].code == "E053"
        assert len(await logged(store)) == 10
        assert store.counts()["waiting_events"] == 0

    address.run(body, EventsConfig(queue_events=10))


def test_a_client_that_goes_away_loses_nothing_and_stops_nobody(address: Address) -> None:
    async def body(store: EventStore) -> None:
        gone = asyncio.ensure_future(store.append([view("a", event_id="e1")]))
        await asyncio.sleep(0)
        gone.cancel()
        await store.append([view("b")])
        # It is not known whether the first was stored, which is what the event_id is for.
        await store.append([view("a", event_id="e1")])
        assert sorted(await items(store, "u1")) == ["a", "b"]

    address.run(body)


def test_writers_at_the_same_time_lose_and_double_nothing(address: Address) -> None:
    async def body(store: EventStore) -> None:
        async def shopper(name: str) -> None:
            for number in range(20):
                await store.append([view(f"{name}-{number}", name, event_id=f"{name}-{number}", at_s=number)])
                assert await items(store, name) == [f"{name}-{place}" for place in range(number + 1)]

        await asyncio.gather(*(shopper(f"u{number}") for number in range(16)))
        assert len(await logged(store)) == len(set(await logged(store))) == 320

    address.run(body)


def test_a_closed_store_takes_nothing(address: Address) -> None:
    async def body(store: EventStore) -> None:
        await store.close()
        await store.close()
        with pytest.raises(AisleError, match="closed") as error:
            await store.append([view("a")])
        assert error.value.code == "E058"

    address.run(body)
