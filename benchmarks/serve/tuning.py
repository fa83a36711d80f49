"""The settings with which TorchServe holds the highest rate: workers and batch size together, then the delay of a batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from benchmarks.serve.torchserve import Settings


@dataclass(frozen=True)
class Tried:
    """Settings, and the highest rate that they held in a short search."""

    settings: Settings
    rate: float


def tune(rate_of: Callable[[Settings], float], first: Settings, *, quick: bool = False) -> list[Tried]:
    """Try settings one after another, each step around the best so far.

    Args:
        rate_of: measures settings.
        first: what all tries have in common.
        quick: two tries alone.

    Returns:
        Every try, in order.
    """
    tried: list[Tried] = []

    def best() -> Tried:
        return max(tried, key=lambda one: one.rate)

    def attempt(settings: Settings) -> None:
        if settings not in [one.settings for one in tried]:
            tried.append(Tried(settings, rate_of(settings)))

    for settings in _grid(first, quick=quick):
        attempt(settings)
    if not quick:
        near = best().settings
        for size in (near.batch_size // 2, near.batch_size * 2):
            attempt(replace(near, batch_size=size))
        for delay_ms in (3, 8):
            attempt(replace(best().settings, max_batch_delay_ms=delay_ms))
    return tried


def _grid(first: Settings, *, quick: bool) -> Iterator[Settings]:
    for workers in (1, 2):
        for batch_size in (8,) if quick else (8, 32):
            yield replace(first, workers=workers, batch_size=batch_size, max_batch_delay_ms=1)
