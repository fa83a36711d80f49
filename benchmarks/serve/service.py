"""`aisle serve` on a free port of this machine, with one bundle; it always ends with the block."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PATH = "/v1/recommend"
START_S = 60.0


class ServiceError(Exception):
    """The service did not start."""


@dataclass(frozen=True)
class Serving:
    """A service that answers.

    Attributes:
        port: where.
        start_s: seconds from the command to readiness.
        pid: of its one process.
    """

    port: int
    start_s: float
    pid: int


@contextmanager
def serving(bundle: Path, folder: Path, *, cores: str | None = None, options: tuple[str, ...] = ()) -> Iterator[Serving]:
    """Start the service as it is shipped and give it once it is ready; stop it whatever happens.

    Args:
        bundle: what it serves.
        folder: for what it prints, its access log above all.
        cores: what it may run on, as taskset writes it; None leaves it to the system.
        options: more of `aisle serve`.

    Raises:
        ServiceError: when it does not start.
    """
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "service.log"
    command = [] if cores is None else ["taskset", "-c", cores]
    command += [sys.executable, "-m", "aisle.cli.main", "serve", str(bundle), "--port", "0", "--drain-s", "0", *options]
    start = time.perf_counter()
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, stdout=out, stderr=out, env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
        )
        try:
            port = _wait(process, log)
            yield Serving(port, time.perf_counter() - start, process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(20)
            process.kill()
            process.wait()


def _wait(process: subprocess.Popen[bytes], log: Path) -> int:
    """Return the port once every model answers."""
    end = time.monotonic() + START_S
    while time.monotonic() < end and process.poll() is None:
        lines = log.read_text(errors="replace").splitlines()
        urls = [line.split()[0] for line in lines if line.startswith("http://")]
        if urls and any(line.startswith("ready: ") for line in lines):
            return int(urls[0].rpartition(":")[2])
        time.sleep(0.02)
    raise ServiceError(f"aisle serve did not start; it said: {log.read_text(errors='replace')[-2000:]}")
