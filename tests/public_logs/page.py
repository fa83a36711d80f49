"""What docs/public-logs.md says: a block of commands and a row of figures for each log."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "public-logs.md"
_ROW = re.compile(
    r"^\| ([a-z0-9-]+) \| [^|]+ \| ([\d,]+) \| ([\d,]+) \| ([\d,]+) \| (time|order) \| (\S+) \| (0\.\d+) \|$", re.MULTILINE
)
_SECTION = re.compile(r"^## (\S+)\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
_BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Row:
    """What the page's table says of a log."""

    events: int
    users: int
    items: int
    ordered_by: str
    split: str
    hr_at_10: float


def rows() -> dict[str, Row]:
    """Return log -> row of the table."""
    found = {}
    for log, events, users, items, ordered_by, split, hr in _ROW.findall(PAGE.read_text()):
        counts = {name: int(text.replace(",", "")) for name, text in (("events", events), ("users", users), ("items", items))}
        found[log] = Row(**counts, ordered_by=ordered_by, split=split, hr_at_10=float(hr))
    return found


def scripts() -> dict[str, str]:
    """Return log -> the shell block under its heading."""
    found = {}
    for log, text in _SECTION.findall(PAGE.read_text()):
        (found[log],) = _BLOCK.findall(text)
    return found


def commands(script: str) -> list[list[str]]:
    """Return the words of every command of a block, without `aisle`."""
    lines = [shlex.split(line) for line in script.replace("\\\n", " ").splitlines() if line]
    assert all(words[0] == "aisle" for words in lines)
    return [words[1:] for words in lines]
