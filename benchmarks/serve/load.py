"""One load on a server of this machine, and what was seen: compiles `client.c` and runs it."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SOURCES = Path(__file__).parent
CACHE = SOURCES.parent.parent / ".bench"
FLAGS = ("-std=c11", "-O2", "-Wall", "-Wextra", "-D_GNU_SOURCE")
JSON_BODY = ("Content-Type: application/json",)


class LoadError(Exception):
    """Nothing could be measured: no compiler, nobody listens, wrong arguments."""


@dataclass(frozen=True)
class Load:
    """What the client does.

    Attributes:
        port: of the server, on 127.0.0.1.
        path: what is asked.
        bodies: a file with one JSON body a line, drawn at random; None sends none.
        rate: requests a second that are due, whatever the server does.
        connections: kept open; a request that finds all of them busy waits, and its latency says so.
        seconds: measured, after `warmup_s` seconds of the same load.
        timeout_s: a request that is older is given up and counted as a timeout.
        poisson: requests come at random moments, as from many people; False sends them evenly.
        seed: fixes when requests are due and which bodies they carry.
        headers: such as "Authorization: Bearer KEY".
        cores: what the client may run on, as taskset writes it; None leaves it to the system.
    """

    port: int
    path: str
    bodies: Path | None = None
    rate: float = 100.0
    connections: int = 64
    seconds: float = 5.0
    warmup_s: float = 1.0
    timeout_s: float = 2.0
    poisson: bool = True
    seed: int = 1
    method: str = "POST"
    headers: tuple[str, ...] = JSON_BODY
    cores: str | None = None


@dataclass(frozen=True)
class Measured:
    """What the client saw, warm-up left out.

    Attributes:
        asked_rate: requests a second that were due.
        good_rate: answers of status 2xx a second; below `asked_rate` where the server could not follow.
        due: requests whose moment came: done + errors + timeouts.
        status: HTTP status -> answers.
        latency_ms: p50, p90, p99, p99.9 and max from the moment a request was due; those that timed out included.
        client_late_ms: how much later than due the client itself looked at a request: above a few ms the client, or the machine,
            was the bottleneck.
        client_cpu_s: processor time that the client took.
    """

    asked_rate: float
    good_rate: float
    due: int
    sent: int
    done: int
    errors: int
    timeouts: int
    reopened: int
    status: dict[str, int]
    latency_ms: dict[str, float]
    client_late_ms: dict[str, float]
    client_cpu_s: float
    seconds: float

    @property
    def failed(self) -> int:
        """Requests without a good answer."""
        return self.due - sum(count for status, count in self.status.items() if status.startswith("2"))


def compiler() -> str | None:
    """Return the C compiler of this machine, or None."""
    return shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")


def compile_client(cache: Path = CACHE) -> Path:
    """Compile the client once for each state of its sources.

    Raises:
        LoadError: where there is no C compiler, or it refuses the sources.
    """
    sources = sorted([*SOURCES.glob("*.c"), *SOURCES.glob("*.h")])
    state = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:12]
    client = cache / f"load-client-{state}"
    if client.exists():
        return client
    found = compiler()
    if found is None:
        raise LoadError("this machine has no C compiler; install gcc or clang, the client is C11")
    cache.mkdir(parents=True, exist_ok=True)
    partial = client.with_suffix(".partial")
    command = [found, *FLAGS, str(SOURCES / "client.c"), "-lm", "-o", str(partial)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LoadError(f"{found} refuses client.c, which needs Linux and C11: {done.stderr[:500]}")
    partial.replace(client)
    return client


def measure(load: Load, client: Path | None = None) -> Measured:
    """Load a server once.

    Raises:
        LoadError: without a compiler, or when the client could not measure: nobody listens, wrong arguments.
    """
    options: dict[str, Any] = {"port": load.port, "path": load.path, "method": load.method, "rate": load.rate}
    options |= {"connections": load.connections, "seconds": load.seconds, "warmup-s": load.warmup_s}
    options |= {"timeout-s": load.timeout_s, "seed": load.seed, "poisson": int(load.poisson)}
    options |= {} if load.bodies is None else {"bodies": load.bodies}
    command = [] if load.cores is None else ["taskset", "-c", load.cores]
    command += [str(client or compile_client()), *(f"--{name}={value}" for name, value in options.items())]
    command += [f"--header={header}" for header in load.headers]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LoadError(f"the load client ended with {done.returncode}: {done.stderr.strip()}")
    return Measured(**json.loads(done.stdout))
