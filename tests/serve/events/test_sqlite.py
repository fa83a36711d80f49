"""The store in a file: what it does beyond the contract, and how it fails."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
import threading
from pathlib import Path

import pytest

from aisle.errors import AisleError
from aisle.serve.events.config import EventsConfig
from aisle.serve.events.protocol import EventStore, Served, Shopper
from aisle.serve.events.sqlite import SqliteStore
from aisle.serve.events.sqlite_log import SqliteLog
from tests.serve.events.conftest import Address
from tests.serve.events.test_contract import NOW_US, items, view


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new" / "events.db"


def opening(path: Path) -> AisleError:
    with pytest.raises(AisleError) as error:
        asyncio.run(SqliteStore.open(path))
    return error.value


def test_two_services_cannot_have_one_file(path: Path) -> None:
    async def body(store: EventStore) -> None:
        with pytest.raises(AisleError, match="in use by another service") as error:
            await SqliteStore.open(path)
        assert error.value.code == "E054"
        # Reading it back is no second service.
        log = SqliteLog(path)
        await store.append([view("a")])
        assert [event.item_id async for _, event in log.read()] == ["a"]
        await log.close()

    Address(str(path)).run(body)
    Address(str(path)).run(lambda store: store.close())


def test_the_file_is_for_its_owner_only(path: Path) -> None:
    Address(str(path)).run(lambda store: store.close())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_that_is_none_of_ours_is_refused_and_not_touched(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("user_id,item_id\n" * 100)
    assert opening(path).code == "E055"
    assert path.read_text() == "user_id,item_id\n" * 100
    path.unlink()
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE bought (item TEXT)")
    other.close()
    assert "no event store of aisle" in opening(path).message


def test_a_damaged_store_is_refused(path: Path) -> None:
    async def fill(store: EventStore) -> None:
        await store.append([view(f"item-{number}", f"user-{number}") for number in range(2000)])

    Address(str(path)).run(fill)
    data = bytearray(path.read_bytes())
    # Every page but the first is overwritten in its head.
    for start in range(4096, len(data), 4096):
        data[start : start + 64] = b"\xff" * 64
    path.write_bytes(data)
    error = opening(path)
    assert (error.code, "cannot be read" in error.message) == ("E055", True)


def test_a_store_of_another_version_is_refused(path: Path) -> None:
    Address(str(path)).run(lambda store: store.close())
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 2")
    connection.close()
    assert (opening(path).code, opening(path).message.endswith("has version 2; this aisle reads version 1")) == ("E056", True)
    with pytest.raises(AisleError, match="version 2"):
        SqliteLog(path)


def test_there_is_nothing_to_read_back_where_no_store_is(path: Path) -> None:
    with pytest.raises(AisleError, match="no event store at") as error:
        SqliteLog(path)
    assert error.value.code == "E055"


def test_an_erased_shopper_stands_nowhere_in_the_files(path: Path) -> None:
    async def body(store: EventStore) -> None:
        for number in range(200):
            await store.append([view(f"i{number}", "erika-mustermann", "erikas-visit", event_id=f"erikas-click-{number}")])
        store.log_impressions([Served("r", ("a",), NOW_US, "b", None, "erika-mustermann")])
        assert names_in(path)
        await store.erase("erika-mustermann")
        # Before the store is closed: that is when the receipt is handed out.
        assert names_in(path) == []

    Address(str(path)).run(body)
    assert names_in(path) == []


def names_in(path: Path) -> list[str]:
    return [
        f"{file.name}: {name!r}"
        for file in path.parent.iterdir()
        for name in (b"erika-mustermann", b"erikas-visit", b"erikas-click")
        if name in file.read_bytes()
    ]


def test_a_full_disk_acknowledges_nothing_and_the_store_goes_on(path: Path) -> None:
    async def body(store: EventStore) -> None:
        assert isinstance(store, SqliteStore)
        await store.append([view("before")])
        connection = store._writer._connection
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages}")
        outcomes = await asyncio.gather(*(store.append([view("x" * 1000)] * 50) for _ in range(4)), return_exceptions=True)
        assert {outcome.code for outcome in outcomes if isinstance(outcome, AisleError)} == {"E058"}
        assert "full" in str(outcomes[0])
        connection.execute("PRAGMA max_page_count = 1000000")
        await store.append([view("after")])
        assert await items(store, "u1") == ["before", "after"]
        assert [event.item_id async for _, event in store.read()] == ["before", "after"]

    Address(str(path)).run(body)


def test_what_waits_goes_into_one_transaction(path: Path) -> None:
    async def body(store: EventStore) -> None:
        await asyncio.gather(*(store.append([view(f"i{number}")]) for number in range(500)))
        # The first may go alone while the others are being queued.
        assert store.counts()["commits"] < 50

    Address(str(path)).run(body)


def test_a_transaction_holds_no_more_than_its_bound(path: Path) -> None:
    async def body(store: EventStore) -> None:
        await asyncio.gather(*(store.append([view(f"i{number}")]) for number in range(100)))
        assert store.counts()["commits"] >= 10

    Address(str(path)).run(body, EventsConfig(batch_events=10))


def test_memory_is_bounded_and_the_answer_the_same(path: Path) -> None:
    async def body(store: EventStore) -> None:
        for number in range(40):
            await store.append([view("a", f"u{number}"), view("b", f"u{number}", at_s=1)])
        for number in range(40):
            assert await items(store, f"u{number}") == ["a", "b"]
        assert store.counts()["live_shoppers"] == 5

    Address(str(path)).run(body, EventsConfig(live_shoppers=5))


def test_closing_stops_the_threads_and_lets_go_of_the_file(path: Path) -> None:
    async def body(store: EventStore) -> None:
        await store.append([view("a")])
        await store.histories([Shopper("u1")])

    before = {thread.name for thread in threading.enumerate()}
    Address(str(path)).run(body)
    assert {thread.name for thread in threading.enumerate() if thread.name.startswith("aisle-events")} <= before
    assert sorted(file.name for file in path.parent.iterdir()) == ["events.db", "events.db.lock"]


def test_the_durability_that_is_promised_is_set(path: Path) -> None:
    async def body(store: EventStore) -> None:
        assert isinstance(store, SqliteStore)
        connection = store._writer._connection
        settings = {name: connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")}
        assert settings == {"journal_mode": "wal", "synchronous": 2}

    Address(str(path)).run(body)
