"""The load client against servers whose answers and delays are known: what it measures, what it counts, what it refuses."""

from __future__ import annotations

import asyncio
import gc
import json
import subprocess
import threading
import warnings
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.serve.load import Load, LoadError, Measured, compile_client, compiler, measure
from benchmarks.serve.search import Limits, highest_rate

Answer = Callable[[int, bytes], Awaitable[bytes]]  # the number of the request and its body -> the whole answer
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if compiler() is None:
        pytest.skip("SKIPPED: no C compiler (cc, gcc or clang) on this machine")
    return compile_client(tmp_path_factory.mktemp("client"))


@contextmanager
def serving(answer: Answer) -> Iterator[int]:
    """A server in a thread of its own that answers each request of a connection in turn; gives its port."""
    ready, count = threading.Event(), iter(range(1_000_000))
    started: list[tuple[asyncio.AbstractEventLoop, asyncio.Event, int]] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                size = int(head.partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
                writer.write(await answer(next(count), await reader.readexactly(size)))
                await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            pass  # the client has left, the test is over, or the test cuts the connection
        finally:
            # Not close: that waits for what a client that has left will never read, and Python warns in some later test.
            writer.transport.abort()

    async def main() -> None:
        stop = asyncio.Event()
        async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
            started.append((asyncio.get_running_loop(), stop, server.sockets[0].getsockname()[1]))
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=asyncio.run, args=[main()])
    thread.start()
    assert ready.wait(10)
    loop, stop, port = started[0]
    try:
        yield port
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        with warnings.catch_warnings():
            # A connection that came while the loop ended was closed by nobody: it is let go here, not in some later test.
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()


async def at_once(number: int, body: bytes) -> bytes:
    return OK


def even(port: int, **more: object) -> Load:
    """100 requests a second for one second, evenly: 100 requests are due."""
    return replace(Load(port, "/", rate=100, seconds=1, warmup_s=0.2, poisson=False, connections=4), **more)  # type: ignore[arg-type]


def test_every_due_request_is_counted_once_and_warm_up_is_left_out(client: Path) -> None:
    with serving(at_once) as port:
        seen = measure(even(port), client)
    assert (seen.due, seen.sent, seen.done, seen.failed) == (100, 100, 100, 0)
    assert seen.status == {"200": 100}
    assert seen.good_rate == pytest.approx(100, rel=0.05)


def test_a_delay_of_the_server_is_what_is_measured(client: Path) -> None:
    async def after_30_ms(number: int, body: bytes) -> bytes:
        await asyncio.sleep(0.030)
        return OK

    with serving(after_30_ms) as port:
        seen = measure(even(port, connections=16), client)  # 100/s x 0.030 s = 3 at a time: never waits for a connection
    assert 30 <= seen.latency_ms["p50"] < 60


def test_a_stall_makes_everything_behind_it_late(client: Path) -> None:
    """One connection, one stall of 200 ms, a request due every 10 ms: 20 requests wait 200, 190, ..., 10 ms.

    A closed loop would report one slow request of 100, and p90 would be that of a quick one. Here 20 of 100 are slow, of which
    10 of more than 100 ms: p90 is about 100 ms, p99 about 190 ms.
    """

    async def stall_once(number: int, body: bytes) -> bytes:
        if number == 50:  # 20 of the warm-up, then the 31st that is measured
            await asyncio.sleep(0.200)
        return OK

    with serving(stall_once) as port:
        seen = measure(even(port, connections=1), client)
    assert seen.latency_ms["max"] >= 200
    assert 180 <= seen.latency_ms["p99"] <= 260
    assert 80 <= seen.latency_ms["p90"] <= 160
    assert seen.failed == 0


def test_what_never_comes_is_a_timeout_and_stands_in_the_latencies(client: Path) -> None:
    async def never_the_tenth(number: int, body: bytes) -> bytes:
        if number % 10 == 9:
            await asyncio.sleep(60)
        return OK

    with serving(never_the_tenth) as port:
        seen = measure(even(port, connections=32, timeout_s=0.3), client)
    assert seen.timeouts == 10
    assert seen.due == seen.done + seen.timeouts
    assert seen.latency_ms["p99"] >= 300
    assert seen.failed == 10


def test_answers_that_are_no_2xx_are_failures_with_their_status(client: Path) -> None:
    async def every_fourth_503(number: int, body: bytes) -> bytes:
        return OK.replace(b"200 OK", b"503 Busy") if number % 4 == 0 else OK

    with serving(every_fourth_503) as port:
        seen = measure(even(port), client)
    assert seen.status == {"200": 75, "503": 25}
    assert seen.failed == 25
    assert not Limits({"p99": 1000.0}).kept(seen)


