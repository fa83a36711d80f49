from pathlib import Path

import polars as pl
import pytest

from aisle.simulate.config import ShopConfig
from aisle.simulate.shop import simulate

CONFIG = ShopConfig(users=2_000, items=600, events=60_000, seed=11)


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small simulated shop, made once."""
    return simulate(CONFIG, tmp_path_factory.mktemp("simulated") / "shop").folder


@pytest.fixture(scope="session")
def events(shop: Path) -> pl.DataFrame:
    return pl.read_parquet(shop / "events.parquet")


@pytest.fixture(scope="session")
def items(shop: Path) -> pl.DataFrame:
    return pl.read_parquet(shop / "items.parquet")
