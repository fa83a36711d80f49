"""The highest rate that a server holds within latency limits, found by asking it at rates above and below.

python -m benchmarks.serve.search --port 8000 --path /v1/recommendations --bodies bodies.jsonl --rate 1000
python -m benchmarks.serve.search --port 8000 --path /v1/recommendations --bodies bodies.jsonl --once --rate 1000
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.serve.load import JSON_BODY, Load, LoadError, Measured, measure


@dataclass(frozen=True)
class Limits:
    """What a rate must keep to be held: latency quantiles in ms, no failed request, and no growing queue.

    Attributes:
        ms: quantile, such as "p99" -> the most it may be.
        share: of the asked rate that must have been answered.
    """

    ms: dict[str, float] = field(default_factory=lambda: {"p99": 25.0})
    share: float = 0.97

    def kept(self, seen: Measured) -> bool:
        """Say whether a measurement keeps all of them."""
        quick = all(seen.latency_ms[name] < most for name, most in self.ms.items())
        return quick and not seen.failed and seen.good_rate >= self.share * seen.asked_rate


@dataclass(frozen=True)
class Search:
    """The outcome of a search.

    Attributes:
        rate: the highest rate that kept the limits, 0 where none did.
        best: what was measured at it; None where none did.
        probes: every measurement, in order.
    """

    rate: float
    best: Measured | None
    probes: tuple[Measured, ...]


LEAST_RATE, MOST_RATE = 5.0, 100_000.0  # below the one a server holds nothing
_ROUNDS = 4


def highest_rate(probe: Callable[[float], Measured], limits: Limits, *, start: float, precision: float = 0.04) -> Search:
    """Find the highest rate that keeps limits: up or down by factors of 1.6, then by halving the gap.

    A rate that fails is asked once more before it counts as too much: one hiccup of the machine is not the server's. At the end
    the lowest that failed is asked again, and the search goes on from there where it is held by then: a server that compiles
    while it runs (Java's does) holds more after a minute than in its first seconds.

    Args:
        probe: measures one rate.
        limits: what must be kept.
        start: where to begin, requests a second.
        precision: relative gap between the rate returned and the lowest that failed.
    """
    probes: list[Measured] = []

    def holds(rate: float) -> bool:
        for _ in range(2):
            probes.append(probe(rate))
            if limits.kept(probes[-1]):
                return True
        return False

    low, high, rate = 0.0, 0.0, start
    for _ in range(_ROUNDS):
        while not (low and high) and LEAST_RATE <= rate <= MOST_RATE:
            if holds(rate):
                low, rate = rate, rate * 1.6
            else:
                high, rate = rate, rate / 1.6
        while low and high / low > 1 + precision:
            middle = (low * high) ** 0.5
            if holds(middle):
                low = middle
            else:
                high = middle
        if not (low and high) or not holds(high):
            break
        low, high, rate = high, 0.0, high * 1.1
    kept = [seen for seen in probes if limits.kept(seen) and abs(seen.asked_rate - low) < 0.01]
    return Search(low, kept[-1] if kept else None, tuple(probes))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--path", default="/")
    parser.add_argument("--method", default="POST")
    parser.add_argument("--bodies", type=Path)
    parser.add_argument("--rate", type=float, default=100.0, help="requests a second, or where a search begins")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--warmup-s", type=float, default=1.0)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--even", action="store_true", help="evenly spaced requests, not at random moments")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--header", action="append", default=[], help="NAME: VALUE")
    parser.add_argument("--once", action="store_true", help="measure this rate alone")
    parser.add_argument("--p99-ms", type=float, default=25.0)
    parser.add_argument("--p90-ms", type=float)
    asked = parser.parse_args()
    named = {name: getattr(asked, name) for name in ("port", "path", "method", "bodies", "rate", "seconds", "warmup_s", "seed")}
    load = Load(**named, connections=asked.connections, poisson=not asked.even, headers=(*JSON_BODY, *asked.header))
    if asked.once:
        print(json.dumps(dataclasses.asdict(measure(load)), indent=2))
        return
    limits = Limits({"p99": asked.p99_ms} | ({} if asked.p90_ms is None else {"p90": asked.p90_ms}))
    found = highest_rate(lambda rate: measure(dataclasses.replace(load, rate=rate)), limits, start=asked.rate)
    print(json.dumps(dataclasses.asdict(found), indent=2))


if __name__ == "__main__":
    try:
        main()
    except LoadError as error:
        sys.exit(f"error: {error}")
