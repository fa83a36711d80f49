from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from aisle.simulate import event_files
from aisle.simulate import shop as shop_module
from aisle.simulate.config import ShopConfig
from aisle.simulate.shop import simulate


def test_columns_are_what_a_shop_would_log(events: pl.DataFrame) -> None:
    assert dict(events.schema) == {
        "user_id": pl.String,
        "item_id": pl.String,
        "event": pl.String,
        "timestamp": pl.Datetime("us", "UTC"),
        "session_id": pl.Int64,
        "price": pl.Float64,
        "quantity": pl.Int8,
    }
    assert events.drop("quantity").null_count().sum_horizontal().item() == 0
    assert set(events["event"].unique()) == {"view", "favourite", "cart", "purchase"}


def test_only_purchases_have_a_quantity(events: pl.DataFrame) -> None:
    bought = pl.col("event") == "purchase"
    assert events.select((pl.col("quantity").is_not_null() == bought).all()).item()
    assert events["quantity"].min() == 1


def test_a_large_log_is_cut_into_parts_that_hold_the_same_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shop_module, "BLOCK_EVENTS", 1_000)
    config = ShopConfig(users=300, items=40, events=9_000)
    simulate(config, tmp_path / "one")
    monkeypatch.setattr(event_files, "PART_EVENTS", 4_000)
    written = simulate(config, tmp_path / "parts")
    assert written.files == tuple(f"events/part-{part:05d}.parquet" for part in range(len(written.files)))
    assert len(written.files) >= 3
    whole = pl.read_parquet(tmp_path / "one" / "events.parquet")
    assert_frame_equal(pl.concat(pl.read_parquet(tmp_path / "parts" / name) for name in written.files), whole)


def test_events_of_a_shopper_stand_together_in_time_order(events: pl.DataFrame) -> None:
    runs = events.select((pl.col("user_id") != pl.col("user_id").shift()).sum()).item() + 1
    assert runs == events["user_id"].n_unique()
    later = events.select((pl.col("timestamp").diff() > pl.duration()).over("user_id").all()).item()
    assert later


def test_sessions_of_a_shopper_are_numbered_in_time_order(events: pl.DataFrame) -> None:
    assert events["session_id"].is_sorted()
    number = events.select(pl.col("user_id").str.slice(1).cast(pl.Int64), "session_id")
    assert number.select((pl.col("session_id") // event_files.SESSIONS_A_USER == pl.col("user_id")).all()).item()
    # Numbered 0, 1, 2, ... without a gap.
    last = events.group_by("user_id").agg(
        pl.col("session_id").max() % event_files.SESSIONS_A_USER + 1, n=pl.col("session_id").n_unique()
    )
    assert (last["session_id"] == last["n"]).all()
