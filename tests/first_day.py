"""The commands that README.md gives a new colleague, for the tests that run them."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

README = Path(__file__).parent.parent / "README.md"
INSIDE = "docker exec rec-env "


def commands() -> list[str]:
    """Return the lines of the section, without their comments."""
    section = README.read_text().split("\n## New colleague: the first day\n", 1)[1].split("\n## ", 1)[0]
    (block,) = re.findall(r"^```sh\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    return [line.split(" #", 1)[0].strip() for line in block.splitlines()]


def of_aisle() -> list[list[str]]:
    """Return the words after `aisle` of the commands that need no engine: given outside, or inside of the container."""
    lines = [line.removeprefix(INSIDE) for line in commands()]
    return [shlex.split(line)[1:] for line in lines if line.startswith("aisle ") and not line.startswith("aisle image ")]
