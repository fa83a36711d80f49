"""The process: it begins only as it may, answers while it loads, and ends without leaving anybody unanswered."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from aisle.bundle.manifest import digest_bytes
from aisle.errors import AisleError
from aisle.serve.server import check_exposed, listen
from aisle.serve.settings import Settings
from tests.serve.process import serving, until

QUESTION = {"user_id": "u0000017", "k": 3}


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_this_machine_may_be_answered_without_keys(host: str) -> None:
    check_exposed(Settings(host=host))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "shop.example", ""])  # noqa: S104 - that is the point
def test_others_are_answered_with_keys_or_where_it_is_said_aloud(host: str) -> None:
    with pytest.raises(AisleError, match="without API keys") as error:
        listen(Settings(host=host, port=0))
    assert error.value.code == "E077"
    check_exposed(Settings(host=host, keys=Path("keys.json")))
    check_exposed(Settings(host=host, insecure_no_keys=True))


def test_a_port_that_is_taken_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        with pytest.raises(AisleError, match="cannot be listened on") as error:
            listen(Settings(port=taken.getsockname()[1]))
        assert error.value.code == "E085"
    with pytest.raises(AisleError, match="cannot be listened on"):
        listen(Settings(host="no-such-host.invalid", insecure_no_keys=True))


def test_sigterm_answers_what_is_open_says_not_ready_and_ends_with_0(bundle_of: Callable[[str], Path], tmp_path: Path) -> None:
    with serving(tmp_path, bundle_of("popularity"), drain_s=1, events=tmp_path / "events") as served, served.client() as client:
        assert client.get("/health/ready").status_code == 200
        begun = served.connect()
        begun.sendall(
            b"POST /v1/recommend HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{"
        )
        served.process.send_signal(signal.SIGTERM)
        until(lambda: client.get("/health/ready").status_code == 503, "still ready")
        late = client.post("/v1/recommend", json=QUESTION)
        assert (late.status_code, late.headers["connection"]) == (200, "close")
        begun.sendall(b"}")
        assert begun.recv(65536).startswith(b"HTTP/1.1 200")
        begun.close()
        assert served.process.wait(30) == 0
        assert "service-stopped" in served.log.read_text()


def test_sighup_loads_bundle_and_keys_again(bundle_of: Callable[[str], Path], tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    shutil.copytree(bundle_of("popularity"), folder)
    with serving(tmp_path, folder, watch_s=0, drain_s=0) as served, served.client() as client:
        before = client.post("/v1/recommend", json=QUESTION).json()["bundle"]
        shutil.rmtree(folder)
        shutil.copytree(bundle_of("item-knn"), folder)
        os.kill(served.process.pid, signal.SIGHUP)
        until(lambda: client.post("/v1/recommend", json=QUESTION).json()["bundle"] != before, "the old bundle stayed")
        (folder / "manifest.json").write_text("{}")  # with its digest: no copy under way, but one that is none
        (folder / "manifest.sha256").write_bytes(digest_bytes(b"{}"))
        os.kill(served.process.pid, signal.SIGHUP)
        until(lambda: "bundle-refused" in served.log.read_text(), "the bad bundle was not refused")
        assert client.post("/v1/recommend", json=QUESTION).status_code == 200
        assert served.end() == 0


def test_a_folder_that_is_replaced_is_followed(bundle_of: Callable[[str], Path], tmp_path: Path) -> None:
    link = tmp_path / "current"
    link.symlink_to(bundle_of("popularity"))
    with serving(tmp_path, link, watch_s=0.05, drain_s=0) as served, served.client() as client:
        before = client.post("/v1/recommend", json=QUESTION).json()["bundle"]
        (tmp_path / "next").symlink_to(bundle_of("item-knn"))
        (tmp_path / "next").replace(link)
        until(lambda: client.post("/v1/recommend", json=QUESTION).json()["bundle"] != before, "the old bundle stayed")
        assert served.end() == 0


@pytest.mark.parametrize("name", ["item-knn", "sasrec", "two-stage"])
def test_neither_torch_nor_polars_is_needed(
    name: str, bundle_of: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = bundle_of(name)
    for package in ("torch", "polars"):
        (tmp_path / "broken" / package).mkdir(parents=True)
        (tmp_path / "broken" / package / "__init__.py").write_text(f"raise ImportError('{package} is blocked')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "broken"))
    with serving(tmp_path, folder, drain_s=0, events=tmp_path / "events") as served, served.client() as client:
        assert client.post("/v1/recommend", json=QUESTION).json()["known"]
        assert served.end() == 0


def test_a_service_without_its_bundle_does_not_start(tmp_path: Path) -> None:
    with serving(tmp_path, tmp_path / "nothing", ready=False) as served:
        assert served.process.wait(30) == 11
        assert "[E083]" in served.log.read_text()


def test_a_service_whose_events_cannot_be_kept_does_not_start(bundle_of: Callable[[str], Path], tmp_path: Path) -> None:
    (tmp_path / "events.db").write_text("no database")
    with (
        pytest.raises(AssertionError, match="E055"),
        serving(tmp_path, bundle_of("popularity"), "--events", tmp_path / "events.db"),
    ):
        pass


@pytest.mark.slow
@pytest.mark.parametrize("processes", [0, 2])
def test_two_hundred_reloads_under_load_fail_no_request(processes: int, bundle_of: Callable[[str], Path], tmp_path: Path) -> None:
    """Every answer is from one whole bundle: its id and its list are of the same model."""
    link = tmp_path / "current"
    link.symlink_to(bundle_of("popularity"))
    names = ("popularity", "item-knn")
    failures: list[str] = []
    seen: dict[str, set[str]] = {}
    stop = threading.Event()
    settings: dict[str, Any] = {
        "watch_s": 0,
        "drain_s": 0,
        "latency_budget_ms": 5000,
        "access_log": False,
        "inference_processes": processes,
    }
    with serving(tmp_path, link, **settings) as served:

        def ask() -> None:
            with served.client() as client:
                while not stop.is_set():
                    answer = client.post("/v1/recommend", json=QUESTION)
                    if answer.status_code != 200:
                        failures.append(answer.text)
                        continue
                    told = answer.json()
                    seen.setdefault(told["bundle"], set()).add(told["model"] + str([item["item_id"] for item in told["items"]]))

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        with served.client() as client:
            for number in range(200):
                (tmp_path / "next").symlink_to(bundle_of(names[(number + 1) % 2]))
                (tmp_path / "next").replace(link)
                answer = client.post("/v1/admin/reload", json={})
                assert answer.status_code == 200, answer.text
        stop.set()
        for thread in threads:
            thread.join()
        assert served.end() == 0
    assert failures == []
    assert [len(lists) for lists in seen.values()] == [1, 1]


@pytest.mark.slow
def test_512_connections_hammering_neither_crash_nor_fill_memory_and_leave_no_trace(
    bundle_of: Callable[[str], Path], tmp_path: Path
) -> None:
    """Half of them ask as fast as they can, half are broken or silent; for 30 s, then everything is as before within 5 s."""
    with serving(tmp_path, bundle_of("popularity"), drain_s=0, access_log=False, latency_budget_ms=100) as served:
        with served.client() as client:
            client.post("/v1/recommend", json=QUESTION)
        before_bytes = served.memory_bytes()
        stop = threading.Event()
        statuses: dict[int, int] = {}

        def hammer(number: int) -> None:
            body = b'{"user_id":"u0000017"}'
            head = (
                b"POST /v1/recommend HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
            )
            while not stop.is_set():
                try:
                    with served.connect() as connection:
                        connection.settimeout(5)
                        if number % 2:
                            connection.sendall((b"\x00garbage", head % 1000, b"")[number % 3])
                            connection.recv(1000)
                            continue
                        for _ in range(50):
                            connection.sendall(head % len(body) + body)
                            status = int(connection.recv(65536)[9:12])
                            statuses[status] = statuses.get(status, 0) + 1
                except (OSError, ValueError):
                    continue

        threads = [threading.Thread(target=hammer, args=(number,), daemon=True) for number in range(512)]
        for thread in threads:
            thread.start()
        threads[0].join(30)
        stop.set()
        for thread in threads:
            thread.join(10)
        assert served.process.poll() is None
        assert set(statuses) <= {200, 503}
        assert served.memory_bytes() < before_bytes + (256 << 20)
        with served.client() as client:
            until(lambda: client.post("/v1/recommend", json=QUESTION).elapsed.total_seconds() < 0.1, "still slow")
            assert client.get("/health/ready").status_code == 200
        assert served.end() == 0
        lines = served.log.read_text()
    assert '"event.action":"bug"' not in lines
    assert "Traceback" not in lines


def test_keys_that_are_asked_for_are_asked_for_from_the_first_request_on(
    bundle_of: Callable[[str], Path], tmp_path: Path
) -> None:
    keys = tmp_path / "keys.json"
    keys.write_text('{"keys": []}')
    with serving(tmp_path, bundle_of("popularity"), keys=keys, ready=False, drain_s=0) as served:
        assert httpx.post(f"{served.url}/v1/recommend", json=QUESTION).status_code == 401
