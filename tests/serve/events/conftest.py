"""Event stores to test against: a file, and a real redis-server that the tests start."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path

import pytest
from redis import Redis
from redis.backoff import ConstantBackoff
from redis.exceptions import ConnectionError as NotThereError
from redis.retry import Retry

from aisle.serve.events.config import EventsConfig
from aisle.serve.events.protocol import EventStore
from aisle.serve.events.store import open_store


def needed(program: str, variable: str) -> str:
    """Return a program's path; skip the test where it is missing, fail where the variable says that it must be there."""
    if path := shutil.which(program):
        return path
    if os.environ.get(variable) == "1":
        pytest.fail(f"{program} is missing and {variable}=1")
    pytest.skip(f"SKIPPED: no {program} on this machine; install it, or set {variable}=1 to fail instead")


def free_port() -> int:
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        return int(door.getsockname()[1])


class RedisServer:
    """A redis-server of our own."""

    def __init__(self, folder: Path, *settings: str, under: Sequence[str] = ()) -> None:
        self.port = free_port()
        self.folder = folder
        self.settings = settings
        self.under = under
        self.program = needed("redis-server", "AISLE_REQUIRE_REDIS")
        self.start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        basics = (
            "--bind",
            "127.0.0.1",
            "--port",
            str(self.port),
            "--dir",
            str(self.folder),
            "--save",
            "",
            "--logfile",
            "redis.log",
        )
        self.process = subprocess.Popen([*self.under, self.program, *basics, *self.settings])
        # The client itself waits for the door to open.
        with Redis.from_url(self.url, retry=Retry(ConstantBackoff(0.02), 250), retry_on_error=[NotThereError]) as client:
            client.ping()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """End it in an orderly way, and with it whatever it runs under."""
        with self.client() as client:
            client.shutdown(nosave=True)
        self.process.wait()

    def client(self) -> Redis:
        return Redis.from_url(self.url)


DURABLE = ("--appendonly", "yes", "--appendfsync", "always")


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"), *DURABLE)
    yield server
    server.kill()


class Address:
    """Where a store is, and how a test uses it: `address.run(body)` opens it, runs `await body(store)`, closes it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_redis = name.startswith("redis")

    def run(self, body: Callable[[EventStore], Awaitable[None]], config: EventsConfig | None = None) -> None:
        async def main() -> None:
            store = await open_store(self.name, config)
            try:
                await body(store)
            finally:
                await store.close()

        asyncio.run(main())


@pytest.fixture(params=["sqlite", "redis"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Address:
    """An empty store of each kind."""
    if request.param == "sqlite":
        return Address(str(tmp_path / "events.db"))
    server: RedisServer = request.getfixturevalue("redis_server")
    with server.client() as client:
        client.flushall()
    return Address(server.url)
