"""The latest events of the shoppers who were here last, in memory: what a recommendation reads without touching the disk.

It belongs to one thread (the event loop's). What is read from disk while something new arrives is told to be read again, so
an entry is never behind what was acknowledged.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from aisle.bundle.question import RawEvent
from aisle.serve.events.config import KINDS, EventsConfig


class Key(NamedTuple):
    """Whose events: of a user, or of a session as long as it belongs to nobody."""

    kind: Literal["user", "session"]
    id: str


@dataclass(frozen=True, slots=True)
class Entry:
    """What is known under a key.

    Attributes:
        events: the latest, oldest first.
        last_row: the newest row that is in, so that no event is counted twice.
        owner: of a session, the user it belongs to.
    """

    events: tuple[RawEvent, ...] = ()
    last_row: int = 0
    owner: str | None = None


@dataclass(slots=True)
class Fill:
    """A read from disk that goes on, and the keys that changed meanwhile."""

    keys: frozenset[Key]
    stale: set[Key] = field(default_factory=set)


class LiveHistories:
    """At most `live_shoppers` entries of `live_events` events each; who was not asked for longest goes first."""

    def __init__(self, config: EventsConfig) -> None:
        self._config = config
        self._entries: OrderedDict[Key, Entry] = OrderedDict()
        self._fills: list[Fill] = []
        self.hits = self.misses = 0

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: Key) -> Entry | None:
        """Return an entry, or None where the disk must be asked."""
        entry = self._entries.get(key)
        if entry is None:
            self.misses += 1
            return None
        self.hits += 1
        self._entries.move_to_end(key)
        return entry

    def begin(self, keys: Iterable[Key]) -> Fill:
        """Say that these keys are being read from disk."""
        fill = Fill(frozenset(keys))
        self._fills.append(fill)
        return fill

    def end(self, fill: Fill, entries: Mapping[Key, Entry]) -> set[Key]:
        """Take what was read; return the keys that changed meanwhile and must be read again."""
        self._fills.remove(fill)
        for key, entry in entries.items():
            if key not in fill.stale:
                self._entries[key] = entry
                self._entries.move_to_end(key)
        while len(self._entries) > self._config.live_shoppers:
            self._entries.popitem(last=False)
        return fill.stale

    def add(self, key: Key, row: int, event: RawEvent) -> None:
        """Take a stored event in."""
        self._mark(key)
        entry = self._entries.get(key)
        if entry is None or row <= entry.last_row:
            return
        events = list(entry.events)
        insort(events, event, key=_time)
        self._entries[key] = Entry(tuple(events[-self._config.live_events :]), row, entry.owner)

    def forget(self, key: Key) -> None:
        """Read this key from disk the next time."""
        self._mark(key)
        self._entries.pop(key, None)

    def clear(self) -> None:
        """Read everything from disk the next time."""
        for fill in self._fills:
            fill.stale |= fill.keys
        self._entries.clear()

    def _mark(self, key: Key) -> None:
        for fill in self._fills:
            if key in fill.keys:
                fill.stale.add(key)


def unexpired(events: Sequence[RawEvent], since_us: int, now_us: int, config: EventsConfig) -> tuple[RawEvent, ...]:
    """Keep the events at or after a time whose lifetime is not over.

    Args:
        events: oldest first.
        since_us: the time.
        now_us: the time it is.
        config: the lifetimes.
    """
    kept = tuple(events[bisect_left(events, since_us, key=_time) :])
    if not kept or kept[0].time_us >= now_us - config.shortest_us:
        return kept
    alive_us = {event.name: now_us - config.lifetime_us(event) for event in KINDS}
    return tuple(event for event in kept if event.time_us >= alive_us[event.event])


def _time(event: RawEvent) -> int:
    return event.time_us
