from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import polars as pl
import pytest
import xlsxwriter
import zstandard

from aisle.errors import AisleError
from aisle.logs.log import open_log
from aisle.logs.parse import TIME
from aisle.logs.recipe import LogRecipe, parse_log_recipe
from tests.logs.files import ROWS, kept, read, rejected, write

FORMATS = ["x.csv", "x.tsv", "x.jsonl", "x.csv.gz", "x.csv.zst", "x.jsonl.gz", "x.jsonl.zst", "x.tsv.gz", "x.parquet", "x.xlsx"]


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_same_rows(name: str, tmp_path: Path) -> None:
    rows = kept(write(ROWS, tmp_path / name))
    assert rows["user_id"].to_list() == ["ann", "bob", "ann", "cy"]
    assert rows["event"].to_list() == [1, 5, 6, 1]
    assert rows["time"].to_list() == [1_500_000_000_000_000 + i * 60_000_000 for i in range(4)]
    assert rows["price"].fill_nan(None).to_list() == [2.5, 7.0, None, 2.5]


@pytest.mark.parametrize("frame", [ROWS, ROWS.lazy(), ROWS.to_pandas(), ROWS.to_pandas().astype({"event": "category"})])
def test_frames_give_the_same_rows(frame: object) -> None:
    assert kept(frame).equals(kept(ROWS))


def test_pandas_columns_of_every_kind_are_understood() -> None:
    frame = pd.DataFrame(
        {
            "user_id": pd.array([1, None, 3], dtype="Int64"),
            "item_id": [10.0, 11.0, float("nan")],
            "event": pd.Categorical(["view", "cart", "view"]),
            "timestamp": pd.to_datetime(["2015-05-03 12:00"] * 3).tz_localize("Europe/Berlin"),
            "session_id": ["a", 1, None],
        }
    )
    rows = kept(frame)
    moment = int(datetime(2015, 5, 3, 10, tzinfo=UTC).timestamp()) * 1_000_000
    assert rows.row(0, named=True) == {"user_id": "1", "item_id": "10", "event": 1, "time": moment, "session_id": "a"}
    assert rejected(frame) == [("missing user", 2), ("missing item", 3)]


