"""The results as a page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def page(result: dict[str, Any]) -> str:
    """Return results.md."""
    machine = result["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["packages"].items() if version and name in _NAMED)
    lines = ["# Load: aisle serve, and TorchServe beside it", ""]
    if machine["quick"]:
        lines += ["**A quick run: small, short, once. It shows that every part works; its figures mean nothing.**", ""]
    lines += [
        f"`{' '.join(machine['command'])}` took {machine['minutes']} minutes. {_cpu(machine)}, client and server on cores "
        f"{machine['cores']}; Python {machine['python']}, {versions}, TorchServe 0.12.0 on Java.",
        f"Load average when it began: {machine['load_before']}"
        + (" (other work was running)." if machine["load_before"] > 0.5 else "."),
        "",
        "Written by `benchmarks/serve/run.py`; latencies in ms, from the moment a request was due, arrivals at random.",
        "",
    ]
    lines += _table(
        ("bar", "seen (worst repeat)", "held"),
        [(bar["bar"], bar["seen"], "yes" if bar["held"] else "**no**") for bar in result["bars"]],
    )
    if "compared" in result:
        lines += _compared(result["compared"])
    if "large" in result:
        lines += _large(result["large"])
    return "\n".join(lines).rstrip() + "\n"


def _cpu(machine: dict[str, Any]) -> str:
    return ", ".join(str(value) for name, value in machine["cpu"].items() if name in ("name", "cores"))


_NAMED = ("torch", "numpy", "onnxruntime", "faiss-cpu", "uvicorn")


def _compared(part: dict[str, Any]) -> list[str]:
    model = part["bundle"]["model"]
    lines = [
        f"## SASRec, width {model['width']}, 2 blocks, histories of {model['max_history']}, {model['n_items']:,} items, top 10",
        "",
        "Weights that were not trained (`made.py` says which), the same for both servers. `aisle serve` as it ships, with its "
        "access log; TorchServe with "
        f"{part['torchserve']['title']}, one thread a worker, logging errors only, its token checked.",
        "",
    ]
    rows = []
    for number, pair in enumerate(part["repeats"], 1):
        mine, other = pair["ours"], pair["torchserve"]
        for name, seen in (
            ("aisle serve at 1,000/s, by user id", mine["at_bar"]),
            ("aisle serve at 1,000/s, histories sent along", mine["at_bar_history_sent"]),
            ("aisle serve, highest with p90 < 7, p99 < 25", mine["highest_bar"]["best"]),
            ("aisle serve, highest with p99 < 25", mine["highest_thread"]["best"]),
            ("aisle serve `--inference-processes 1`, highest with p99 < 25", mine["highest_process"]["best"]),
            ("TorchServe, highest with p99 < 25", other["best"]),
        ):
            rows.append((str(number), name, *_seen(seen)))
    lines += _table(("repeat", "what", *_COLUMNS), rows)
    if not part["torchserve"]["tried"]:
        return [*lines, "TorchServe's settings were given, as an earlier run found them.", ""]
    lines += ["How TorchServe's settings were found:", ""]
    tried = [
        (
            str(one["settings"]["workers"]),
            str(one["settings"]["batch_size"]),
            str(one["settings"]["max_batch_delay_ms"]),
            f"{one['rate']:.0f}",
        )
        for one in part["torchserve"]["tried"]
    ]
    return lines + _table(("workers", "batch size", "delay ms", "requests/s"), tried)


def _large(part: dict[str, Any]) -> list[str]:
    model, index = part["bundle"]["model"], part["index"]
    lines = [f"## {model['n_items']:,} items x {model['width']}, 300 requests/s", ""]
    rows = [
        (str(number), name, *_seen(one[kind]))
        for number, one in enumerate(part["repeats"], 1)
        for kind, name in (("plain", "by user id"), ("filtered", "half of them filter"))
    ]
    lines += _table(("repeat", "what", *_COLUMNS), rows)
    lines += [
        f"Index: {index['kind']}, {index['memory_bytes'] / 1e6:.0f} MB in memory beside the item matrix of "
        f"{index['item_matrix_bytes'] / 1e6:.0f} MB, made in {index['build_s']:.0f} s. Recall against the exact lists:",
        "",
    ]
    measured = [(str(one["k"]), one["filter"], f"{one['recall']:.3f}", f"{one['p99_ms']:.2f}") for one in index["measured"]]
    return lines + _table(("k", "filter", "recall", "p99 of a search, ms"), measured)


_COLUMNS = ("requests/s", "p50", "p90", "p99", "p99.9", "max", "failed", "client late p99")


def _seen(one: dict[str, Any] | None) -> tuple[str, ...]:
    if one is None:
        return ("0", *("-" for _ in _COLUMNS[1:]))
    latency = one["latency_ms"]
    failed = one["due"] - sum(count for status, count in one["status"].items() if status.startswith("2"))
    quantiles = (f"{latency[name]:.1f}" for name in ("p50", "p90", "p99", "p99.9", "max"))
    return (f"{one['asked_rate']:.0f}", *quantiles, str(failed), f"{one['client_late_ms']['p99']:.1f}")


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *(f"| {' | '.join(row)} |" for row in rows), ""]
