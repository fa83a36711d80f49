"""The circle: what shoppers do with today's recommendations makes tomorrow's, and the running service changes over by itself.

The shoppers are simulated (`tests.circle.shoppers`). Everything else is what a shop runs: the commands, the service as a process
of its own, HTTP, the event store, the pipeline of `ci/`, the registry.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from aisle.dataset.reader import Dataset
from aisle.registry.registry import Registry
from aisle.simulate.config import ShopConfig
from aisle.simulate.shop import simulate
from tests.circle.serving import AISLE, Service, serving
from tests.circle.shoppers import Act, Shoppers

ROOT = Path(__file__).parent.parent.parent
SHOPPERS, KNOWN_BEFORE = 5_000, 2_500
DAYS = 60
THREADS = 8


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A simulated shop whose log ended last midnight, and the half of its shoppers that the first log knows."""
    start = datetime.now(UTC).date() - timedelta(days=DAYS)
    config = ShopConfig(users=SHOPPERS, items=300, events=50_000, seed=3, days=DAYS, start=str(start))
    simulate(config, tmp_path / "shop")
    events = pl.read_parquet(tmp_path / "shop" / "events.parquet")
    (tmp_path / "logs").mkdir()
    events.filter(pl.col("user_id") < f"u{KNOWN_BEFORE:07d}").write_parquet(tmp_path / "logs" / "before.parquet")
    return tmp_path / "shop"


def night(folder: Path, recipe: str) -> None:
    """Run the pipeline over everything in the folder of logs."""
    settings = {"LOGS": str(folder / "logs"), "ITEMS": str(folder / "shop" / "items.parquet"), "RECIPE": recipe}
    settings |= {"OUT": str(folder / "out"), "REGISTRY": str(folder / "registry"), "AISLE": str(AISLE), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [ROOT / "ci" / "pipeline.sh"], capture_output=True, text=True, env={**os.environ, **settings}, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def open_the_doors(shop: Path, service: Service) -> tuple[Shoppers, list[Act]]:
    """Let every shopper come once, in no order, several at a time."""
    users = pl.read_parquet(shop / "users.parquet")["user_id"].to_list()
    items = pl.read_parquet(shop / "items.parquet")["item_id"].to_list()
    shoppers = Shoppers(shop, users, items, time.time_ns() // 1000, seed=0)
    order = np.random.default_rng(0).permutation(SHOPPERS).tolist()

    def some(first: int) -> list[Act]:
        with service.connected() as call:
            return [shoppers.act(number, call) for number in order[first::THREADS]]

    with ThreadPoolExecutor(THREADS) as pool:
        return shoppers, list(chain.from_iterable(pool.map(some, range(THREADS))))


def asked_again(service: Service, acts: Sequence[Act]) -> dict[str, set[str]]:
    """Return what these shoppers would be shown now."""
    with service.connected() as call:
        answers = {act.user: call("/v1/recommend", {"user_id": act.user, "k": 10}) for act in acts}
    return {user: {item["item_id"] for item in answer["items"]} for user, answer in answers.items()}


@pytest.mark.slow
def test_what_shoppers_do_today_is_what_the_service_answers_from_tomorrow(tmp_path: Path, shop: Path) -> None:
    # A shop begins with what is popular.
    night(tmp_path, "popularity")
    registry = Registry(str(tmp_path / "registry"))
    first = registry.current()
    store = str(tmp_path / "events")
    with serving(registry.url, "--events", store, "--watch-s", "0.2", "--cache", str(tmp_path / "cache")) as service:
        shoppers, acts = open_the_doors(shop, service)
        assert {act.bundle for act in acts} == {first}
        assert sum(act.opened for act in acts) > SHOPPERS / 10

        # What a shopper did a moment ago counts already: nothing that he saw is shown again.
        for user, items in asked_again(service, acts[:100]).items():
            assert not items & {event["item_id"] for act in acts if act.user == user for event in act.events}

        # Tonight: everything that was acknowledged is in the log, and the log makes a better model.
        log = tmp_path / "logs" / "today.jsonl.zst"
        subprocess.run([AISLE, "events", "export", store, "--out", log], check=True, capture_output=True)
        night(tmp_path, "item-knn")
        told = sum(len(act.events) for act in acts)
        dataset = Dataset(tmp_path / "out" / "dataset")
        before = pl.read_parquet(tmp_path / "logs" / "before.parquet")
        assert dataset.manifest.rows.kept == len(before) + told
        assert dataset.n_users == SHOPPERS > before["user_id"].n_unique()

        # The new bundle knows who came for the first time, and the running service has changed over.
        second = str(registry.current())
        assert second != first
        assert registry.bundles()[second].model.n_users == SHOPPERS
        service.wait_for(f'"aisle.bundle":"{second}"', 30)
        with service.connected() as call:
            assert call("/v1/recommend", {"user_id": acts[0].user})["bundle"] == second

        # Shoppers see more of what they truly like.
        sample = acts[:500]
        old = np.mean([shoppers.liking(act.user, act.shown) for act in sample])
        new = np.mean([shoppers.liking(user, items) for user, items in asked_again(service, sample).items()])
        assert new > old
    (reason,) = [entry.why for entry in registry.history() if entry.bundle == second]
    assert reason.startswith("passed: NDCG@10")
