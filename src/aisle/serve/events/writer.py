"""One thread that writes: everything that waits goes into one transaction, so one wait for the disk serves many requests."""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from aisle.errors import AisleError
from aisle.serve.events.protocol import StoreBusyError


@dataclass(frozen=True, slots=True)
class Job:
    """Something to write.

    Attributes:
        work: does it, inside a transaction; what it returns goes to `after`. It refuses (AisleError) before it writes.
        after: called in the event loop once it is on disk, before whoever waits goes on; returns what they get.
        done: what they wait for.
        size: events in it, for the bound.
        wipes: it removes what must be gone from the disk before whoever waits is told.
    """

    work: Callable[[sqlite3.Connection], Any]
    after: Callable[[Any], Any]
    done: asyncio.Future[Any]
    size: int
    wipes: bool = False


Outcome = tuple[Job, Any, BaseException | None]


class Writer:
    """Writes jobs in the order they came.

    Args:
        connection: to the database, from here on the thread's own.
        limit: events that may wait.
        batch: events in one transaction, unless a single job has more.
    """

    def __init__(self, connection: sqlite3.Connection, limit: int, batch: int) -> None:
        self._connection = connection
        self._limit = limit
        self._batch = batch
        self._loop = asyncio.get_running_loop()
        self._queue: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._closing = self._wipe_due = False
        self.waiting = self.commits = self.refused = 0
        self._thread = threading.Thread(target=self._run, name="aisle-events-writer", daemon=True)
        self._thread.start()

    def put(
        self, work: Callable[[sqlite3.Connection], Any], after: Callable[[Any], Any], size: int = 0, *, wipes: bool = False
    ) -> asyncio.Future[Any]:
        """Queue a job; the future ends when it is on disk. One without a size is never refused as busy.

        Raises:
            AisleError: E053 (StoreBusyError) where too much waits, E058 where the store is closed.
        """
        if self._closing:
            raise AisleError("the event store is closed", hint="the service is stopping: ask another one", code="E058")
        if size and self.waiting and self.waiting + size > self._limit:
            self.refused += 1
            raise StoreBusyError(self.waiting, self._limit)
        self.waiting += size
        done: asyncio.Future[Any] = self._loop.create_future()
        self._queue.put(Job(work, after, done, size, wipes))
        return done

    @property
    def alive(self) -> bool:
        """Whether the thread is there; without it nothing is ever written."""
        return self._thread.is_alive()

    async def close(self) -> None:
        """Write what waits, then stop."""
        if not self._closing:
            self._closing = True
            self._queue.put(None)
        await asyncio.to_thread(self._thread.join)
        # The outcomes of the last transaction stand in the loop's own queue: one round lets them through.
        await asyncio.sleep(0)

    def _run(self) -> None:
        going = True
        while going:
            jobs, going = self._take()
            outcomes = _transaction(self._connection, jobs)
            self._wipe_due |= any(job.wipes for job in jobs)
            if self._wipe_due:
                self._wipe_due = not _wipe(self._connection)
            self._loop.call_soon_threadsafe(self._settle, outcomes)
        # Closing the last connection copies the log into the database and removes it.
        self._connection.close()

    def _take(self) -> tuple[list[Job], bool]:
        """Wait for a job, then take with it whatever else waits."""
        jobs: list[Job] = []
        size = 0
        job = self._queue.get()
        while job is not None:
            jobs.append(job)
            size += job.size
            if size >= self._batch:
                break
            try:
                job = self._queue.get_nowait()
            except queue.Empty:
                break
        return jobs, job is not None

    def _settle(self, outcomes: Sequence[Outcome]) -> None:
        """In the event loop: first everything that readers look at, then whoever waits."""
        self.commits += bool(outcomes)
        results: list[tuple[asyncio.Future[Any], Any, BaseException | None]] = []
        for job, value, error in outcomes:
            self.waiting -= job.size
            try:
                results.append((job.done, job.after(value) if error is None else None, error))
            except Exception as bug:  # told to whoever waits for it; the others go on
                results.append((job.done, None, bug))
        for done, result, error in results:
            # A client that went away has cancelled its wait; its events are on disk all the same.
            if done.done():
                continue
            if error is None:
                done.set_result(result)
            else:
                done.set_exception(error)


def _transaction(connection: sqlite3.Connection, jobs: Sequence[Job]) -> list[Outcome]:
    """Write all jobs or, where the disk fails, none; a job that refuses is left out."""
    outcomes: list[Outcome] = []
    if not jobs:
        return outcomes
    try:
        connection.execute("BEGIN IMMEDIATE")
        for job in jobs:
            try:
                outcomes.append((job, job.work(connection), None))
            except AisleError as error:
                outcomes.append((job, None, error))
        connection.execute("COMMIT")
    except Exception as error:  # whatever it is: those who wait are told, and the thread goes on
        if connection.in_transaction:
            with suppress(sqlite3.Error):  # a disk that is gone refuses this too; the thread must outlive it
                connection.execute("ROLLBACK")
        return [(job, None, not_written(error)) for job in jobs]
    return outcomes


def _wipe(connection: sqlite3.Connection) -> bool:
    """Move all into the database, where what was removed is overwritten, and cut the log; False while that is being read."""
    try:
        busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.Error:
        return False
    return not busy


def not_written(error: Exception) -> AisleError:
    """Return the error of events that could not be written."""
    return AisleError(
        f"the events could not be written: {error}",
        hint="nothing was acknowledged; free disk space or look at the disk, and send them again",
        code="E058",
    )
