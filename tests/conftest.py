"""A small simulated shop, prepared once a test session, for every test that needs a whole dataset."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from aisle.dataset.prepare import prepare
from aisle.dataset.reader import Dataset
from aisle.simulate.config import ShopConfig
from aisle.simulate.shop import simulate

PUBLIC_DATA = Path(os.environ.get("AISLE_PUBLIC_DATA", Path(__file__).parent.parent.parent / "shared" / "data"))


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated shop: 400 shoppers, 120 items, 9,000 events."""
    folder = tmp_path_factory.mktemp("shop") / "shop"
    simulate(ShopConfig(users=400, items=120, events=9_000, seed=5), folder)
    return folder


@pytest.fixture(scope="session")
def dataset_folder(shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The prepared dataset of the simulated shop."""
    folder = tmp_path_factory.mktemp("dataset") / "dataset"
    prepare([shop / "events.parquet"], folder, items=shop / "items.parquet")
    return folder


@pytest.fixture(scope="session")
def dataset(dataset_folder: Path) -> Dataset:
    """The prepared dataset, open."""
    return Dataset(dataset_folder)


@pytest.fixture(scope="session")
def public_data() -> Path:
    """The folder of the public logs; the test is skipped, and says so, where it is missing."""
    if not PUBLIC_DATA.is_dir():
        pytest.skip(f"SKIPPED: no public logs at {PUBLIC_DATA}; set AISLE_PUBLIC_DATA")
    return PUBLIC_DATA
