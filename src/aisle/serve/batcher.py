"""Work that is done together: jobs wait in a bounded queue, one thread takes all that wait and does them at once.

The thread never waits for more jobs to come: a job that arrives at an idle thread is started at once, and those that arrive
while it works make the next batch.

After each batch the loop gets a turn of its own before the next one begins. Both threads need the interpreter: without the turn
a busy one keeps the loop from reading requests, which then wait where nobody counts them and nobody answers 503. Where a whole
batch waits already the thread goes on at once: the loop reads while it multiplies, and waiting would not make batches longer.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

from aisle.serve.problems import overloaded

Ask = TypeVar("Ask")
Reply = TypeVar("Reply")

# Longest time that the thread waits for the loop between two batches; only a loop that is stuck takes so long.
_TURN_S = 0.1
_SMOOTHING = 0.05  # weight of the newest batch in the mean time a question


@dataclass(frozen=True)
class Limits:
    """How much may wait, and how long.

    Attributes:
        max_batch: questions in one batch.
        max_waiting: questions in the queue.
        wait_s: longest wait before a job is started.
        work_s: longest time for a job that is started.
    """

    max_batch: int = 32
    max_waiting: int = 1024
    wait_s: float = 0.25
    work_s: float = 10.0


class _Job:
    """Some questions of one caller, and where their replies go."""

    __slots__ = ("asks", "call", "done", "expired", "patient", "started", "timer")

    def __init__(self, asks: Sequence[Any], call: Callable[[], Any] | None, done: asyncio.Future[Any]) -> None:
        self.asks, self.call, self.done = asks, call, done
        self.started = self.patient = self.expired = False
        self.timer: asyncio.TimerHandle | None = None


_Result = tuple[_Job, Any, Exception | None]


class Batcher(Generic[Ask, Reply]):
    """A bounded queue with one thread behind it.

    Args:
        work: does a batch; returns one reply an ask, an exception where that one cannot be answered. Called in the thread.
        limits: of the queue.
        name: of the thread.
        watch: told (questions, seconds) after each batch, in the thread.
    """

    def __init__(
        self,
        work: Callable[[list[Ask]], Sequence[Reply | Exception]],
        limits: Limits,
        name: str,
        watch: Callable[[int, float], None] = lambda questions, seconds: None,
    ) -> None:
        self._work, self._limits, self._watch = work, limits, watch
        self._queue: SimpleQueue[_Job | None] = SimpleQueue()
        self._waiting = 0  # changed in the loop's thread only
        self._ask_s = 0.0
        self._closed = False
        self._loop = asyncio.get_running_loop()
        self._turn = threading.Lock()  # free: the loop has had its turn
        self._turn.acquire()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Questions that are in the queue or being worked on."""
        return self._waiting

    @property
    def alive(self) -> bool:
        """Whether the thread is there; without it nothing is ever answered."""
        return self._thread.is_alive()

    async def ask(self, asks: Sequence[Ask]) -> Sequence[Reply | Exception]:
        """Return the replies to some questions, at most `max_batch` of them, answered in one batch.

        Raises:
            ProblemError: E069 when they would wait, or have waited, longer than the limits allow.
        """
        wait_s = self._waiting * self._ask_s
        if self._waiting + len(asks) > self._limits.max_waiting or wait_s > self._limits.wait_s:
            raise overloaded(wait_s)
        replies: Sequence[Reply | Exception] = await self._put(_Job(asks, None, self._loop.create_future()))
        return replies

    async def call(self, function: Callable[[], Any]) -> Any:
        """Run a function in the thread between two batches, so that no batch sees half of what it changes."""
        return await self._put(_Job((), function, self._loop.create_future()))

    async def close(self) -> None:
        """Finish what waits and end the thread."""
        if not self._closed:
            self._closed = True
            self._queue.put(None)
        await asyncio.to_thread(self._thread.join)

    async def _put(self, job: _Job) -> Any:
        self._waiting += len(job.asks)
        limit_s = self._limits.wait_s if job.call is None else self._limits.work_s
        job.timer = self._loop.call_later(limit_s, self._expire, job)
        self._queue.put(job)
        try:
            return await job.done
        finally:
            job.expired = True  # answered, given up, or the caller has gone: nobody waits for it
            job.timer.cancel()
            self._waiting -= len(job.asks)

    def _expire(self, job: _Job) -> None:
        if job.done.done():
            return
        if job.started and not job.patient:
            job.patient = True  # being worked on: it may take the time that work may take
            job.timer = self._loop.call_later(self._limits.work_s, self._expire, job)
            return
        job.done.set_exception(overloaded(max(self._waiting * self._ask_s, self._limits.wait_s)))

    def _run(self) -> None:
        while (first := self._queue.get()) is not None:
            jobs, size, last = [first], len(first.asks), False
            while size < self._limits.max_batch and first.call is None:
                try:
                    job = self._queue.get_nowait()
                except Empty:
                    break
                if job is None:
                    last = True
                    break
                jobs.append(job)
                size += len(job.asks)
            self._do([job for job in jobs if not job.expired])
            if last:
                return

    def _do(self, jobs: list[_Job]) -> None:
        for job in jobs:
            job.started = True
        asks = [ask for job in jobs for ask in job.asks]
        start = time.perf_counter()
        replies: list[Any] = []
        if asks:
            try:
                replies = list(self._work(asks))
            except Exception as error:  # told to everybody who waits; the thread goes on
                replies = [error] * len(asks)
        results: list[_Result] = []
        place = 0
        for job in jobs:
            if job.call is None:
                results.append((job, replies[place : place + len(job.asks)], None))
                place += len(job.asks)
            else:
                results.append((job, *_try(job.call)))
        seconds = time.perf_counter() - start
        if asks:
            self._watch(len(asks), seconds)
        if not jobs or self._loop.is_closed():
            return
        self._turn.acquire(blocking=False)  # of an earlier batch, where nobody waited for it
        self._loop.call_soon_threadsafe(self._deliver, results)
        if self._queue.qsize() < self._limits.max_batch:
            self._turn.acquire(timeout=_TURN_S)
        if asks:
            mean_s = (time.perf_counter() - start) / len(asks)
            self._ask_s = mean_s if not self._ask_s else self._ask_s + _SMOOTHING * (mean_s - self._ask_s)

    def _deliver(self, results: list[_Result]) -> None:
        """Tell everybody, in the loop's thread; those who wake up write, what has arrived is read, and the thread goes on."""
        for job, reply, error in results:
            if job.done.done():
                continue
            if error is None:
                job.done.set_result(reply)
            else:
                job.done.set_exception(error)
        self._loop.call_soon(self._loop.call_soon, self._loop.call_soon, self._give_turn)

    def _give_turn(self) -> None:
        if self._turn.locked():
            self._turn.release()


def _try(call: Callable[[], Any]) -> tuple[Any, Exception | None]:
    try:
        return call(), None
    except Exception as error:
        return None, error
