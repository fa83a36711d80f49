"""How many requests a second the service holds, and TorchServe beside it, client and server on the same two cores.

    python -m benchmarks.serve.run --make        # the bundles alone, some minutes; they are kept in .bench for the same code
    python -m benchmarks.serve.run               # about half an hour on a machine that does nothing else
    python -m benchmarks.serve.run --torchserve 2 16 1   # half of it: with settings of TorchServe that an earlier run found
    python -m benchmarks.serve.run --quick       # every part once, small and short: shows that it works, says nothing about speed

SASRec with 64 dimensions and 2 blocks, histories of 50, 50,000 items, top 10; weights that were not trained (`made.py` says
which), the same for both servers. Arrivals are random (Poisson); a latency is counted from the moment a request was due
(`client.c`). For the highest rate both servers are tuned: TorchServe by its workers and batches, ours by
`--inference-processes 1`; what it holds as it ships stands beside.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from aisle import bundle, export
from aisle.bundle.check import check_bundle
from aisle.bundle.manifest import MANIFEST_NAME, Manifest
from aisle.environment.facts import environment
from aisle.export.torchserve import export_torchserve
from aisle.storage.atomic import remove
from benchmarks.serve import bodies, made, torchserve
from benchmarks.serve.bars import BAR_MS, BAR_RATE, LARGE_RATE, SAME_MS, bars
from benchmarks.serve.load import CACHE, JSON_BODY, Load, Measured, compile_client, measure
from benchmarks.serve.made import Size, make_bundle
from benchmarks.serve.search import Limits, Search, highest_rate
from benchmarks.serve.service import PATH, serving
from benchmarks.serve.table import page
from benchmarks.serve.tuning import tune

HERE = Path(__file__).parent


SHOP, LARGE = Size(), Size(items=1_000_000)
START_RATE = 200.0  # requests a second at which every search for "the highest" begins, of either server


@dataclass(frozen=True)
class Plan:
    """How long everything takes.

    Attributes:
        repeats: of every measurement, servers started again each time.
        seconds: measured at each rate of a search.
        fixed_s: measured at a rate that a bar names.
        precision: of a search.
        slack: what latency limits are multiplied with: 1, but in a quick run, which may not fail where other work runs.
        shop: size of the bundle that both servers answer from.
        large: size of the one for "1 million items".
    """

    repeats: int = 3
    seconds: float = 4.0
    fixed_s: float = 10.0
    precision: float = 0.06
    slack: float = 1.0
    shop: Size = SHOP
    large: Size = LARGE


QUICK = Plan(1, 1.0, 1.0, 0.3, 20.0, Size(items=2_000, users=500), Size(items=210_000, users=500))


@dataclass(frozen=True)
class Bench:
    """Where things are, and what they run on; and the settings of TorchServe, None where the best are to be found."""

    plan: Plan
    cores: str
    place: Path
    quick: bool
    settings: torchserve.Settings | None = None

    def load(self, port: int, requests: Path, path: str = PATH, headers: tuple[str, ...] = JSON_BODY) -> Load:
        """Return a load for one of the servers."""
        return Load(port, path, requests, seconds=self.plan.seconds, headers=headers, cores=self.cores)

    def search(self, load: Load, limits: dict[str, float], start: float) -> Search:
        """Find the highest rate that a server holds, once it is warm: Java compiles what it is asked to do."""
        client = compile_client()
        measure(replace(load, rate=start, seconds=self.plan.fixed_s / 2), client)

        def probe(rate: float) -> Measured:
            return measure(replace(load, rate=rate), client)

        ms = {name: most * self.plan.slack for name, most in limits.items()}
        return highest_rate(probe, Limits(ms), start=start, precision=self.plan.precision)


def bundle_of(size: Size) -> Path:
    """Return a bundle of some size, made where it is not kept from an earlier run of the same code."""
    code = [Path(made.__file__), *sorted(path for part in (bundle, export) for path in Path(part.__path__[0]).glob("*.py"))]
    state = hashlib.sha256(b"".join(path.read_bytes() for path in code) + repr(size).encode()).hexdigest()[:10]
    folder = CACHE / f"serve-{size.items}-{state}"
    if not (folder / MANIFEST_NAME).exists():
        for old in CACHE.glob(f"serve-{size.items}-*"):
            remove(old)
        say(f"making a bundle of {size.items:,} items")
        make_bundle(size, folder)
    return folder


def ours(bench: Bench, folder: Path, repeat: int) -> dict[str, Any]:
    """Measure the service once: at the bar's rate by user and with histories sent along, then the highest rates."""
    size = bench.plan.shop
    users, histories = (make(size, bench.place / f"{make.__name__}.jsonl") for make in (bodies.by_user, bodies.by_history))
    with serving(folder, bench.place / f"ours-{repeat}", cores=bench.cores) as server:
        load = bench.load(server.port, users)
        fixed = replace(load, rate=BAR_RATE, seconds=bench.plan.fixed_s)
        told: dict[str, Any] = {"start_s": round(server.start_s, 2), "at_bar": asdict(measure(fixed))}
        told["at_bar_history_sent"] = asdict(measure(replace(fixed, bodies=histories)))
        with_bar = bench.search(load, BAR_MS, BAR_RATE)
        told["highest_bar"] = _told(with_bar)
    # As the other server is measured: just started, and asked from the same rate upwards.
    for where, count in (("thread", "0"), ("process", "1")):
        options = ("--inference-processes", count)
        with serving(folder, bench.place / f"ours-{where}-{repeat}", cores=bench.cores, options=options) as server:
            told[f"highest_{where}"] = _told(bench.search(bench.load(server.port, users), SAME_MS, START_RATE))
    return told


