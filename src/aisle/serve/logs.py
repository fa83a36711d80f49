"""Log lines as JSON, one a line, with the field names of the Elastic Common Schema (ECS)."""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from collections import deque
from datetime import UTC, datetime
from typing import Any, TextIO

import orjson

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_MAX_WAITING = 20_000
_PAUSE_S = 0.05


class Log:
    """Writes lines from a thread of its own: a full pipe holds up nobody who asks for a recommendation.

    Args:
        level: least level that is written.
        stream: by default standard error.

    Lines that come faster than they are read away are dropped, counted, and the count is logged.
    """

    def __init__(self, level: str = "info", stream: TextIO | None = None) -> None:
        self._least = LEVELS[level]
        self._stream = sys.stderr if stream is None else stream
        self._lines: deque[dict[str, Any]] = deque()
        self._dropped = 0
        self._stop = threading.Event()
        self._writing = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def write(self, level: str, action: str, message: str, **fields: Any) -> None:
        """Log one line.

        Args:
            level: "debug", "info", "warning" or "error".
            action: what happened, for `event.action`.
            message: the same in words.
            fields: further ECS fields; `__` stands for the dots of their names.
        """
        if LEVELS[level] < self._least:
            return
        if len(self._lines) >= _MAX_WAITING:
            self._dropped += 1
            return
        now = datetime.now(UTC)
        self._lines.append({"@timestamp": now, "log.level": level, "event.action": action, "message": message, **fields})

    def failure(self, action: str, error: BaseException, **fields: Any) -> None:
        """Log an exception with its traceback."""
        trace = "".join(traceback.format_exception(error))
        about = {"error__type": type(error).__name__, "error__message": str(error), "error__stack_trace": trace}
        self.write("error", action, f"{type(error).__name__}: {error}", **about, **fields)

    def close(self) -> None:
        """Write what waits and end the thread."""
        self._stop.set()
        self._thread.join()

    def flush(self) -> None:
        """Write what waits now."""
        with self._writing:
            lines = []
            while self._lines:
                lines.append(_encode(self._lines.popleft()))
            if self._dropped:
                dropped, self._dropped = self._dropped, 0
                lines.append(
                    _encode({"log.level": "warning", "event.action": "log-dropped", "message": f"{dropped} lines dropped"})
                )
            if lines:
                self._stream.write("".join(lines))
                self._stream.flush()

    def _run(self) -> None:
        try:
            while not self._stop.wait(_PAUSE_S):
                self.flush()
            self.flush()
        except (BrokenPipeError, ValueError):
            self._lines.clear()  # nobody reads any more; the service goes on


def send_to(log: Log, name: str) -> None:
    """Write what a library logs under a name as our lines."""
    logger = logging.getLogger(name)
    logger.handlers, logger.propagate = [_Handler(log)], False
    logger.setLevel(logging.WARNING)


class _Handler(logging.Handler):
    def __init__(self, log: Log) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record; critical ones as errors."""
        level = record.levelname.lower()
        self._log.write(level if level in LEVELS else "error", record.name, record.getMessage())


def _encode(line: dict[str, Any]) -> str:
    dotted = {name.replace("__", "."): value for name, value in line.items()}
    dotted.setdefault("@timestamp", datetime.now(UTC))
    dotted |= {"ecs.version": "8.11", "service.name": "aisle"}
    return orjson.dumps(dotted, default=str, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z).decode()
