"""What the service promises under load, held against what was measured."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from benchmarks.serve.load import Measured
from benchmarks.serve.search import Limits

BAR_RATE, BAR_MS, SAME_MS = 1000.0, {"p99": 25.0, "p90": 7.0}, {"p99": 25.0}
LARGE_RATE, LARGE_MS = 300.0, {"p99": 30.0}


def bars(result: dict[str, Any]) -> list[dict[str, Any]]:
    """Hold the results against what is promised; the worst repeat counts."""
    found = []
    if pairs := result.get("compared", {}).get("repeats"):
        latency = [pair["ours"]["at_bar"] for pair in pairs]
        held = all(Limits(BAR_MS).kept(Measured(**one)) for one in latency)
        found.append(_bar("1,000 requests/s with p90 < 7 ms and p99 < 25 ms", _worst(latency, ("p90", "p99")), held))
        ratios = {where: [_ratio(pair, where) for pair in pairs] for where in ("process", "thread")}
        told = "{}; as it ships {}".format(
            *(f"{statistics.mean(one):.2f} ({min(one):.2f} to {max(one):.2f})" for one in ratios.values())
        )
        name = "at least 2 times TorchServe's rate with p99 < 25 ms (ours with `--inference-processes 1`)"
        found.append(_bar(name, told, min(ratios["process"]) >= 2))
        starts = [pair["ours"]["start_s"] for pair in pairs]
        found.append(_bar("answers within 5 s of start", f"{max(starts)} s", max(starts) < 5))
    if repeats := result.get("large", {}).get("repeats"):
        for kind in ("plain", "filtered"):
            seen = [one[kind] for one in repeats]
            name = f"{result['large']['bundle']['model']['n_items']:,} items, {kind}: p99 < 30 ms at 300 requests/s"
            found.append(_bar(name, _worst(seen, ("p99",)), all(Limits(LARGE_MS).kept(Measured(**one)) for one in seen)))
        recalls = {one["filter"]: one["recall"] for one in result["large"]["index"]["measured"] if one["k"] == 10}
        told = ", ".join(f"{name} {recall:.3f}" for name, recall in recalls.items())
        found.append(_bar("recall@10 at least .95 against exact, filters included", told, min(recalls.values()) >= 0.95))
    return found


def _ratio(pair: dict[str, Any], where: str) -> float:
    return float(pair["ours"][f"highest_{where}"]["rate"] / max(pair["torchserve"]["rate"], 1.0))


def _bar(name: str, seen: str, held: bool) -> dict[str, Any]:
    return {"bar": name, "seen": seen, "held": held}


def _worst(seen: Sequence[dict[str, Any]], quantiles: Sequence[str]) -> str:
    failed = sum(Measured(**one).failed for one in seen)
    return ", ".join(f"{name} {max(one['latency_ms'][name] for one in seen):.1f} ms" for name in quantiles) + f", {failed} failed"