def theirs(bench: Bench, archive: Path, settings: torchserve.Settings, *, coarse: bool, name: str) -> Search:
    """Find TorchServe's highest rate with some settings."""
    users = bodies.by_user(bench.plan.shop, bench.place / "by_user.jsonl")
    with torchserve.running(archive, bench.place / name, settings) as server:
        load = bench.load(server.port, users, server.path, (*JSON_BODY, server.header))
        if coarse:
            load = replace(load, seconds=min(2.0, bench.plan.seconds), warmup_s=0.5)
        return bench.search(load, SAME_MS, START_RATE)


def compared(bench: Bench) -> dict[str, Any]:
    """Measure both servers in turn."""
    folder = bundle_of(bench.plan.shop)
    archive = export_torchserve(folder, bench.place / "store", "aisle")
    number = iter(range(1000))

    def rate_of(settings: torchserve.Settings) -> float:
        found = theirs(bench, archive, settings, coarse=True, name=f"tuning-{next(number)}")
        say(f"TorchServe, {settings.title}: about {found.rate:.0f}/s")
        return found.rate

    if bench.settings is None:
        tried = tune(rate_of, torchserve.Settings(cores=bench.cores), quick=bench.quick)
        best = max(tried, key=lambda one: one.rate).settings
    else:
        tried, best = [], replace(bench.settings, cores=bench.cores)
    pairs = []
    for repeat in range(bench.plan.repeats):
        mine = ours(bench, folder, repeat)
        rates = [mine[f"highest_{name}"]["rate"] for name in ("bar", "thread", "process")]
        say("ours: {:.0f}/s within the bar; with its p99 alone {:.0f}/s, {:.0f}/s with two processes".format(*rates))
        other = theirs(bench, archive, best, coarse=False, name=f"theirs-{repeat}")
        say(f"TorchServe: {other.rate:.0f}/s")
        pairs.append({"ours": mine, "torchserve": _told(other)})
    return {
        "bundle": _bundle_told(check_bundle(folder)),
        "torchserve": {"best": asdict(best), "title": best.title, "tried": [asdict(one) for one in tried]},
        "repeats": pairs,
    }


