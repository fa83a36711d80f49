"""Callers that are slow, broken or too many: each is told or cut off, and nobody else notices. Against a real process."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import socket
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import uvicorn
import uvloop
from uvicorn.server import ServerState

from aisle.serve import connections
from aisle.serve.connections import Joined, bounded
from aisle.serve.settings import Settings
from tests.serve.fakes import make_service
from tests.serve.process import PATIENCE_S, Served, serving, until

QUESTION = b'{"user_id": "u0000017", "k": 1}'
HEAD = b"POST /v1/recommend HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
WHOLE = HEAD + b"Content-Length: %d\r\n\r\n" % len(QUESTION) + QUESTION


@pytest.fixture(scope="module")
def served(bundle_of: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    limits: dict[str, Any] = {
        "header_timeout_s": 0.4,
        "body_timeout_s": 0.4,
        "keep_alive_s": 1,
        "max_connections": 20,
        "max_body_bytes": 4096,
    }
    with serving(tmp_path_factory.mktemp("served"), bundle_of("popularity"), drain_s=0, **limits) as served:
        yield served
        assert served.end() == 0


def read_all(connection: socket.socket) -> bytes:
    """Read until the service closes the connection."""
    chunks = []
    try:
        while chunk := connection.recv(65536):
            chunks.append(chunk)
    except ConnectionResetError:
        pass
    return b"".join(chunks)


def read_one(connection: socket.socket) -> bytes:
    """Read one answer of a connection that stays open."""
    answer = b""
    while not (length := re.search(rb"content-length: (\d+)", answer)) or len(answer.partition(b"\r\n\r\n")[2]) < int(length[1]):
        chunk = connection.recv(65536)
        assert chunk, answer
        answer += chunk
    return answer


def told(answer: bytes) -> tuple[int, Any]:
    """Status and body of the last answer."""
    head, _, body = answer.rpartition(b"\r\n\r\n")
    return int(head.split(b"HTTP/1.1 ")[-1][:3]), json.loads(body)


def all_is_well(served: Served) -> None:
    with served.client() as client:
        assert client.post("/v1/recommend", json={"user_id": "u0000017"}).status_code == 200


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /v1/recommend HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"POST /v1/recommend HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET / HTTP/1.1\r\nbad header\r\n\r\n",
    ],
)
def test_what_is_no_http_gets_a_400(served: Served, sent: bytes) -> None:
    with served.connect() as connection:
        connection.sendall(sent)
        status, body = told(read_all(connection))
    assert (status, body["error"]["code"]) == (400, "E074")
    all_is_well(served)


def test_a_caller_who_says_nothing_is_cut_off(served: Served) -> None:
    with served.connect() as connection:
        assert read_all(connection) == b""


@pytest.mark.parametrize(
    "begun",
    [b"POST /v1/rec", HEAD, HEAD + b"Content-Length: 100\r\n\r\n{", HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n"],
)
def test_a_request_that_does_not_arrive_in_time_gets_a_408(served: Served, begun: bytes) -> None:
    with served.connect() as connection:
        connection.sendall(begun)
        status, body = told(read_all(connection))
    assert (status, body["error"]["code"]) == (408, "E073")
    all_is_well(served)


def test_a_head_that_drips_is_given_up_after_the_same_time(served: Served) -> None:
    with served.connect() as connection:
        connection.sendall(HEAD)
        try:
            for number in range(1000):
                connection.settimeout(0.05)
                connection.sendall(b"X-%d: a\r\n" % number)
                try:
                    answer = connection.recv(65536)
                    break
                except TimeoutError:
                    continue
        except (BrokenPipeError, ConnectionResetError):
            answer = b""
    assert answer == b"" or told(answer)[0] == 408


def test_an_endless_head_is_refused(served: Served) -> None:
    with served.connect() as connection:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(HEAD + b"X: " + b"a" * 400_000)
        answer = read_all(connection)
    assert answer == b"" or told(answer)[0] == 431
    all_is_well(served)


def test_a_large_body_is_refused_before_it_is_sent_and_the_connection_goes_on(served: Served) -> None:
    with served.connect() as connection:
        connection.sendall(HEAD + b"Content-Length: 5000\r\n\r\n")
        assert told(read_one(connection))[0] == 413
        connection.sendall(b" " * 5000 + WHOLE)
        assert told(read_one(connection))[0] == 200


def test_who_goes_on_sending_after_a_413_is_cut_off(served: Served) -> None:
    with served.connect() as connection:
        connection.sendall(HEAD + b"Content-Length: 100000000\r\n\r\n")
        assert told(read_one(connection))[0] == 413
        assert read_all(connection) == b""


def test_requests_sent_at_once_are_answered_in_their_order(served: Served) -> None:
    with served.connect() as connection:
        for number in range(5):
            connection.sendall(WHOLE.replace(b"Host: localhost", b"Host: localhost\r\nX-Request-Id: r%d" % number))
        answer = read_all(connection)
    assert [part[:2] for part in answer.split(b"x-request-id: ")[1:]] == [b"r%d" % number for number in range(5)]


def test_one_connection_too_many_gets_a_503_and_the_others_go_on(served: Served) -> None:
    def refused() -> bool:
        with served.connect() as extra:
            extra.settimeout(0.2)
            try:
                answer = read_all(extra)
            except TimeoutError:
                return False
        refusals.append(answer)
        return told(answer)[0] == 503

    refusals: list[bytes] = []
    held = [served.connect() for _ in range(20)]
    for connection in held:
        connection.sendall(HEAD)
    until(refused, "nobody was refused")
    line = line_of(served, refusals[-1])
    assert (line["event.action"], line["log.level"], line["error.code"]) == ("refused", "error", "E069")
    for connection in held:
        connection.close()
    until(lambda: not refused(), "everybody is refused")
    assert rejected(served, "E069") >= len(refusals)
    all_is_well(served)


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        (b"SECRET / HTTP/1.1\r\n\r\n", 400, "E074"),
        (b"POST /SECRET HTTP/1.1\r\nX-Request-Id: SECRET\r\n", 408, "E073"),
        (HEAD + b"X-Request-Id: SECRET\r\nContent-Length: 100\r\n\r\nSECRET", 408, "E073"),
        (b"GET /SECRET HTTP/1.1\r\nX: ".ljust(65_537, b"a"), 431, "E074"),
    ],
    ids=["400", "408 head", "408 body", "431"],
)
def test_a_refusal_has_an_id_a_log_line_without_what_was_sent_and_is_counted(
    served: Served, sent: bytes, status: int, code: str
) -> None:
    before = rejected(served, code)
    with served.connect() as connection:
        connection.sendall(sent)
        answer = read_all(connection)
    assert told(answer)[0] == status
    line = line_of(served, answer)
    assert (line["event.action"], line["log.level"]) == ("refused", "warning")
    assert (line["error.code"], line["http.response.status_code"]) == (code, status)
    assert b"SECRET" not in json.dumps(line).encode()
    assert rejected(served, code) == before + 1


def rejected(served: Served, code: str) -> float:
    """How many refusals with this code are counted."""
    with served.client() as client:
        found = re.search(rf'^aisle_rejected_total{{code="{code}"}} (.+)$', client.get("/metrics").text, re.MULTILINE)
    return float(found[1]) if found else 0.0


def line_of(served: Served, answer: bytes) -> dict[str, Any]:
    """The one log line of an answer."""
    found = re.search(rb"x-request-id: ([0-9a-f]{32})\r\n", answer)
    assert found, answer

    def lines() -> list[dict[str, Any]]:
        written = [json.loads(line) for line in served.log.read_text().splitlines(keepends=True) if line.endswith("\n")]
        return [line for line in written if line.get("http.request.id") == found[1].decode()]

    until(lines, "no log line")
    (line,) = lines()
    return line


ASK = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
LAST = ASK.replace(b"Host", b"Connection: close\r\nHost")


async def answers(size_bytes: int, asked: bytes, keep_alive_s: float, *, read: bool) -> bytes:
    """Ask a service whose answers have this size; return what was read when it has let go of the connection."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        head = [(b"content-length", str(size_bytes).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        await send({"type": "http.response.body", "body": b"~" * size_bytes})

    lost = asyncio.Event()

    service = make_service(settings=Settings(keep_alive_s=keep_alive_s))

    class Noted(bounded(service)):  # type: ignore[misc]
        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            lost.set()

    config, state = uvicorn.Config(app, ws="none", lifespan="off", log_config=None), ServerState()
    config.load()
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as door, socket.socket() as caller:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)  # else the system takes 3 MB for somebody who does not read
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        server = await loop.create_server(lambda: Noted(config, state, {}), sock=door)
        caller.setblocking(False)
        await loop.sock_connect(caller, door.getsockname())
        await loop.sock_sendall(caller, asked)
        taken = b""
        while read and (chunk := await loop.sock_recv(caller, 65536)):
            taken += chunk
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(lost.wait(), PATIENCE_S)
        server.close()
    service.log.close()
    stayed = list(state.connections)
    for connection in stayed:
        connection.transport.abort()  # else the end of the loop waits for it
    assert not stayed
    return taken


