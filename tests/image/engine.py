"""How the tests speak to containers: docker, compose, HTTP and ssh, as people use them."""

from __future__ import annotations

import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TIMEOUT_S = 240


def run(*words: str, check: bool = True, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        words,
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_S,
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
    )
    if check and done.returncode:
        raise AssertionError(f"{' '.join(words)} ended with {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done


def docker(*words: str, check: bool = True) -> str:
    """Return what docker printed."""
    done = run("docker", *words, check=check)
    return done.stdout.strip()


def inspected(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(docker("inspect", name))[0]
    return found


def logs(container: str) -> str:
    """Both streams."""
    done = run("docker", "logs", container)
    return done.stdout + done.stderr


def remove_containers(ids: Iterable[str]) -> None:
    for one in ids:
        docker("rm", "--force", "--volumes", one)


def wait_healthy(container: str) -> None:
    """Return when its own health check says so; fail at once when it ends."""
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        state = inspected(container)["State"]
        if state.get("Health", {}).get("Status") == "healthy":
            return
        if not state["Running"] or time.monotonic() > deadline:
            raise AssertionError(f"{container}: {state}\n{logs(container)}")
        time.sleep(0.5)  # docker has no way to wait for health but to ask again


def address(container: str, port: int) -> tuple[str, int]:
    """Where a port of a container is published."""
    host, _, number = docker("port", container, f"{port}/tcp").splitlines()[0].rpartition(":")
    return ("127.0.0.1" if host in ("0.0.0.0", "[::]") else host), int(number)  # noqa: S104 - to be read, not bound


def http(url: str, body: object = None, **headers: str) -> tuple[int, str]:
    """Return status and text."""
    request = urllib.request.Request(url, headers={name.replace("_", "-"): value for name, value in headers.items()})  # noqa: S310
    if body is not None:
        request.data = json.dumps(body).encode()
        request.add_header("content-type", "application/json")
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def ssh(where: tuple[str, int], *words: str, user: str = "aisle", key: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Log in; without a key only what needs none is tried, which never prompts here."""
    options = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "IdentitiesOnly=yes", "-F", "none"]
    options += ["-o", "BatchMode=yes", "-o", "ConnectTimeout=20", "-p", str(where[1])]
    options += ["-i", str(key)] if key else ["-o", "PubkeyAuthentication=no"]
    return run("ssh", *options, f"{user}@{where[0]}", *words, check=False)


@dataclass(frozen=True)
class Compose:
    """One project of docker compose."""

    name: str
    files: tuple[Path, ...]
    settings: Mapping[str, str]

    def __call__(self, *words: str, check: bool = True) -> str:
        done = run(*self._words, *words, check=check, environment=self.settings)
        return done.stdout.strip()

    def container(self, service: str) -> str:
        """The id of a service's container."""
        return self("ps", "--all", "--quiet", service)

    def do(self, service: str, *words: str) -> str:
        """What a command in a running service printed."""
        return self("exec", "--no-TTY", service, *words)

    @property
    def _words(self) -> list[str]:
        return [
            "docker",
            "compose",
            "--project-name",
            self.name,
            *(word for file in self.files for word in ("--file", str(file))),
        ]
