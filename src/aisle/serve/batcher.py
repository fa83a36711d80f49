"""Work that is done together: jobs wait in a bounded queue, a thread takes all that wait and does them at once.

A thread never waits for more jobs to come: a job that arrives at an idle thread is started at once, and those that arrive while
it works make the next batch. There is one thread, or one for each process that works elsewhere.

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

    __slots__ = ("asks", "done", "expired", "patient", "started", "timer")

    def __init__(self, asks: Sequence[Any], done: asyncio.Future[Any]) -> None:
        self.asks, self.done = asks, done
        self.started = self.patient = self.expired = False
        self.timer: asyncio.TimerHandle | None = None


class Batcher(Generic[Ask, Reply]):
    """A bounded queue with threads behind it.

    Args:
        workers: each does a batch, called in a thread of its own; returns one reply an ask, an exception where that one cannot
            be answered.
        limits: of the queue.
        name: of the threads.
        watch: told (questions, seconds) after each batch, in its thread.
        turns: let the loop have its turn after each batch; where the work is done in other processes it needs none.
    """

    def __init__(
        self,
        workers: Sequence[Callable[[list[Ask]], Sequence[Reply | Exception]]],
        limits: Limits,
        name: str,
        watch: Callable[[int, float], None] = lambda questions, seconds: None,
        *,
        turns: bool = True,
    ) -> None:
        self._limits, self._watch, self._turns = limits, watch, turns
        self._queue: SimpleQueue[_Job | None] = SimpleQueue()
        self._waiting = 0  # changed in the loop's thread only
        self._ask_s = 0.0
        self._closed = False
        self._loop = asyncio.get_running_loop()
        self._turn = threading.Lock()  # free: the loop has had its turn
        self._turn.acquire()
        self._threads = [threading.Thread(target=self._run, args=(work,), name=name, daemon=True) for work in workers]
        for thread in self._threads:
            thread.start()

    @property
    def waiting(self) -> int:
        """Questions that are in the queue or being worked on."""
        return self._waiting

    @property
    def alive(self) -> bool:
        """Whether the threads are there; without them nothing is ever answered."""
        return all(thread.is_alive() for thread in self._threads)

    async def ask(self, asks: Sequence[Ask]) -> Sequence[Reply | Exception]:
        """Return the replies to some questions, at most `max_batch` of them, answered in one batch.

        Raises:
            ProblemError: E069 when they would wait, or have waited, longer than the limits allow.
        """
        if not asks:
            return []
        wait_s = self._waiting * self._ask_s
        if self._waiting + len(asks) > self._limits.max_waiting or wait_s > self._limits.wait_s:
            raise overloaded(wait_s)
        job = _Job(asks, self._loop.create_future())
        self._waiting += len(asks)
        job.timer = self._loop.call_later(self._limits.wait_s, self._expire, job)
        self._queue.put(job)
        try:
            replies: Sequence[Reply | Exception] = await job.done
            return replies
        finally:
            job.expired = True  # answered, given up, or the caller has gone: nobody waits for it
            job.timer.cancel()
            self._waiting -= len(asks)

    async def close(self) -> None:
        """Finish what waits and end the threads."""
        if not self._closed:
            self._closed = True
            self._queue.put(None)
        for thread in self._threads:
            await asyncio.to_thread(thread.join)

    def _expire(self, job: _Job) -> None:
        if job.done.done():
            return
        if job.started and not job.patient:
            job.patient = True  # being worked on: it may take the time that work may take
            job.timer = self._loop.call_later(self._limits.work_s, self._expire, job)
            return
        job.done.set_exception(overloaded(max(self._waiting * self._ask_s, self._limits.wait_s)))

    def _run(self, work: Callable[[list[Ask]], Sequence[Reply | Exception]]) -> None:
        more = True
        while more:
            jobs, more = self._take()
            if jobs:
                self._do(work, jobs)
        self._queue.put(None)  # for the next thread

    def _take(self) -> tuple[list[_Job], bool]:
        """Wait for a job and take what waits with it, up to a batch; returns whether more may come."""
        job = self._queue.get()
        jobs: list[_Job] = []
        size = 0
        while job is not None:
            jobs.append(job)
            size += len(job.asks)
            if size >= self._limits.max_batch:
                break
            try:
                job = self._queue.get_nowait()
            except Empty:
                break
        return [one for one in jobs if not one.expired], job is not None

    def _do(self, work: Callable[[list[Ask]], Sequence[Reply | Exception]], jobs: list[_Job]) -> None:
        for job in jobs:
            job.started = True
        asks = [ask for job in jobs for ask in job.asks]
        start = time.perf_counter()
        try:
            replies = list(work(asks))
        except Exception as error:  # told to everybody who waits; the thread goes on
            replies = [error] * len(asks)
        self._watch(len(asks), time.perf_counter() - start)
        if self._loop.is_closed():
            return
        results: list[tuple[_Job, Any]] = []
        place = 0
        for job in jobs:
            results.append((job, replies[place : place + len(job.asks)]))
            place += len(job.asks)
        if self._turns:
            self._turn.acquire(blocking=False)  # of an earlier batch, where nobody waited for it
        self._loop.call_soon_threadsafe(self._deliver, results)
        if self._turns and self._queue.qsize() < self._limits.max_batch:
            self._turn.acquire(timeout=_TURN_S)
        mean_s = (time.perf_counter() - start) / len(asks) / len(self._threads)
        self._ask_s = mean_s if not self._ask_s else self._ask_s + _SMOOTHING * (mean_s - self._ask_s)

    def _deliver(self, results: list[tuple[_Job, Any]]) -> None:
        """Tell everybody, in the loop's thread; those who wake up write, what has arrived is read, and the thread goes on."""
        for job, replies in results:
            if not job.done.done():
                job.done.set_result(replies)
        if self._turns:
            self._loop.call_soon(self._loop.call_soon, self._loop.call_soon, self._give_turn)

    def _give_turn(self) -> None:
        if self._turn.locked():
            self._turn.release()