def run(work: Coroutine[Any, Any, bytes]) -> bytes:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


@pytest.mark.parametrize("size_bytes", [50_000, 1_000_000], ids=["below the high-water mark", "above it"])
@pytest.mark.parametrize("asked", [ASK, 20 * ASK, LAST], ids=["one", "many", "the last"])
def test_a_caller_who_does_not_read_the_answers_is_cut_off(
    asked: bytes, size_bytes: int, caplog: pytest.LogCaptureFixture
) -> None:
    run(answers(size_bytes, asked, keep_alive_s=0.1, read=False))
    assert not caplog.records  # the answers that come next are not written to a connection that is gone


def test_a_caller_who_reads_gets_all() -> None:
    assert run(answers(100_000, 2 * ASK + LAST, keep_alive_s=30, read=True)).count(b"~") == 300_000


def test_the_head_of_an_answer_goes_out_with_its_body(monkeypatch: pytest.MonkeyPatch) -> None:
    go_on, head = b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"
    written: list[bytes] = []
    transport: Any = SimpleNamespace(write=written.append, close=None, is_closing=None)
    joined = Joined(transport)
    for data in (go_on, head, b"one", b"two"):
        joined.write(data)
    assert written == [go_on, head + b"one", b"two"]

    class Noted(Joined):
        def __init__(self, transport: Any) -> None:
            super().__init__(transport)
            written.append(b"an answer")

    written.clear()
    monkeypatch.setattr(connections, "Joined", Noted)
    assert run(answers(3, ASK + LAST, keep_alive_s=30, read=True)).count(b"~") == 6
    assert written == 2 * [b"an answer"]
