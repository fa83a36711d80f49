"""The event store of several services that share what shoppers do: a Redis that answers only when it is on disk."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, Self

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from aisle.bundle.question import RawEvent
from aisle.errors import AisleError
from aisle.schema.events import Event
from aisle.serve.events import redis_scripts as scripts
from aisle.serve.events.check import check_events, check_user
from aisle.serve.events.config import DAY_US, KINDS, EventsConfig
from aisle.serve.events.live import unexpired
from aisle.serve.events.protocol import Appended, Live, Receipt, Served, Shopper, StoreBusyError, StoredEvent
from aisle.serve.events.receipts import new_receipt_id
from aisle.serve.events.served import ServedQueue
from aisle.serve.events.sessions import first_of_each, refuse_other

# One slot of a Redis Cluster holds all of it: a script sees one slot only.
PREFIX = "{aisle}"
_PIECE_ROWS = 1_000
# What Redis must be told so that "accepted" means "on disk", and stays there: setting -> (value, why).
DURABLE = {
    "appendonly": ("yes", "or nothing is on disk before the next snapshot"),
    "appendfsync": ("always", "or up to a second of accepted events is lost with the power"),
    "no-appendfsync-on-rewrite": ("no", "or accepted events are only in memory while the log is rewritten"),
    "maxmemory-policy": ("noeviction", "or accepted events are thrown away when the memory is full"),
}


class RedisStore:
    """Events in Redis, through scripts that run whole. Made by `open`; several services may open the same one."""

    def __init__(self, client: Redis, config: EventsConfig) -> None:
        self._client, self._config = client, config
        self._scripts = {name: client.register_script(getattr(scripts, name)) for name in _SCRIPTS}
        self._served = ServedQueue(config, self._write_served)
        self._counts = dict.fromkeys(("appended_events", "repeated_events", "refused_busy", "commits", "expired_events"), 0)
        self._waiting = 0
        self._closed = False

    @classmethod
    async def open(cls, url: str, config: EventsConfig | None = None) -> Self:
        """Connect, and look whether this Redis keeps what it accepts.

        Args:
            url: redis://HOST:PORT/DATABASE, rediss:// with TLS, unix://PATH.
            config: bounds and lifetimes.

        Raises:
            AisleError: E057 when its settings would lose events, or cannot be read; E058 when it cannot be reached.
        """
        # A command whose answer was lost may have been done: only the sender can tell whether to send it again.
        pool = BlockingConnectionPool.from_url(
            url, max_connections=32, timeout=5, socket_timeout=5, socket_connect_timeout=5, retry=Retry(NoBackoff(), 0)
        )
        client = Redis(connection_pool=pool, decode_responses=False)
        try:
            await _asked(_check_durable(client))
            await _asked(client.set(f"{PREFIX}:salt", secrets.token_hex(32), nx=True))
        except BaseException:
            await client.aclose(close_connection_pool=True)
            raise
        return cls(client, config or EventsConfig())

    @property
    def alive(self) -> bool:
        """Always: a Redis that is away may come back (see `EventStore.alive`)."""
        return True

    async def append(self, events: Sequence[StoredEvent]) -> Appended:
        """Store events, all or none; returns when they are on disk (see `EventStore.append`)."""
        self._check_open()
        check_events(events, _now_us(), self._config)
        new = first_of_each(events)
        if not new:
            return Appended(0)
        if self._waiting and self._waiting + len(events) > self._config.queue_events:
            self._counts["refused_busy"] += 1
            raise StoreBusyError(self._waiting, self._config.queue_events)
        self._waiting += len(events)
        try:
            stored, place, row = await self._run("APPEND", *(word for event in new for word in _words(event)))
        finally:
            self._waiting -= len(events)
        if row:
            known = await self._events([int(row)])
            refuse_other(new[place], known[0][1])
        self._counts["appended_events"] += stored
        self._counts["repeated_events"] += len(events) - stored
        self._counts["commits"] += 1
        return Appended(stored, len(events) - stored)

    async def histories(self, shoppers: Sequence[Shopper], since_us: int = 0) -> list[Live]:
        """Return what each shopper did at or after a time (see `EventStore.histories`)."""
        if not shoppers:
            return []
        names = [word for one in shoppers for word in (one.user_id or "", one.session_id or "")]
        answers = await self._run("HISTORIES", self._config.live_events, *names)
        now_us = _now_us()
        found = []
        for user, erased, texts in answers:
            events = sorted((_raw_event(json.loads(text)) for text in reversed(texts)), key=lambda event: event.time_us)
            latest = events[-self._config.live_events :]
            found.append(Live(user.decode() or None, unexpired(latest, since_us, now_us, self._config), bool(erased)))
        return found

    async def erase(self, user_id: str) -> Receipt:
        """Remove a user (see `EventStore.erase`), and ask Redis to rewrite its log, where the old lines still are."""
        check_user(user_id)
        with self._served.held():
            await self._served.written()
            receipt_id, now_us = new_receipt_id(), _now_us()
            events, served, names = await self._run("ERASE", user_id, receipt_id, now_us)
            sessions = {_text(name) for name in names}
            try:
                await self._rewrite()
            finally:
                self._served.forget(user_id, sessions)
        return Receipt(receipt_id, now_us, events, served, len(sessions))

    async def erased(self, user_id: str) -> bool:
        """Say whether a user was erased and the erasure was not lifted."""
        return bool(await self._run("ERASED", user_id))

    async def lift(self, before_us: int) -> int:
        """Forget erasures from before a time; return how many (see `EventStore.lift`)."""
        return int(await self._run("LIFT", before_us))

    async def expire(self, now_us: int) -> dict[str, int]:
        """Remove what has outlived its lifetime; return kind -> how many (see `EventStore.expire`)."""
        lifetimes_us = {event.name: self._config.lifetime_us(event) for event in KINDS}
        lifetimes_us["served"] = int(self._config.served_days * DAY_US)
        lifetimes_us["sessions"] = int(self._config.session_days * DAY_US)
        removed = dict.fromkeys(lifetimes_us, 0)
        for kind, lifetime_us in lifetimes_us.items():
            while count := await self._run("EXPIRE", kind, now_us - lifetime_us, _PIECE_ROWS):
                removed[kind] += count
        if any(removed.values()):
            await self._rewrite()
        self._counts["expired_events"] += sum(removed[event.name] for event in KINDS)
        return removed

    def log_impressions(self, served: Sequence[Served]) -> None:
        """Put served lists aside to be written soon (see `EventStore.log_impressions`)."""
        self._check_open()
        self._served.add(served)

    def _write_served(self, lists: Sequence[Served]) -> asyncio.Future[int]:
        words = [word for one in lists for word in (one.user_id or "", one.session_id or "", one.time_us, _json(asdict(one)))]
        return asyncio.ensure_future(self._run("SERVED", *words))

    async def read(self, since_row: int = 0) -> AsyncIterator[tuple[int, StoredEvent]]:
        """Yield (row, event) after a row."""
        async for rows in self._pieces(since_row):
            for found in await self._events(rows):
                yield found

    async def read_served(self, since_row: int = 0) -> AsyncIterator[tuple[int, Served]]:
        """Yield (row, served list) after a row."""
        async for rows in self._pieces(since_row):
            texts = await _asked(self._client.hmget(f"{PREFIX}:served", [_row(row) for row in rows]))
            for row, text in zip(rows, texts, strict=True):
                if text is not None:
                    fields = json.loads(text)
                    yield row, await self._with_owner(Served(**{**fields, "items": tuple(fields["items"])}))

    async def _with_owner(self, served: Served) -> Served:
        """Give a list that a visitor was shown who later said who they are to that user."""
        if served.user_id is not None or served.session_id is None:
            return served
        owner = await _asked(self._client.hget(f"{PREFIX}:sessions", served.session_id))
        return served if owner is None else replace(served, user_id=_text(owner))

    async def _pieces(self, since_row: int) -> AsyncIterator[list[int]]:
        last = int(await _asked(self._client.get(f"{PREFIX}:row")) or 0)
        for start in range(since_row + 1, last + 1, _PIECE_ROWS):
            yield list(range(start, min(start + _PIECE_ROWS, last + 1)))

    async def _events(self, rows: Sequence[int]) -> list[tuple[int, StoredEvent]]:
        names = [_row(row) for row in rows]
        texts = await _asked(self._client.hmget(f"{PREFIX}:events", names))
        owners = await _asked(self._client.hmget(f"{PREFIX}:owner", names))
        found = []
        for row, text, owner in zip(rows, texts, owners, strict=True):
            if text is not None:
                fields = json.loads(text)
                user_id = None if owner is None else owner.decode()
                found.append((row, StoredEvent(**{**fields, "event": Event[fields["event"]], "user_id": user_id})))
        return found

    def counts(self) -> Mapping[str, int]:
        """Return counters of this service since it opened the store (see `EventStore.counts`); nothing is held in memory."""
        memory = dict.fromkeys(("live_shoppers", "live_hits", "live_misses"), 0)
        return {**self._counts, **self._served.counts(), **memory, "waiting_events": self._waiting}

    async def close(self) -> None:
        """Write what waits, then disconnect; again is no error."""
        if self._closed:
            return
        self._closed = True
        self._served.flush()
        await self._served.written()
        await self._client.aclose(close_connection_pool=True)

    async def _run(self, script: str, *words: str | int) -> Any:
        return await _asked(self._scripts[script](args=[PREFIX, *words]))

    async def _rewrite(self) -> None:
        try:
            await _asked(self._client.bgrewriteaof())
        except AisleError as error:
            # One goes on already, or the saving of a snapshot does: Redis writes the next one without it by itself.
            if not isinstance(error.__cause__, ResponseError):
                raise

    def _check_open(self) -> None:
        if self._closed:
            raise AisleError("the event store is closed", hint="the service is stopping: ask another one", code="E058")


_SCRIPTS = ("APPEND", "HISTORIES", "ERASE", "ERASED", "LIFT", "EXPIRE", "SERVED")


async def _check_durable(client: Redis) -> None:
    try:
        settings = await client.config_get(*DURABLE)
    except ResponseError as error:
        raise AisleError(
            f"this Redis does not show its settings: {error}",
            hint=f"allow CONFIG GET, so that {', '.join(DURABLE)} can be looked at before events are accepted",
            code="E057",
        ) from error
    seen = {_text(name): _text(value) for name, value in settings.items()}
    for name, (wanted, why) in DURABLE.items():
        if seen.get(name) != wanted:
            raise AisleError(
                f"this Redis has {name} {seen.get(name)!r}; expected '{wanted}', {why}",
                hint=f"CONFIG SET {name} {wanted}, and the same in redis.conf; or keep the events in a file",
                code="E057",
            )


async def _asked(answer: Awaitable[Any]) -> Any:
    """Wait for Redis; what goes wrong there is an error that the user can mend."""
    try:
        return await answer
    except (RedisError, OSError) as error:
        raise AisleError(
            f"Redis did not do it: {error or type(error).__name__}",
            hint="nothing was acknowledged; look whether Redis runs and has disk and memory, and send it again",
            code="E058",
        ) from error


def _words(event: StoredEvent) -> tuple[str | int, ...]:
    """Return the seven arguments that `redis_scripts.APPEND` takes of an event; the user stands apart, since it may change."""
    body = _json({**asdict(event), "user_id": None, "event": event.event.name})
    # The length keeps an item and a session apart, whatever is in them.
    about = f"{event.event.name} {len(event.item_id)} {event.item_id} {event.session_id or ''}"
    who = (event.event_id or "", event.user_id or "", event.session_id or "")
    return (*who, event.time_us, event.event.name, about, body)


def _json(fields: Mapping[str, Any]) -> str:
    """Write what there is: in a script a null would be something."""
    return json.dumps({name: value for name, value in fields.items() if value is not None}, ensure_ascii=False)


def _raw_event(fields: Mapping[str, Any]) -> RawEvent:
    return RawEvent(fields["item_id"], fields["event"], fields["time_us"])


def _row(row: int) -> str:
    return f"{row:016d}"


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _now_us() -> int:
    return time.time_ns() // 1_000
