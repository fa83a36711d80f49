"""The queue: what waits is done together, nothing waits too long, one failure is told and forgotten."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest

from aisle.serve.batcher import Batcher, Limits
from aisle.serve.problems import ProblemError


class Work:
    """Doubles numbers, remembers the batches, and waits at a gate where it is closed."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.gate, self.begun = threading.Event(), threading.Event()
        self.gate.set()

    def __call__(self, asks: list[int]) -> Sequence[int | Exception]:
        self.batches.append(asks)
        self.begun.set()
        assert self.gate.wait(10)
        if 13 in asks:
            raise ValueError("no 13")
        return [2 * ask for ask in asks]

    async def busy(self, batcher: Batcher[int, int]) -> asyncio.Task[Sequence[int | Exception]]:
        """Close the gate and let the thread run into it."""
        self.gate.clear()
        self.begun.clear()
        task = asyncio.create_task(batcher.ask([0]))
        await asyncio.to_thread(self.begun.wait, 10)
        return task


def run(scenario: Callable[[Batcher[int, int], Work], Coroutine[Any, Any, None]], **limits: Any) -> Work:
    """Run a scenario with a fresh batcher."""
    work = Work()

    async def main() -> None:
        batcher: Batcher[int, int] = Batcher([work], Limits(**limits), "test")
        try:
            await scenario(batcher, work)
        finally:
            work.gate.set()
            await batcher.close()

    asyncio.run(main())
    return work


def test_a_job_at_an_idle_thread_is_done_at_once_and_alone() -> None:
    async def scenario(batcher: Batcher[int, int], work: Work) -> None:
        assert await batcher.ask([1, 2]) == [2, 4]
        assert await batcher.ask([3]) == [6]
        assert batcher.waiting == 0

    assert run(scenario).batches == [[1, 2], [3]]


def test_what_comes_while_the_thread_works_is_done_together() -> None:
    async def scenario(batcher: Batcher[int, int], work: Work) -> None:
        first = await work.busy(batcher)
        later = [asyncio.create_task(batcher.ask([number])) for number in (1, 2, 3)]
        await asyncio.sleep(0)
        assert batcher.waiting == 4
        work.gate.set()
        assert [await task for task in (first, *later)] == [[0], [2], [4], [6]]

    assert run(scenario).batches == [[0], [1, 2, 3]]


def test_a_batch_ends_where_it_is_full() -> None:
    async def scenario(batcher: Batcher[int, int], work: Work) -> None:
        first = await work.busy(batcher)
        later = [asyncio.create_task(batcher.ask([number])) for number in range(1, 6)]
        await asyncio.sleep(0)
        work.gate.set()
        await asyncio.gather(first, *later)

    assert run(scenario, max_batch=2).batches == [[0], [1, 2], [3, 4], [5]]


def test_one_too_many_is_refused_at_once() -> None:
    async def scenario(batcher: Batcher[int, int], work: Work) -> None:
        first = await work.busy(batcher)
        second = asyncio.create_task(batcher.ask([1]))
        await asyncio.sleep(0)
        with pytest.raises(ProblemError) as refused:  # 1 is worked on, 1 waits
            await batcher.ask([2])
        assert (refused.value.status, refused.value.code, refused.value.retry_after_s) == (503, "E069", 1)
        work.gate.set()
        assert [await first, await second] == [[0], [2]]

    assert run(scenario, max_waiting=2).batches == [[0], [1]]


def test_who_has_waited_too_long_is_told_and_not_worked_for() -> None:
    async def scenario(batcher: Batcher[int, int], work: Work) -> None:
        first = await work.busy(batcher)
        with pytest.raises(ProblemError):
            await batcher.ask([1])
        assert not first.done()  # being worked on, it may take longer than a wait may
        work.gate.set()
        assert await first == [0]
        assert await batcher.ask([2]) == [4]

    assert run(scenario, wait_s=0.05, work_s=10).batches == [[0], [2]]


