"""What an event store promises, whatever it is made of, and the plain records that go in and come out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from aisle.bundle.question import RawEvent
from aisle.errors import AisleError
from aisle.schema.events import Event


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """Something a shopper did.

    Attributes:
        item_id: raw id of the item.
        event: what was done.
        time_us: when, in microseconds since 1970 UTC.
        user_id: raw id of the user; None for somebody who is not logged in.
        session_id: of the visit; one of user_id and session_id is given.
        event_id: the client's own name for this event: a second one with the same name is accepted and not stored again.
            None = never compared.
        request_id: of the answer that showed the item.
        position: the place at which it was shown, from 1.
        quantity: pieces, of a cart or purchase.
        price: of one piece.
        variant: of an experiment.
    """

    item_id: str
    event: Event
    time_us: int
    user_id: str | None = None
    session_id: str | None = None
    event_id: str | None = None
    request_id: str | None = None
    position: int | None = None
    quantity: float | None = None
    price: float | None = None
    variant: str | None = None


@dataclass(frozen=True, slots=True)
class Shopper:
    """Who is asked for: a user, a session, or a user in a session."""

    user_id: str | None = None
    session_id: str | None = None


@dataclass(frozen=True, slots=True)
class Live:
    """What the store knows of a shopper.

    Attributes:
        user_id: the user; of a session, the one that it belongs to, or None.
        events: the latest, oldest first, at most `EventsConfig.live_events`.
        erased: the user was erased, so that what a bundle knows of them must not be used either.
    """

    user_id: str | None
    events: tuple[RawEvent, ...] = ()
    erased: bool = False


@dataclass(frozen=True, slots=True)
class Served:
    """A list that was served, so that what was shown can be judged later.

    Attributes:
        request_id: of the answer.
        items: raw item ids in the order shown, the first at position 1.
        time_us: when.
        bundle: id of the bundle that answered.
        variant: of an experiment.
        user_id: who was shown it; read back, also the user that the session became.
        session_id: in which visit.
    """

    request_id: str
    items: tuple[str, ...]
    time_us: int
    bundle: str
    variant: str | None = None
    user_id: str | None = None
    session_id: str | None = None


@dataclass(frozen=True, slots=True)
class Appended:
    """What became of events: all of them are on disk; some had been there before."""

    stored: int
    repeated: int = 0


@dataclass(frozen=True, slots=True)
class Receipt:
    """Proof that a shopper was erased. It names nobody: it can be kept.

    Attributes:
        receipt_id: to be handed to the shopper.
        time_us: when.
        events: how many were removed.
        served: how many served lists were removed.
        sessions: how many visits were removed.
    """

    receipt_id: str
    time_us: int
    events: int
    served: int
    sessions: int


class StoreBusyError(AisleError):
    """More events wait to be written than may: nothing was stored, ask again (E053).

    Attributes:
        retry_after_s: when asking again makes sense.
    """

    def __init__(self, waiting: int, limit: int, retry_after_s: int = 1) -> None:
        super().__init__(
            f"{waiting:,} events wait to be written; expected at most {limit:,}",
            hint=f"send these again in {retry_after_s} s; if this stays, the disk is too slow for the load",
            code="E053",
        )
        self.retry_after_s = retry_after_s


class EventLog(Protocol):
    """What can be read back, oldest row first; rows of one store only ever grow."""

    def read(self, since_row: int = 0) -> AsyncIterator[tuple[int, StoredEvent]]:
        """Yield (row, event) after a row."""

    def read_served(self, since_row: int = 0) -> AsyncIterator[tuple[int, Served]]:
        """Yield (row, served list) after a row."""

    async def close(self) -> None:
        """Let go of it."""


class EventStore(EventLog, Protocol):
    """Where events are kept while the service runs. Every method belongs to the event loop that opened the store."""

    @property
    def alive(self) -> bool:
        """Whether it can go on, whatever its disk or Redis can do just now; where not, only a new process helps."""

    async def append(self, events: Sequence[StoredEvent]) -> Appended:
        """Store events: all or none. Returns when they are on disk and the next `histories` reflects them.

        Raises:
            AisleError: E050, E051, E052 for an event that cannot be, E053 (StoreBusyError) where too many wait, E058 where they
                could not be written: nothing was acknowledged then, and the same events may be sent again.
        """

    async def histories(self, shoppers: Sequence[Shopper], since_us: int = 0) -> list[Live]:
        """Return what each shopper did at or after a time, in the order of the shoppers.

        An event whose lifetime is over is not in it, whether or not `expire` has removed it yet.
        """

    async def erase(self, user_id: str) -> Receipt:
        """Remove a user: events, sessions, served lists, memory. Returns when that is on disk.

        From now on `erased` says so, until the erasure is lifted.
        """

    async def erased(self, user_id: str) -> bool:
        """Say whether a user was erased and the erasure was not lifted."""

    async def lift(self, before_us: int) -> int:
        """Forget erasures from before a time, once no bundle in use was made from older data; return how many.

        Their receipts stay.
        """

    async def expire(self, now_us: int) -> dict[str, int]:
        """Remove what has outlived its lifetime; return kind -> how many, with "served" and "sessions" for those."""

    def log_impressions(self, served: Sequence[Served]) -> None:
        """Put served lists aside to be written within a second or at close; over the bound they are dropped and counted."""

    def counts(self) -> Mapping[str, int]:
        """Return counters since the store was opened, and what waits now.

        Keys: appended_events, repeated_events, refused_busy, commits, waiting_events, served_lists, served_dropped,
        live_shoppers, live_hits, live_misses, erased_users, expired_events.
        """
