"""Versions as tuples of numbers, compared as far as both go: enough for rules about releases, without a package."""

from __future__ import annotations

import re
from functools import lru_cache

_RELEASE = re.compile(r"v?(\d+(?:\.\d+)*)")


@lru_cache(maxsize=4096)
def release(version: str) -> tuple[int, ...]:
    """Return the numbers that a version begins with; () where it begins with none.

    Example:
        >>> release("2.13.0a0+cu130")
        (2, 13, 0)
    """
    match = _RELEASE.match(version.strip())
    return tuple(int(part) for part in match[1].split(".")) if match else ()


@lru_cache(maxsize=4096)
def line(version: str, parts: int = 2) -> str:
    """Return the release line of a version, "2.13" of "2.13.1+cu130"; shorter where the version is."""
    return ".".join(str(number) for number in release(version)[:parts])


@lru_cache(maxsize=65536)
def at_least(version: str, minimum: str) -> bool:
    """Say whether a version is this one or later; missing parts count as 0.

    Example:
        >>> at_least("580.65.06", "580"), at_least("2.9", "2.10")
        (True, False)
    """
    seen, needed = release(version), release(minimum)
    size = max(len(seen), len(needed))
    return seen + (0,) * (size - len(seen)) >= needed + (0,) * (size - len(needed))
