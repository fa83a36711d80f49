"""`aisle serve` as a process of its own, on a free port."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

PATIENCE_S = 60.0  # far more than is needed; a machine may be busy


@dataclass
class Served:
    """A running service.

    Attributes:
        process: of `aisle serve`.
        url: where it listens.
        log: file of its log lines.
    """

    process: subprocess.Popen[str]
    url: str
    log: Path

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=30)

    def connect(self) -> socket.socket:
        """A bare connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)

    def memory_bytes(self) -> int:
        """What it holds in memory."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        assert found
        return 1024 * int(found[1])

    def end(self) -> int:
        """Ask it to end and return its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_S)


@contextmanager
def serving(folder: Path, *words: object, ready: bool = True, **environment: object) -> Iterator[Served]:
    """Run `aisle serve ... --port 0`; the process is killed at the end where it has not ended.

    Args:
        folder: where its log goes.
        words: of the command line.
        ready: wait until it is ready.
        environment: settings, without AISLE_.
    """
    settings = {f"AISLE_{name.upper()}": str(value) for name, value in environment.items()}
    variables = {**os.environ, "OMP_NUM_THREADS": "1", **settings}
    command = [sys.executable, "-m", "aisle.cli.main", "serve", *map(str, words), "--port", "0"]
    log = folder / "log.jsonl"
    with log.open("w") as lines:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=lines, text=True, env=variables)
        try:
            assert process.stdout
            url = process.stdout.readline().split(" ")[0].strip()
            assert url, log.read_text()
            served = Served(process, url, log)
            if ready:
                assert process.stdout.readline().startswith("ready: "), log.read_text()
            yield served
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            if process.stdout:
                process.stdout.close()


def until(done: object, what: str) -> None:
    """Wait until a function returns something true."""
    end = time.monotonic() + PATIENCE_S
    while not done():  # type: ignore[operator]
        assert time.monotonic() < end, what
        time.sleep(0.01)
