"""Whatever the disk does, those who wait are told, and the writer goes on."""

from __future__ import annotations

import asyncio
import sqlite3
from typing import Any

from aisle.serve.events.writer import Job, Writer, _transaction


class GoneDisk:
    """A connection whose disk goes away between the writing and its end: neither COMMIT nor ROLLBACK can be done."""

    in_transaction = True

    def execute(self, statement: str) -> None:
        if statement in ("COMMIT", "ROLLBACK"):
            raise sqlite3.OperationalError("disk I/O error")


def test_a_disk_that_refuses_commit_and_rollback_is_told_to_everybody() -> None:
    async def told() -> list[Any]:
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        job = Job(work=lambda connection: "written", after=lambda value: value, done=done, size=1)
        return _transaction(GoneDisk(), [job, job])  # type: ignore[arg-type]

    outcomes = asyncio.run(told())
    assert [value for _, value, _ in outcomes] == [None, None]
    assert all("could not be written: disk I/O error" in str(error) for _, _, error in outcomes)


def test_a_bug_after_the_writing_is_told_to_its_own_caller_and_the_writer_goes_on() -> None:
    def forgets(value: object) -> object:
        raise KeyError("a bug")

    async def told() -> tuple[list[Any], int]:
        writer = Writer(sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False), 10, 10)
        both = [writer.put(lambda connection: "written", after, 1) for after in (forgets, lambda value: value)]
        answers = await asyncio.wait_for(asyncio.gather(*both, return_exceptions=True), 10)
        waiting = writer.waiting
        assert writer.alive
        await writer.close()
        assert not writer.alive
        return answers, waiting

    (error, value), waiting = asyncio.run(told())
    assert isinstance(error, KeyError)
    assert (value, waiting) == ("written", 0)
