"""Work that is done together: jobs wait in a bounded queue, one thread takes all that wait and does them at once.

The thread never waits for more jobs to come: a job that arrives at an idle thread is started at once, and those that arrive
while it works make the next batch.

After each batch the loop gets a turn of its own before the next one begins. Both threads need the interpreter: without the turn
a busy one keeps the loop from reading requests, which then wait where nobody counts them and nobody answers 503. Where a whole
batch waits already the thread goes on at once: the loop reads while it multiplies, and waiting would not make batches longer.

Where the work is done elsewhere, in another process, the thread sends a batch and waits for its replies. Where enough waits for
another it sends that too, so that the other process need not wait for this one in between.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
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


Finish = Callable[[], Sequence[Reply | Exception]]  # returns the replies, when they are there
_Begun = tuple[list[_Job], Callable[[], Sequence[Any]], float]  # a batch: its jobs, how it ends, when it began


class Batcher(Generic[Ask, Reply]):
    """A bounded queue with one thread behind it.

    Args:
        begin: begins a batch and returns how to end it, which gives one reply an ask, an exception where that one cannot be
            answered. Both are called in the thread. `here` makes one of a function that does all of the work.
        limits: of the queue.
        name: of the thread.
        watch: told (questions, seconds) after each batch, in the thread.
        ahead: batches that may be begun while one is waited for; 0 where the thread itself works.
    """

    def __init__(
        self,
        begin: Callable[[list[Ask]], Finish[Reply]],
        limits: Limits,
        name: str,
        watch: Callable[[int, float], None] = lambda questions, seconds: None,
        *,
        ahead: int = 0,
    ) -> None:
        self._begin, self._limits, self._watch, self._ahead = begin, limits, watch, ahead
        self._queue: SimpleQueue[_Job | None] = SimpleQueue()
        self._waiting = 0  # changed in the loop's thread only
        self._ask_s = self._ended_s = 0.0
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
        """Finish what waits and end the thread."""
        if not self._closed:
            self._closed = True
            self._queue.put(None)
        await asyncio.to_thread(self._thread.join)

    def _expire(self, job: _Job) -> None:
        if job.done.done():
            return
        if job.started and not job.patient:
            job.patient = True  # being worked on: it may take the time that work may take
            job.timer = self._loop.call_later(self._limits.work_s, self._expire, job)
            return
        job.done.set_exception(overloaded(max(self._waiting * self._ask_s, self._limits.wait_s)))

    def _run(self) -> None:
        begun: deque[_Begun] = deque()
        more = True
        while more or begun:
            enough = self._queue.qsize() >= self._limits.max_batch // 2
            if begun and not (more and enough and len(begun) <= self._ahead):
                self._finish(*begun.popleft())
            elif more:
                jobs, more = self._take()
                if jobs:
                    begun.append(self._start(jobs))

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

    def _start(self, jobs: list[_Job]) -> _Begun:
        start_s = time.perf_counter()
        for job in jobs:
            job.started = True
        try:
            return jobs, self._begin([ask for job in jobs for ask in job.asks]), start_s
        except Exception as error:
            return jobs, partial(_fail, error), start_s

    def _finish(self, jobs: list[_Job], finish: Callable[[], Sequence[Any]], start_s: float) -> None:
        count = sum(len(job.asks) for job in jobs)
        try:
            replies = list(finish())
        except Exception as error:  # told to everybody who waits; the thread goes on
            replies = [error] * count
        start_s = max(start_s, self._ended_s)  # one that was begun ahead has waited for the one before
        self._ended_s = time.perf_counter()
        self._watch(count, self._ended_s - start_s)
        if self._loop.is_closed():
            return
        results: list[tuple[_Job, Any]] = []
        for job in jobs:
            results.append((job, replies[: len(job.asks)]))
            del replies[: len(job.asks)]
        self._turn.acquire(blocking=False)  # of an earlier batch, where nobody waited for it
        self._loop.call_soon_threadsafe(self._deliver, results)
        if not self._ahead and self._queue.qsize() < self._limits.max_batch:
            self._turn.acquire(timeout=_TURN_S)
        mean_s = (time.perf_counter() - start_s) / count
        self._ask_s = mean_s if not self._ask_s else self._ask_s + _SMOOTHING * (mean_s - self._ask_s)

    def _deliver(self, results: list[tuple[_Job, Any]]) -> None:
        """Tell everybody, in the loop's thread; those who wake up write, what has arrived is read, and the thread goes on."""
        for job, replies in results:
            if not job.done.done():
                job.done.set_result(replies)
        self._loop.call_soon(self._loop.call_soon, self._loop.call_soon, self._give_turn)

    def _give_turn(self) -> None:
        if self._turn.locked():
            self._turn.release()


def here(work: Callable[[list[Ask]], Sequence[Reply | Exception]]) -> Callable[[list[Ask]], Finish[Reply]]:
    """Return how to begin what the thread itself does, all of it when the replies are asked for."""
    return lambda asks: partial(work, asks)


def _fail(error: Exception) -> Sequence[Any]:
    raise error