def test_a_connection_that_is_cut_is_an_error_and_is_opened_again(client: Path) -> None:
    async def cut_one(number: int, body: bytes) -> bytes:
        if number == 60:
            raise ConnectionError
        return OK

    with serving(cut_one) as port:
        seen = measure(even(port), client)
    assert (seen.errors, seen.done, seen.failed) == (1, 99, 1)
    assert seen.reopened >= 1


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=1\r\n world\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n" + b"x" * 100_000,
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}",
        b"HTTP/1.1 204 No Content\r\n\r\n",
    ],
    ids=["chunked", "long", "close", "empty"],
)
def test_every_way_to_end_an_answer_is_understood(client: Path, answer: bytes) -> None:
    async def same(number: int, body: bytes) -> bytes:
        return answer

    with serving(same) as port:
        seen = measure(even(port, seconds=0.3), client)
    assert (seen.done, seen.failed) == (30, 0)


def test_bodies_are_drawn_by_the_seed(client: Path, tmp_path: Path) -> None:
    bodies = tmp_path / "bodies.jsonl"
    bodies.write_text("".join(json.dumps({"user_id": f"u{number}"}) + "\n" for number in range(50)))
    drawn: list[bytes] = []

    async def note(number: int, body: bytes) -> bytes:
        drawn.append(body)
        return OK

    orders = []
    for seed in (3, 3, 4):
        drawn.clear()
        with serving(note) as port:
            measure(even(port, bodies=bodies, seed=seed, connections=1, seconds=0.5, warmup_s=0), client)
        orders.append(list(drawn))
    assert orders[0] == orders[1] != orders[2]
    assert set(orders[0]) <= set(bodies.read_bytes().splitlines())
    assert len(set(orders[0])) > 20  # 50 draws of 50 are 32 different ones on average


def test_random_arrivals_keep_the_rate(client: Path) -> None:
    with serving(at_once) as port:
        seen = measure(even(port, rate=400, poisson=True), client)
    assert 320 <= seen.due <= 480  # 400 +- 4 standard deviations of 20


def test_only_this_machine_is_loaded(client: Path) -> None:
    for host in ("192.168.1.1", "0.0.0.0", "example.org"):  # noqa: S104 - refused
        done = subprocess.run([client, "--port=80", f"--host={host}"], capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert "only loads its own machine" in done.stderr


def test_nobody_there_and_no_bodies_are_said(client: Path, tmp_path: Path) -> None:
    with serving(at_once) as port:
        (tmp_path / "empty").touch()
        with pytest.raises(LoadError, match="holds no body"):
            measure(even(port, bodies=tmp_path / "empty"), client)
    with pytest.raises(LoadError, match="0 of 4 connections"):
        measure(even(port), client)


def seen_at(rate: float, p99_ms: float) -> Measured:
    latency = {"p50": 1.0, "p90": 2.0, "p99": p99_ms, "p99.9": p99_ms, "max": p99_ms}
    return Measured(rate, rate, 100, 100, 100, 0, 0, 0, {"200": 100}, latency, latency, 0.1, 1.0)


@pytest.mark.parametrize("start", [50.0, 700.0, 9_000.0])
def test_the_search_ends_just_below_the_highest_rate_that_holds(start: float) -> None:
    found = highest_rate(lambda rate: seen_at(rate, 10 if rate <= 730 else 40), Limits({"p99": 25.0}), start=start)
    assert 730 / 1.04 <= found.rate <= 730
    assert found.best is not None
    assert found.best.asked_rate == found.rate


def test_a_server_that_gets_faster_while_it_is_asked_is_asked_again() -> None:
    """Holds 100/s at first and 900/s after 10 measurements, as a server does that compiles while it runs."""
    asked: list[float] = []

    def probe(rate: float) -> Measured:
        asked.append(rate)
        return seen_at(rate, 10 if rate <= (100 if len(asked) < 10 else 900) else 40)

    found = highest_rate(probe, Limits({"p99": 25.0}), start=50)
    assert 900 / 1.04 <= found.rate <= 900


def test_a_server_that_holds_nothing_has_rate_zero() -> None:
    found = highest_rate(lambda rate: seen_at(rate, 99), Limits({"p99": 25.0}), start=100)
    assert (found.rate, found.best) == (0.0, None)