def large(bench: Bench) -> dict[str, Any]:
    """Measure the large catalogue at its bar's rate, plain and with filters."""
    size = bench.plan.large
    folder = bundle_of(size)
    plain, filters = (make(size, bench.place / f"large-{make.__name__}.jsonl") for make in (bodies.by_user, bodies.filtered))
    repeats = []
    for repeat in range(bench.plan.repeats):
        with serving(folder, bench.place / f"large-{repeat}", cores=bench.cores) as server:
            load = replace(bench.load(server.port, plain), rate=LARGE_RATE, seconds=bench.plan.fixed_s)
            seen = {"plain": asdict(measure(load)), "filtered": asdict(measure(replace(load, bodies=filters)))}
            repeats.append({"start_s": round(server.start_s, 2), **seen})
            p99 = {name: one["latency_ms"]["p99"] for name, one in seen.items()}
            say(f"{size.items:,} items: p99 {p99['plain']} ms, with filters {p99['filtered']} ms")
    manifest = check_bundle(folder)
    return {"bundle": _bundle_told(manifest), "index": manifest.index, "repeats": repeats}


def _told(found: Search) -> dict[str, Any]:
    return {"rate": round(found.rate, 1), "best": None if found.best is None else asdict(found.best), "probes": len(found.probes)}


def _bundle_told(manifest: Manifest) -> dict[str, Any]:
    size = sum(info.size_bytes for info in manifest.files.values())
    return {
        "model": manifest.model.model_dump(),
        "size_bytes": size,
        "weights": "not trained, see made.py",
        "versions": manifest.versions.model_dump(),
    }


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


@contextmanager
def place_of(kept: Path | None) -> Iterator[Path]:
    """Yield a folder for logs and sockets; a given one stays."""
    if kept is not None:
        kept.mkdir(parents=True)
        yield kept
        return
    with tempfile.TemporaryDirectory(prefix="aisle-") as folder:
        yield Path(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="every part once, small and short")
    parser.add_argument("--make", action="store_true", help="make the bundles alone")
    parser.add_argument("--only", choices=("compared", "large"), help="one part alone; the other stays as it was written")
    parser.add_argument(
        "--torchserve", type=int, nargs=3, metavar=("WORKERS", "BATCH", "DELAY_MS"), help="its settings, found in an earlier run"
    )
    parser.add_argument("--repeats", type=int, help="how often; 3 by default")
    parser.add_argument("--cores", default="0,1", help="what client and servers share, as taskset writes it")
    parser.add_argument("--keep", type=Path, help="keep the servers' logs in this new folder")
    parser.add_argument("--out", type=Path, default=HERE, help="folder for results.json and results.md")
    asked = parser.parse_args()
    plan = QUICK if asked.quick else Plan()
    given = None if asked.torchserve is None else torchserve.Settings(*asked.torchserve)
    plan = plan if asked.repeats is None else replace(plan, repeats=asked.repeats)
    if asked.quick and asked.out == HERE:
        parser.error("a quick run proves nothing: give --out for its results")
    if asked.make:
        for size in (plan.shop, plan.large):
            say(f"{bundle_of(size)}")
        return
    parts = [part for part in (compared, large) if asked.only in (None, part.__name__)]
    written = asked.out / "results.json"
    result: dict[str, Any] = json.loads(written.read_text()) if asked.only and written.exists() else {}
    start = time.monotonic()
    facts = environment()
    result["machine"] = {key: facts[key] for key in ("cpu", "system", "python", "packages", "git_commit", "command")}
    result["machine"] |= {"cores": asked.cores, "load_before": round(os.getloadavg()[0], 2), "quick": asked.quick}
    with place_of(asked.keep) as place:
        for part in parts:
            result[part.__name__] = part(Bench(plan, asked.cores, place, asked.quick, given))
    result["machine"]["minutes"] = round((time.monotonic() - start) / 60, 1)
    result["bars"] = bars(result)
    asked.out.mkdir(parents=True, exist_ok=True)
    written.write_text(json.dumps(result, indent=1) + "\n")
    (asked.out / "results.md").write_text(page(result))
    print(page(result))


if __name__ == "__main__":
    main()
