from pathlib import Path

import polars as pl

from tests.recipes.conftest import SECOND_US, Prepare, rows, test_cases

START_S = 1_433_221_332


def test_the_publishers_events_are_read_in_milliseconds(tmp_path: Path, prepared: Prepare) -> None:
    log = tmp_path / "events.csv"
    log.write_text(
        "timestamp,visitorid,event,itemid,transactionid\n"
        f"{START_S}117,257597,view,355908,\n"
        f"{START_S + 9}000,257597,addtocart,355908,\n"
        f"{START_S + 60}500,257597,transaction,355908,4000\n"
        f"{START_S}827,111016,view,318965,\n"
        f"{START_S}827,111016,stare,318965,\n"
        f"{START_S}827,,view,318965,\n"
    )
    dataset = prepared("retailrocket", log)
    assert rows(dataset) == [
        (111016, 318965, "view", START_S * SECOND_US + 827_000),
        (257597, 355908, "view", START_S * SECOND_US + 117_000),
        (257597, 355908, "cart", (START_S + 9) * SECOND_US),
        (257597, 355908, "purchase", (START_S + 60) * SECOND_US + 500_000),
    ]
    assert dataset.manifest.rejects == {"unknown event": 1, "missing user": 1}


def test_the_slice_with_sessions_is_read_in_seconds(tmp_path: Path, prepared: Prepare) -> None:
    log = tmp_path / "events.parquet"
    pl.DataFrame(
        {
            "session_id": [900, 900, 7],
            "user": [5, 5, 5],
            "item": [44, 44, 43],
            "event": pl.Series(["view", "addtocart", "transaction"], dtype=pl.Categorical),
            "ts": [START_S, START_S + 5, START_S + 90],
            "split": ["val", "val", "test"],
        }
    ).write_parquet(log)
    dataset = prepared("retailrocket-events", log)
    assert [row[1:3] for row in rows(dataset)] == [(44, "view"), (44, "cart"), (43, "purchase")]
    assert dataset.manifest.time_max == (START_S + 90) * SECOND_US
    assert dataset.array("events.session_id").tolist() == [0, 0, 1]


def test_the_benchmark_cut_brings_its_own_answers(tmp_path: Path, prepared: Prepare) -> None:
    log, test = tmp_path / "train_events.parquet", tmp_path / "test_buy.parquet"
    pl.DataFrame(
        {"user": [0, 0, 1], "item": [3, 1, 3], "behavior": ["view", "buy", "cart"], "ts": [START_S, START_S + 1, START_S]}
    ).write_parquet(log)
    pl.DataFrame({"user": [0, 1], "item": [4, 1]}).write_parquet(test)
    dataset = prepared("retailrocket-multibehaviour", log, test=test)
    assert [row[:3] for row in rows(dataset)] == [(0, 3, "view"), (0, 1, "purchase"), (1, 3, "cart")]
    # Item 4 is known from the test file only, and is an item of the dataset all the same.
    assert test_cases(dataset) == {0: [4], 1: [1]}
    assert dataset.n_items == 3
