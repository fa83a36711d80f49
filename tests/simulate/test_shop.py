import json
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from aisle.errors import AisleError
from aisle.simulate import shop as shop_module
from aisle.simulate.config import ShopConfig
from aisle.simulate.shop import simulate
from tests.simulate.conftest import CONFIG


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_the_same_seed_gives_the_same_bytes_in_every_file(shop: Path, tmp_path: Path) -> None:
    assert contents(simulate(CONFIG, tmp_path / "again").folder) == contents(shop)


def test_another_seed_gives_another_shop(shop: Path, tmp_path: Path) -> None:
    other = ShopConfig(CONFIG.users, CONFIG.items, CONFIG.events, seed=12)
    first, second = contents(shop), contents(simulate(other, tmp_path / "other").folder)
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] == second[name]] == []


def test_the_number_of_threads_does_not_change_a_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shop_module, "BLOCK_EVENTS", 2_000)
    config = ShopConfig(users=500, items=100, events=15_000, seed=3)
    one = contents(simulate(config, tmp_path / "one", threads=1).folder)
    assert contents(simulate(config, tmp_path / "three", threads=3).folder) == one


@pytest.mark.parametrize(
    ("users", "items", "events"),
    [(1, 1, 1), (1, 1, 3_000), (1_000, 10, 10), (10, 20, 29_999), (3, 2_000, 101), (5_000, 30, 5_001), (7, 7, 77)],
)
def test_the_log_has_exactly_the_events_asked_for(users: int, items: int, events: int, tmp_path: Path) -> None:
    written = simulate(ShopConfig(users=users, items=items, events=events, seed=5), tmp_path / "shop")
    log = pl.read_parquet(tmp_path / "shop" / "events.parquet")
    assert (len(log), written.events) == (events, events)
    assert log["user_id"].n_unique() <= users
    assert len(pl.read_parquet(tmp_path / "shop" / "items.parquet")) == items
    assert len(pl.read_parquet(tmp_path / "shop" / "users.parquet")) == users


def test_blocks_add_up_to_the_events_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shop_module, "BLOCK_EVENTS", 700)
    monkeypatch.setattr(shop_module, "BLOCK_USERS", 100)
    simulate(ShopConfig(users=1_000, items=50, events=9_999), tmp_path / "shop")
    log = pl.read_parquet(tmp_path / "shop" / "events.parquet")
    assert len(log) == 9_999
    assert log["session_id"].n_unique() == len(log.select("user_id", "session_id").unique())


def test_progress_ends_at_the_number_of_events(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    simulate(
        ShopConfig(users=50, items=20, events=1_000), tmp_path / "shop", progress=lambda done, all_: seen.append((done, all_))
    )
    assert seen[-1] == (1_000, 1_000)


def test_the_folder_says_that_it_is_simulated_and_how(shop: Path) -> None:
    described = json.loads((shop / "shop.json").read_text())
    assert described["simulated"] is True
    assert ShopConfig(**described["config"]) == CONFIG


def test_an_existing_folder_is_kept_unless_overwritten(tmp_path: Path) -> None:
    config = ShopConfig(users=5, items=5, events=50)
    simulate(config, tmp_path / "shop")
    before = contents(tmp_path / "shop")
    with pytest.raises(AisleError, match="exists already") as caught:
        simulate(config, tmp_path / "shop")
    assert caught.value.code == "E602"
    assert contents(tmp_path / "shop") == before
    simulate(ShopConfig(users=5, items=5, events=60), tmp_path / "shop", overwrite=True)
    assert contents(tmp_path / "shop") != before


def test_a_failure_leaves_nothing_behind(tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate(ShopConfig(users=5, items=5, events=50), tmp_path / "shop", progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_simulating_needs_no_torch(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['torch'] = None\n"
        "from pathlib import Path\n"
        "from aisle.simulate.config import ShopConfig\n"
        "from aisle.simulate.shop import simulate\n"
        "import aisle.simulate.truth\n"
        "simulate(ShopConfig(users=5, items=5, events=50), Path(sys.argv[1]))\n"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "shop")], check=True)
    assert (tmp_path / "shop" / "shop.json").is_file()
