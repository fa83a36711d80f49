"""The queue: what waits is done together, nothing waits too long, one failure is told and forgotten."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest

from aisle.serve.batcher import Batcher, Limits, here
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
        batcher: Batcher[int, int] = Batcher(here(work), Limits(**limits), "test")
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


class Elsewhere:
    """Doubles numbers in another place: a batch is sent when one gate opens, and done when another does."""

    def __init__(self) -> None:
        self.sent: list[list[int]] = []
        self.begun, self.send, self.done = (threading.Event() for _ in range(3))
        self.waited_for: list[list[list[int]]] = []  # what was sent when the thread began to wait for a batch

    def __call__(self, asks: list[int]) -> Callable[[], Sequence[int | Exception]]:
        self.begun.set()
        assert self.send.wait(10)
        if 13 in asks:
            raise ValueError("no 13")
        self.sent.append(asks)

        def finish() -> Sequence[int | Exception]:
            self.waited_for.append(list(self.sent))
            assert self.done.wait(10)
            return [2 * ask for ask in asks]

        return finish


async def ask_elsewhere(work: Elsewhere, numbers: Sequence[int], ahead: int) -> list[Sequence[int | Exception]]:
    """Ask for 0 and then, while that is being sent, for more, one at a time, in batches of 4."""
    batcher: Batcher[int, int] = Batcher(work, Limits(max_batch=4), "test", ahead=ahead)
    tasks = [asyncio.create_task(batcher.ask([0]))]
    await asyncio.to_thread(work.begun.wait, 10)
    tasks += [asyncio.create_task(batcher.ask([number])) for number in numbers]
    await asyncio.sleep(0)
    work.send.set()
    work.done.set()
    replies = await asyncio.gather(*tasks)
    await batcher.close()
    return replies


@pytest.mark.parametrize(
    ("ahead", "numbers", "sent"),
    [(1, [1, 2], [[0], [1, 2]]), (1, [1], [[0]]), (0, [1, 2], [[0]]), (1, [1, 2, 3, 4, 5, 6], [[0], [1, 2, 3, 4]])],
    ids=["half a batch waits", "less waits", "not ahead", "one batch ahead, not two"],
)
def test_while_one_batch_is_waited_for_the_next_is_sent_where_half_of_one_waits(
    ahead: int, numbers: list[int], sent: list[list[int]]
) -> None:
    work = Elsewhere()
    assert asyncio.run(ask_elsewhere(work, numbers, ahead)) == [[0], *([2 * number] for number in numbers)]
    assert work.waited_for[0] == sent
    assert [number for batch in work.sent for number in batch] == [0, *numbers]


def test_a_batch_that_cannot_be_sent_is_told_so_and_those_on_their_way_are_answered() -> None:
    work = Elsewhere()
    replies = asyncio.run(ask_elsewhere(work, [12, 13], ahead=1))
    assert [str(one) for (one,) in replies] == ["0", "no 13", "no 13"]


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
