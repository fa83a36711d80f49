"""What happened in a run, twice: a line a person reads and a JSON line a machine reads."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

TEXT_NAME = "log.txt"
JSON_NAME = "log.jsonl"


class RunLog:
    """Append events to `log.txt` and `log.jsonl` of a run folder, flushed at every event.

    Args:
        folder: the run folder.
        say: also called with each line for people, for the screen.
    """

    def __init__(self, folder: Path, say: Callable[[str], None] | None = None) -> None:
        self._text = (folder / TEXT_NAME).open("a")
        self._json = (folder / JSON_NAME).open("a")
        self._say = say

    def write(self, event: str, **facts: Any) -> None:
        """Log one event; numbers are shortened for people and kept whole for machines."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = " ".join([event, *(f"{name}={_short(value)}" for name, value in facts.items() if value is not None)])
        self._text.write(f"{now} {line}\n")
        self._json.write(json.dumps({"@timestamp": now, "event": event, **facts}, default=str) + "\n")
        self._text.flush()
        self._json.flush()
        if self._say:
            self._say(line)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is not None:
            self.write("stopped", reason=f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}")
        self._text.close()
        self._json.close()


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