def test_work_that_never_ends_is_given_up() -> None:
    async def scenario(batcher: Batcher[int, int], work: Work) -> None:
        first = await work.busy(batcher)
        with pytest.raises(ProblemError):
            await first

    run(scenario, wait_s=0.02, work_s=0.05)


def test_who_would_wait_too_long_is_refused_before_the_queue_is_full() -> None:
    async def scenario(batcher: Batcher[int, int], work: Work) -> None:
        first = await work.busy(batcher)
        batcher._ask_s = 1.0  # as if each took a second: 1 is worked on, so that the next would wait 1 s
        with pytest.raises(ProblemError, match="1000 ms"):
            await batcher.ask([1])
        work.gate.set()
        await first

    assert run(scenario, wait_s=0.5).batches == [[0]]


def test_a_failure_is_told_to_its_batch_and_forgotten() -> None:
    async def scenario(batcher: Batcher[int, int], work: Work) -> None:
        replies = await batcher.ask([12, 13])
        assert [str(reply) for reply in replies] == ["no 13", "no 13"]
        assert await batcher.ask([14]) == [28]

    run(scenario)


def test_nobody_works_for_a_caller_who_has_gone() -> None:
    async def scenario(batcher: Batcher[int, int], work: Work) -> None:
        first = await work.busy(batcher)
        gone = asyncio.create_task(batcher.ask([1]))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        assert batcher.waiting == 1
        work.gate.set()
        await first

    assert run(scenario).batches == [[0]]


def test_who_is_answered_goes_on_before_the_next_batch_begins() -> None:
    async def scenario(batcher: Batcher[int, int], work: Work) -> None:
        async def ask(number: int) -> int:
            await batcher.ask([number])
            return len(work.batches)

        first = await work.busy(batcher)
        later = [asyncio.create_task(ask(number)) for number in range(1, 5)]
        await asyncio.sleep(0)
        work.gate.set()
        await first
        assert len(work.batches) == 1  # the thread has not gone on yet
        assert await asyncio.gather(*later) == [2] * 4

    run(scenario, max_batch=5)


def test_where_a_whole_batch_waits_the_thread_goes_on_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aisle.serve.batcher._TURN_S", 60)

    async def scenario(batcher: Batcher[int, int], work: Work) -> None:
        first = await work.busy(batcher)
        later = [asyncio.create_task(batcher.ask([number])) for number in range(1, 6)]
        await asyncio.sleep(0)
        work.gate.set()
        end = time.monotonic() + 10
        while len(work.batches) < 3 and time.monotonic() < end:
            time.sleep(0.001)
        assert work.batches == [[0], [1, 2], [3, 4]]
        await asyncio.gather(first, *later)

    assert run(scenario, max_batch=2).batches[3] == [5]


def test_each_worker_has_a_thread_and_none_waits_for_another() -> None:
    """Two batches at once: each worker waits until the other one works too."""
    both = threading.Barrier(2)

    def work(asks: list[int]) -> list[int]:
        both.wait(10)
        return [2 * ask for ask in asks]

    async def main() -> None:
        batcher: Batcher[int, int] = Batcher([work, work], Limits(max_batch=1), "test", turns=False)
        replies = await asyncio.gather(*(batcher.ask([number]) for number in range(4)))
        assert replies == [[0], [2], [4], [6]]
        assert batcher.alive
        await batcher.close()
        assert not batcher.alive

    asyncio.run(main())


def test_closing_finishes_what_waits() -> None:
    async def scenario(batcher: Batcher[int, int], work: Work) -> None:
        first = await work.busy(batcher)
        second = asyncio.create_task(batcher.ask([1]))
        await asyncio.sleep(0)
        closing = asyncio.create_task(batcher.close())
        await asyncio.sleep(0)
        work.gate.set()
        assert [await first, await second] == [[0], [2]]
        await closing

    run(scenario)
