"""TorchServe as it is installed, on free ports of this machine, with model archives; it always ends with the block.

Its token authorisation and its model API control stay as TorchServe ships them: every call carries a key from the key_file.json
that it writes when it starts, and models are the ones named at the start.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

VERSION = "1.0"  # of the model inside TorchServe
START_S, STOP_S = 120.0, 15.0
_ASK_EVERY_S = 0.1

# As shipped TorchServe writes two log lines a request and some more a batch, to disk; a tuned one says what goes wrong.
_QUIET_LOGS = """<?xml version="1.0" encoding="UTF-8"?>
<Configuration>
  <Appenders><Console name="STDOUT" target="SYSTEM_OUT"><PatternLayout pattern="%d [%-5p] %c - %m%n"/></Console></Appenders>
  <Loggers>
    <Logger name="ACCESS_LOG" level="off"/><Logger name="TS_METRICS" level="off"/><Logger name="MODEL_METRICS" level="off"/>
    <Logger name="MODEL_LOG" level="warn"/><Root level="warn"><AppenderRef ref="STDOUT"/></Root>
  </Loggers>
</Configuration>
"""


class TorchServeError(Exception):
    """TorchServe did not start, or its worker refused the model."""


@dataclass(frozen=True)
class Settings:
    """What a shop tunes in TorchServe.

    Attributes:
        workers: Python processes with the model.
        batch_size: requests that are handed to a worker together, at most.
        max_batch_delay_ms: how long a request may wait for others to join it.
        queue: requests that may wait; one more gets 503.
        quiet: log what goes wrong only.
        cores: what it may run on, as taskset writes it; None leaves it to the system.
    """

    workers: int = 1
    batch_size: int = 1
    max_batch_delay_ms: int = 1
    queue: int = 1000
    quiet: bool = True
    cores: str | None = None

    @property
    def title(self) -> str:
        """The settings in words."""
        plural = "" if self.workers == 1 else "s"
        return f"{self.workers} worker{plural}, batches of {self.batch_size}, {self.max_batch_delay_ms} ms delay"


@dataclass(frozen=True)
class Running:
    """A TorchServe that answers.

    Attributes:
        port: of the inference API.
        management_port: of the management API.
        keys: "inference" and "management" -> token.
        log: what it and its workers print.
        name: of the model, the first where there are several.
        group: of all its processes.
    """

    port: int
    management_port: int
    keys: dict[str, str]
    log: Path
    name: str
    group: int

    @property
    def path(self) -> str:
        """Where predictions are asked."""
        return f"/predictions/{self.name}"

    @property
    def header(self) -> str:
        """What a prediction has to carry."""
        return f"Authorization: Bearer {self.keys['inference']}"

    def ask(self, body: Any, *, raw: bytes | None = None, key: str | None = None, model: str | None = None) -> tuple[int, Any]:
        """Ask a model, by default the first, with TorchServe's own key or another; returns the status and the JSON answer."""
        content = json.dumps(body).encode() if raw is None else raw
        path = self.path if model is None else f"/predictions/{model}"
        return _call(self.port, path, self.keys["inference"] if key is None else key, content)


def missing() -> str | None:
    """Say what TorchServe lacks on this machine, or None."""
    if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
        return "no Java on this machine; TorchServe 0.12 needs 11 or later"
    if not _program().exists():
        return f"no {_program().name} beside this Python; pip install torchserve==0.12.0 torch-model-archiver==0.12.0"
    return None


@contextmanager
def running(
    archive: Path | Sequence[Path], folder: Path, settings: Settings | None = None, environment: dict[str, str] | None = None
) -> Iterator[Running]:
    """Start TorchServe with archives and give it once workers have loaded each model; stop it whatever happens.

    Args:
        archive: a .mar file, or several; a model is called as its file.
        folder: an empty place for all that it writes: sockets, unpacked models, logs, keys.
        settings: by default one worker without batching.
        environment: more variables for it and its workers.

    Raises:
        TorchServeError: when it does not start, or no worker can load the model; says what the log's last lines say.
    """
    settings = settings or Settings()
    archives = [archive] if isinstance(archive, Path) else list(archive)
    ports = _free_ports(5)
    command = _lay_out(archives, folder, settings, ports)
    log = folder / "torchserve.log"
    with log.open("wb") as out:
        process = subprocess.Popen(  # in a session of its own: whatever it starts is stopped with it
            command, cwd=folder, env=_environment(folder) | (environment or {}), stdout=out, stderr=out, start_new_session=True
        )
        try:
            keys = _wait_for_keys(process, folder, log)
            server = Running(ports[0], ports[1], keys, log, archives[0].stem, process.pid)
            for one in archives:
                _wait_for_worker(process, server, one.stem, settings.workers)
            yield server
        finally:
            _stop(process)


