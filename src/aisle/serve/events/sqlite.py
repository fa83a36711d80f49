"""The event store of one service: a file, written by one thread, read from memory."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Literal, Self

from aisle.bundle.question import RawEvent
from aisle.errors import AisleError
from aisle.serve.events import receipts
from aisle.serve.events.check import check_events, check_user
from aisle.serve.events.config import DAY_US, KINDS, EventsConfig
from aisle.serve.events.file import connect_reader, connect_writer, prepare_file, take_lock
from aisle.serve.events.live import Entry, Key, LiveHistories, unexpired
from aisle.serve.events.protocol import Appended, Live, Receipt, Served, Shopper, StoredEvent
from aisle.serve.events.served import ServedQueue
from aisle.serve.events.sessions import Written, write_events
from aisle.serve.events.sqlite_log import SqliteLog
from aisle.serve.events.tables import delete_old_events, delete_old_rows, insert_served, read_entries
from aisle.serve.events.writer import Writer


class SqliteStore:
    """Events in SQLite: write-ahead log, synchronous FULL, one transaction for everything that waits.

    Made by `open`; every method is called from the event loop that opened it.

    Example:
        >>> store = await SqliteStore.open(Path("events.db"))                                       # doctest: +SKIP
        >>> await store.append([StoredEvent("i1", Event.view, time_us, user_id="u1")])              # doctest: +SKIP
        >>> (await store.histories([Shopper("u1")]))[0].events                                      # doctest: +SKIP
    """

    def __init__(self, path: Path, config: EventsConfig, salt: bytes, lock: int) -> None:
        self._path, self._config, self._salt, self._lock = path, config, salt, lock
        connection = connect_writer(path)
        self._erased = receipts.standing(connection)
        self._writer = Writer(connection, config.queue_events, config.batch_events)
        self._reader = connect_reader(path)
        self._reader_thread = ThreadPoolExecutor(1, thread_name_prefix="aisle-events-reader")
        self._live = LiveHistories(config)
        self._served = ServedQueue(config, self._write_served)
        self._counts = dict.fromkeys(("appended_events", "repeated_events", "expired_events"), 0)
        self._closed = False

    @classmethod
    async def open(cls, path: Path, config: EventsConfig | None = None) -> Self:
        """Open a store, or make one where there is none.

        Raises:
            AisleError: E054 when another service has it, E055 when it is damaged or none of ours, E056 when its version is
                another, E601 when the place cannot be written.
        """
        lock = take_lock(path)
        try:
            salt = await asyncio.to_thread(prepare_file, path)
            return cls(path, config or EventsConfig(), salt, lock)
        except BaseException:
            os.close(lock)
            raise

    @property
    def alive(self) -> bool:
        """Whether the writing thread is there (see `EventStore.alive`)."""
        return self._writer.alive

    async def append(self, events: Sequence[StoredEvent]) -> Appended:
        """Store events, all or none; returns when they are on disk (see `EventStore.append`)."""
        check_events(events, _now_us(), self._config)
        if not events:
            return Appended(0)
        given = tuple(events)
        stored: Appended = await self._writer.put(lambda connection: write_events(connection, given), self._stored, len(given))
        return stored

    def _stored(self, written: Written) -> Appended:
        """Bring memory up to what is on disk now."""
        for key in written.changed:
            self._live.forget(key)
        for key, row, event in written.rows:
            self._live.add(key, row, event)
        self._counts["appended_events"] += len(written.rows)
        self._counts["repeated_events"] += written.repeated
        return Appended(len(written.rows), written.repeated)

    async def histories(self, shoppers: Sequence[Shopper], since_us: int = 0) -> list[Live]:
        """Return what each shopper did at or after a time (see `EventStore.histories`)."""
        sessions = await self._entries(Key("session", one.session_id) for one in shoppers if one.session_id is not None)
        users = []
        for one in shoppers:
            session = None if one.session_id is None else sessions[Key("session", one.session_id)]
            users.append(one.user_id or (session.owner if session else None))
        found = await self._entries(Key("user", user) for user in users if user is not None)
        now_us = _now_us()
        answers = []
        for one, user in zip(shoppers, users, strict=True):
            events: tuple[RawEvent, ...] = () if user is None else found[Key("user", user)].events
            if one.session_id is not None and (anonymous := sessions[Key("session", one.session_id)].events):
                # A set: what becomes the user's between the two reads is in both.
                events = tuple(sorted({*events, *anonymous}, key=lambda event: event.time_us))[-self._config.live_events :]
            answers.append(
                Live(user, unexpired(events, since_us, now_us, self._config), user is not None and self._is_erased(user))
            )
        return answers

    async def _entries(self, keys: Iterable[Key]) -> dict[Key, Entry]:
        found: dict[Key, Entry] = {}
        missing: set[Key] = set()
        for key in set(keys):
            entry = self._live.get(key)
            if entry is None:
                missing.add(key)
            else:
                found[key] = entry
        while missing:
            fill = self._live.begin(missing)
            read: dict[Key, Entry] = {}
            try:
                read = await asyncio.get_running_loop().run_in_executor(
                    self._reader_thread, read_entries, self._reader, missing, self._config.live_events
                )
            except sqlite3.Error as error:
                raise AisleError(
                    f"the events cannot be read: {error}",
                    hint="ask again after Retry-After; if this stays, look at the disk, and put back a copy of the file",
                    code="E058",
                ) from error
            finally:
                stale = self._live.end(fill, read)
            found |= read
            missing = stale
        return found

    async def erase(self, user_id: str) -> Receipt:
        """Remove a user from disk and memory (see `EventStore.erase`).

        Raises:
            AisleError: E050 for an id that cannot be, E058.
        """
        check_user(user_id)
        known_as = receipts.pseudonym(user_id, self._salt)
        now_us = _now_us()

        def forget(outcome: tuple[Receipt, list[str]]) -> tuple[Receipt, list[str]]:
            for key in (Key("user", user_id), *(Key("session", session) for session in outcome[1])):
                self._live.forget(key)
            self._erased.add(known_as)
            return outcome

        with self._served.held():
            erased: tuple[Receipt, list[str]] = await self._writer.put(
                lambda connection: receipts.erase_user(connection, user_id, known_as, now_us), forget, wipes=True
            )
            receipt, sessions = erased
            self._served.forget(user_id, set(sessions))
        return receipt

    async def erased(self, user_id: str) -> bool:
        """Say whether a user was erased and the erasure was not lifted."""
        return self._is_erased(user_id)

    def _is_erased(self, user_id: str) -> bool:
        return bool(self._erased) and receipts.pseudonym(user_id, self._salt) in self._erased

    async def lift(self, before_us: int) -> int:
        """Forget erasures from before a time; return how many (see `EventStore.lift`)."""
        before = len(self._erased)
        self._erased = await self._writer.put(lambda connection: receipts.lift(connection, before_us), lambda standing: standing)
        return before - len(self._erased)

    async def expire(self, now_us: int) -> dict[str, int]:
        """Remove what has outlived its lifetime; return kind -> how many (see `EventStore.expire`)."""
        removed = dict.fromkeys((*(event.name for event in KINDS), "served", "sessions"), 0)
        for event in KINDS:
            before_us = now_us - self._config.lifetime_us(event)
            while count := await self._writer.put(partial(delete_old_events, event=event, before_us=before_us), _same):
                removed[event.name] += count
        ages: dict[Literal["served", "sessions"], float] = {
            "served": self._config.served_days,
            "sessions": self._config.session_days,
        }
        for table, days in ages.items():
            before_us = now_us - int(days * DAY_US)
            while count := await self._writer.put(partial(delete_old_rows, table=table, before_us=before_us), _same):
                removed[table] += count
        if any(removed.values()):
            self._live.clear()
            await self._writer.put(lambda connection: None, _same, wipes=True)
        self._counts["expired_events"] += sum(removed[event.name] for event in KINDS)
        return removed

    def log_impressions(self, served: Sequence[Served]) -> None:
        """Put served lists aside to be written soon (see `EventStore.log_impressions`)."""
        self._served.add(served)

    def _write_served(self, lists: Sequence[Served]) -> asyncio.Future[int]:
        return self._writer.put(lambda connection: insert_served(connection, lists), _same)

    async def read(self, since_row: int = 0) -> AsyncIterator[tuple[int, StoredEvent]]:
        """Yield (row, event) after a row, in a view of its own."""
        log = SqliteLog(self._path)
        try:
            async for row in log.read(since_row):
                yield row
        finally:
            await log.close()

    async def read_served(self, since_row: int = 0) -> AsyncIterator[tuple[int, Served]]:
        """Yield (row, served list) after a row, in a view of its own."""
        log = SqliteLog(self._path)
        try:
            async for row in log.read_served(since_row):
                yield row
        finally:
            await log.close()

    def counts(self) -> Mapping[str, int]:
        """Return counters since the store was opened, and what waits now (see `EventStore.counts`)."""
        return {
            **self._counts,
            **self._served.counts(),
            "refused_busy": self._writer.refused,
            "commits": self._writer.commits,
            "waiting_events": self._writer.waiting,
            "live_shoppers": len(self._live),
            "live_hits": self._live.hits,
            "live_misses": self._live.misses,
            "erased_users": len(self._erased),
        }

    async def close(self) -> None:
        """Write what waits, then let go of the file; again is no error."""
        if self._closed:
            return
        self._closed = True
        self._served.flush()
        await asyncio.to_thread(self._reader_thread.shutdown)
        self._reader.close()
        await self._writer.close()
        os.close(self._lock)


def _same(value: object) -> object:
    return value


def _now_us() -> int:
    return time.time_ns() // 1_000