def test_each_bad_row_is_rejected_with_its_reason_and_line(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(
        "user_id,item_id,event,timestamp,quantity,price\n"
        "a,x,view,1500000000,1,2\n"
        ",x,view,1500000000,1,2\n"
        "a,NaN,view,1500000000,1,2\n"
        "a,x,gaze,1500000000,1,2\n"
        "a,x,,1500000000,1,2\n"
        "a,x,view,,1,2\n"
        "a,x,view,soon,1,2\n"
        "a,x,view,1900-01-01,1,2\n"
        "a,x,view,1500000000,-1,2\n"
        "a,x,view,1500000000,1,inf\n"
        "a,x,view,1500000000,some,2\n"
        f"{'a' * 2000},x,view,1500000000,1,2\n"
        "a,x,view\n"
    )
    assert rejected(tmp_path / "log.csv") == [
        ("missing user", 3),
        ("missing item", 4),
        ("unknown event", 5),
        ("missing event", 6),
        ("missing time", 7),
        ("unparsable time", 8),
        ("impossible time", 9),
        ("negative quantity", 10),
        ("unreadable price", 11),
        ("unreadable quantity", 12),
        ("user over 1024 bytes", 13),
        ("3 fields, not 6", 14),
    ]


def test_rejects_name_their_file_and_show_what_was_there(tmp_path: Path) -> None:
    write(ROWS, tmp_path / "log" / "a.csv")
    path = write(ROWS.with_columns(pl.lit("gaze").alias("event")).head(1), tmp_path / "log" / "b.parquet")
    rejects = pl.concat([parsed.rejects for parsed in read(tmp_path / "log")[1]])
    assert rejects["source"].to_list() == [str(path)]
    assert rejects["line"].to_list() == [1]
    assert json.loads(rejects["raw"][0])["event"] == "gaze"


RETAIL = """
event = "purchase"
[returns]
column = "InvoiceNo"
op = "starts_with"
value = "C"
[[filters]]
reason = "no customer"
column = "CustomerID"
op = "is_null"
[[filters]]
reason = "test article"
column = "StockCode"
op = "in"
value = ["TEST1", "TEST2"]
"""


def test_filters_and_returns_are_counted_apart_from_rejects() -> None:
    log = pl.DataFrame(
        {
            "InvoiceNo": ["1", "C2", "3", "4", "C5", "6"],
            "StockCode": ["a", "a", "a", "TEST1", "a", None],
            "Quantity": [2, -2, -1, 1, 1, 1],
            "CustomerID": [7, 7, 7, 7, None, 7],
            "InvoiceDate": [datetime(2011, 1, 1)] * 6,
        }
    )
    (parsed,) = read(log, parse_log_recipe(RETAIL, "retail"))[1]
    assert len(parsed.rows) == 1
    assert parsed.filtered == {"no customer": 1, "test article": 1, "return": 1}
    assert parsed.rejects["reason"].to_list() == ["negative quantity", "missing item"]
    assert parsed.read == 1 + 3 + 2


@pytest.mark.parametrize(
    ("op", "value", "matched"),
    [
        ("is_null", None, [False, False, False, True]),
        ("not_null", None, [True, True, True, False]),
        ("equals", 5, [True, False, False, False]),
        ("equals", "abc", [False, False, True, False]),
        ("not_equals", "abc", [True, True, False, True]),
        ("starts_with", "a", [False, False, True, False]),
        ("ends_with", "c", [False, False, True, False]),
        ("less_than", 6, [True, False, False, False]),
        ("greater_than", 6, [False, True, False, False]),
        ("in", ["5.0", "abc"], [True, False, True, False]),
    ],
)
def test_a_filter_leaves_out_exactly_the_rows_that_match(op: str, value: object, matched: list[bool]) -> None:
    log = ROWS.with_columns(pl.Series("x", ["5.0", "7", "abc", None]))
    rule = {"reason": "x", "column": "x", "op": op} | ({} if value is None else {"value": value})
    rows = kept(log, LogRecipe.model_validate({"filters": [rule]}))
    assert len(rows) == matched.count(False)
    assert rows["time"].to_list() == kept(ROWS)["time"].filter(~pl.Series(matched)).to_list()


def test_a_column_that_one_file_lacks_is_missing_there(tmp_path: Path) -> None:
    write(ROWS, tmp_path / "log" / "a.csv")
    write(ROWS.drop("price"), tmp_path / "log" / "b.csv")
    log, parsed = read(tmp_path / "log")
    assert log.columns == {"price": "number"}
    assert [("price" in part.rows.columns) for part in parsed] == [True, False]


def test_the_mapping_and_the_columns_without_a_part_are_told(tmp_path: Path) -> None:
    write(ROWS.rename({"user_id": "uid"}).with_columns(colour=pl.lit("red")), tmp_path / "log" / "a.csv")
    write(ROWS, tmp_path / "log" / "b.csv")
    log, _ = read(tmp_path / "log")
    assert log.mapping["user_id"] == "uid | user_id"
    assert log.unused == ["colour"]


def test_floats_among_context_are_numbers_and_the_rest_are_categories() -> None:
    log, _ = read(ROWS.with_columns(hour=pl.lit(7), heat=pl.lit(1.5)), LogRecipe(context=("hour", "heat")))
    assert log.columns == {"price": "number", "heat": "number", "hour": "category"}


def test_an_excel_column_that_turns_to_text_late_is_text_from_the_start(tmp_path: Path) -> None:
    codes = [71053] * 1500 + ["85123A"]
    with xlsxwriter.Workbook(tmp_path / "log.xlsx") as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, ["user", "stockcode", "ts"])
        for row, code in enumerate(codes, 1):
            sheet.write_row(row, 0, [17850, code, 1_500_000_000])
    rows = kept(tmp_path / "log.xlsx", LogRecipe(event="purchase"))
    assert rows["item_id"].to_list() == [str(code) for code in codes]


def test_the_unit_of_times_is_told_from_rows_even_if_the_header_is_a_frame_of_its_own(tmp_path: Path) -> None:
    frames = (b"user,item,event,ts\n", b"1,5,view,1700000000000\n", b"2,5,view,1700000000001\n")
    (tmp_path / "log.csv.zst").write_bytes(b"".join(map(zstandard.ZstdCompressor().compress, frames)))
    log = open_log(tmp_path / "log.csv.zst", LogRecipe())
    assert [row for _, parsed in log.read() for row in parsed.rows[TIME].to_list()] == [
        1_700_000_000_000_000,
        1_700_000_000_001_000,
    ]


def test_a_file_that_is_given_twice_is_refused(tmp_path: Path) -> None:
    write(ROWS, tmp_path / "a.csv")
    with pytest.raises(AisleError, match="E117"):
        open_log([tmp_path / "a.csv", str(tmp_path / "*.csv")], LogRecipe())


def test_pandas_times_in_seconds_and_numbers_among_words_are_understood() -> None:
    seconds = pd.Series(["2024-01-01"]).astype("datetime64[s]")
    items = pd.Series([17.0, "x"], dtype=object)
    frame = pd.DataFrame({"user": [1, 2], "item": items, "event": "view", "ts": pd.concat([seconds, seconds], ignore_index=True)})
    rows = pl.concat([parsed.rows for _, parsed in open_log(frame, LogRecipe()).read()])
    assert rows["item_id"].to_list() == ["17", "x"]
    assert rows[TIME].to_list() == [1_704_067_200_000_000] * 2
