"""A real `aisle serve` as a process of its own, and connections to it."""

from __future__ import annotations

import http.client
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.circle.shoppers import Call, Json

AISLE = Path(sys.executable).with_name("aisle")
# The machine that runs the tests may be slow and busy: these only end what hangs.
_START_S, _ANSWER_S = 60.0, 30.0


class Service:
    """A running service; what it says is kept line by line."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._lines: queue.Queue[str] = queue.Queue()
        self.said: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.port = int(self.wait_for("http://127.0.0.1:", _START_S).split("(")[0].rstrip().rpartition(":")[2])
        self.wait_for("ready: ", _START_S)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put("")  # it has ended

    def wait_for(self, words: str, timeout_s: float) -> str:
        """Return the next line that holds these words; what is said before it is passed over."""
        end = time.monotonic() + timeout_s
        while True:
            line = self._lines.get(timeout=max(end - time.monotonic(), 0.001))
            self.said.append(line)
            assert line, f"the service ended before it said {words!r}: {''.join(self.said[-20:])}"
            if words in line:
                return line

    @contextmanager
    def connected(self) -> Iterator[Call]:
        """Yield what posts over a connection of its own; every answer must be 200."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_ANSWER_S)

        def call(path: str, body: Json) -> Json:
            connection.request("POST", path, json.dumps(body), {"content-type": "application/json"})
            answer = connection.getresponse()
            content = answer.read()
            assert answer.status == 200, (path, body, answer.status, content)
            told: Json = json.loads(content)
            return told

        try:
            yield call
        finally:
            connection.close()

    def end(self) -> None:
        """Ask it to end, and wait."""
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(_START_S)
        self._reader.join()


@contextmanager
def serving(*arguments: str) -> Iterator[Service]:
    """Run `aisle serve` with these arguments on a free port of this machine."""
    with subprocess.Popen(
        [AISLE, "serve", *arguments, "--port", "0", "--no-access-log", "--drain-s", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"},
    ) as process:
        try:
            service = Service(process)
            yield service
            service.end()
        finally:
            process.kill()