def _program() -> Path:
    return Path(sys.executable).parent / "torchserve"


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def _lay_out(archives: list[Path], folder: Path, settings: Settings, ports: list[int]) -> list[str]:
    """Write the configuration and return the command."""
    for name in ("tmp", "logs", "store"):
        (folder / name).mkdir(parents=True)
    model = {"defaultVersion": True, "minWorkers": settings.workers, "maxWorkers": settings.workers}
    model |= {"batchSize": settings.batch_size, "maxBatchDelay": settings.max_batch_delay_ms, "responseTimeout": 60}
    models: dict[str, Any] = {}
    for archive in archives:
        shutil.copy(archive, folder / "store")
        models[archive.stem] = {VERSION: model | {"marName": archive.name}}
    lines = [
        f"{name}_address=http://127.0.0.1:{port}"
        for name, port in zip(("inference", "management", "metrics"), ports, strict=False)
    ]
    lines += [f"grpc_inference_port={ports[3]}", f"grpc_management_port={ports[4]}", f"job_queue_size={settings.queue}"]
    lines += ["disable_system_metrics=true", "number_of_netty_threads=2", "vmargs=-Xmx512m"]
    lines += [f"models={json.dumps(models)}"]
    (folder / "config.properties").write_text("\n".join(lines) + "\n")
    (folder / "log4j2.xml").write_text(_QUIET_LOGS)
    command = [] if settings.cores is None else ["taskset", "-c", settings.cores]
    command += [str(_program()), "--foreground", "--ncs", "--ts-config", str(folder / "config.properties")]
    command += ["--model-store", str(folder / "store"), "--models", *(f"{one.stem}={one.name}" for one in archives)]
    return [*command, "--log-config", str(folder / "log4j2.xml")] if settings.quiet else command


def _environment(folder: Path) -> dict[str, str]:
    """Keep all that TorchServe and Java write, pid file and worker sockets too, in one folder; one thread a worker."""
    logs, tmp = str(folder / "logs"), str(folder / "tmp")
    places = {"TEMP": tmp, "TMPDIR": tmp, "LOG_LOCATION": logs, "METRICS_LOCATION": logs}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    return os.environ | places | {"PATH": path, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def _wait_for_keys(process: subprocess.Popen[bytes], folder: Path, log: Path) -> dict[str, str]:
    end = time.monotonic() + START_S
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError, ValueError, KeyError):
            written = json.loads((folder / "key_file.json").read_text())
            return {name: str(written[name]["key"]) for name in ("inference", "management")}
        time.sleep(_ASK_EVERY_S)
    raise TorchServeError(f"TorchServe did not start; it said: {_tail(log)}")


def _wait_for_worker(process: subprocess.Popen[bytes], server: Running, name: str, workers: int) -> None:
    end = time.monotonic() + START_S
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError, ValueError, LookupError):
            _, about = _call(server.management_port, f"/models/{name}", server.keys["management"])
            states = [worker["status"] for worker in about[0]["workers"]]
            if states.count("READY") >= workers:
                return
        refused = [line for line in _lines(server.log) if "refuses this archive" in line]
        if refused:
            raise TorchServeError(refused[0])
        time.sleep(_ASK_EVERY_S)
    raise TorchServeError(f"no worker of TorchServe could load {name}; it said: {_tail(server.log)}")


def _call(port: int, path: str, key: str, body: bytes | None = None) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {key}"} | ({} if body is None else {"Content-Type": "application/json"})
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", body, headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def _lines(log: Path) -> list[str]:
    return log.read_text(errors="replace").splitlines()


def _tail(log: Path) -> str:
    return "\n".join(_lines(log)[-30:])


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the launcher, Java and the workers: all that is in the session, which the launcher's end does not end."""
    for end in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, end)
        deadline = time.monotonic() + STOP_S
        while process.poll() is None or alive(process.pid):
            if time.monotonic() > deadline:
                break
            time.sleep(_ASK_EVERY_S)
        else:
            return


def alive(group: int) -> list[int]:
    """Return the processes of a group that still run."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            state, _, pgrp, *_ = stat.read_text().rpartition(")")[2].split()
            if int(pgrp) == group and state != "Z":
                found.append(int(stat.parent.name))
    return found
