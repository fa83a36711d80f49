"""Lists that were served and wait to be written: bounded, and never in the way of an answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager

from aisle.serve.events.config import EventsConfig
from aisle.serve.events.protocol import Served

# So many at once are written without waiting for the clock.
_ENOUGH = 500


class ServedQueue:
    """Collects served lists and writes them in batches.

    Args:
        config: how many may wait, and how long.
        write: begins to write lists; the future ends when that is done.
    """

    def __init__(self, config: EventsConfig, write: Callable[[Sequence[Served]], asyncio.Future[int]]) -> None:
        self._config = config
        self._write = write
        self._waiting: list[Served] = []
        self._writing = self._holds = 0
        self._pending: set[asyncio.Future[int]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._logged = self._dropped = 0

    def add(self, served: Sequence[Served]) -> None:
        """Take lists; those over the bound are dropped and counted."""
        room = max(self._config.queue_served - len(self._waiting) - self._writing, 0)
        self._waiting += served[:room]
        self._dropped += max(len(served) - room, 0)
        if len(self._waiting) >= _ENOUGH:
            self.flush()
        elif self._waiting and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._config.flush_served_s, self.flush)

    def flush(self) -> None:
        """Begin to write what waits, unless it is held."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._holds or not self._waiting:
            return
        lists, self._waiting = self._waiting, []
        self._writing += len(lists)
        writing = self._write(lists)
        self._pending.add(writing)
        writing.add_done_callback(lambda done: self._settle(len(lists), done))

    @contextmanager
    def held(self) -> Iterator[None]:
        """Begin to write what waits now, and let wait what comes while somebody is erased: written then, it might stay."""
        self.flush()
        self._holds += 1
        try:
            yield
        finally:
            self._holds -= 1
            self.flush()

    def forget(self, user_id: str, sessions: Collection[str]) -> None:
        """Drop what waits of a user who was erased, and of the visits that were theirs."""
        self._waiting = [
            one for one in self._waiting if one.user_id != user_id and (one.user_id is not None or one.session_id not in sessions)
        ]

    async def written(self) -> None:
        """Wait until everything that was begun is written or lost."""
        if self._pending:
            await asyncio.wait(self._pending)

    def _settle(self, count: int, done: asyncio.Future[int]) -> None:
        self._pending.discard(done)
        self._writing -= count
        if done.cancelled() or done.exception() is not None:
            self._dropped += count
        else:
            self._logged += done.result()

    def counts(self) -> dict[str, int]:
        """Return how many were written and how many were lost."""
        return {"served_lists": self._logged, "served_dropped": self._dropped}
