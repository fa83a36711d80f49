from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import polars as pl
import pytest

from aisle.logs.values import IMPOSSIBLE_US, as_event, as_number, as_text, as_time, guess_unit, id_is_number, whole_ids

# 2015-05-03 10:00:00 UTC
SECONDS = 1_430_647_200
MICROS = SECONDS * 1_000_000


@pytest.mark.parametrize(
    "text",
    [
        "2015-05-03 10:00:00",
        "2015-05-03T10:00:00",
        "2015-05-03T10:00:00Z",
        "2015-05-03 10:00:00 UTC",
        "2015-05-03T12:00:00+02:00",
        "2015-05-03T12:00+02",
        "2015-05-03 12:00:00 +0200",
        "2015/05/03 10:00",
        "20150503T100000Z",
        "1430647200",
        "1430647200.0",
    ],
)
def test_every_way_to_write_a_moment_means_the_same(text: str) -> None:
    assert as_time(pl.Series([text]), "s")[0].to_list() == [MICROS]


def test_ways_may_be_mixed_in_one_column() -> None:
    text = pl.Series(["1430647200", "2015-05-03T10:00:00Z", "2015-05-03 10:00:00", "nonsense", None])
    micros, missing = as_time(text, "s")
    assert micros.to_list() == [MICROS, MICROS, MICROS, None, None]
    assert missing.to_list() == [False, False, False, False, True]


@pytest.mark.parametrize(
    "values",
    [
        pl.Series([datetime(2015, 5, 3, 10, tzinfo=UTC)]),
        pl.Series([datetime(2015, 5, 3, 10)]),
        pl.Series([datetime(2015, 5, 3, 12, tzinfo=timezone(timedelta(hours=2)))]),
        pl.Series([datetime(2015, 5, 3, 10)]).cast(pl.Datetime("ns")),
        pl.Series([datetime(2015, 5, 3, 10)]).cast(pl.Datetime("ms")),
    ],
)
def test_datetimes_without_a_zone_are_utc_and_others_are_turned_to_it(values: pl.Series) -> None:
    assert as_time(values, "auto")[0].to_list() == [MICROS]


def test_a_date_is_its_midnight() -> None:
    assert as_time(pl.Series([date(2015, 5, 3)]), "auto")[0].to_list() == [MICROS - 10 * 3_600_000_000]


@pytest.mark.parametrize(("unit", "factor"), [("s", 1), ("ms", 1_000), ("us", 1_000_000), ("ns", 1_000_000_000)])
def test_the_unit_of_numbers_is_found_whatever_garbage_lies_among_them(unit: str, factor: int) -> None:
    times = pl.Series([0, -1, 2**62, SECONDS * factor, SECONDS * factor + 1, None])
    assert guess_unit(times) == unit
    micros, _ = as_time(times, unit)
    assert micros.to_list()[:4] == [IMPOSSIBLE_US, IMPOSSIBLE_US, IMPOSSIBLE_US, MICROS]


@pytest.mark.parametrize("time", ["1900-01-01", "2999-01-01", "0001-01-01T00:00:00Z", "1", "99999999999999999"])
def test_times_that_no_shop_has_seen_are_impossible(time: str) -> None:
    assert as_time(pl.Series([time]), "s")[0].to_list() == [IMPOSSIBLE_US]


def test_fractions_of_seconds_are_kept_to_the_microsecond() -> None:
    assert as_time(pl.Series([SECONDS + 0.25, float("inf"), float("nan")]), "s")[0].to_list() == [
        MICROS + 250_000, IMPOSSIBLE_US, None,
    ]  # fmt: skip


def test_a_format_that_is_told_is_used() -> None:
    assert as_time(pl.Series(["5/3/2015 10:00"]), "auto", "%m/%d/%Y %H:%M")[0].to_list() == [MICROS]


def test_ids_become_text_and_whole_floats_lose_their_point() -> None:
    assert as_text(pl.Series([17.0, 2.5, float("nan"), None])).to_list() == ["17", "2.5", None, None]
    assert as_text(pl.Series([17, None])).to_list() == ["17", None]
    assert as_text(pl.Series(["a", "b"], dtype=pl.Categorical)).to_list() == ["a", "b"]


def test_words_for_nothing_are_missing() -> None:
    words = ["", " ", "NaN", "null", "None", "<NA>", "\\N", None]
    assert as_text(pl.Series([*words, "nano"])).to_list() == [None] * len(words) + ["nano"]


def test_ids_are_numbers_only_when_written_the_one_usual_way() -> None:
    assert whole_ids(pl.Series(["1", "-2", "30.0"]))
    for text in ("01", "+1", "1e3", "1.5", "x", "99999999999999999999"):
        assert not whole_ids(pl.Series(["1", text])), text


def test_types_say_whether_ids_are_numbers() -> None:
    assert id_is_number(pl.Series([1]))
    assert id_is_number(pl.Series([1.0, None]))
    assert not id_is_number(pl.Series(["1"]))
    assert not id_is_number(pl.Series([1.5]))


def test_numbers_that_are_no_finite_float32_are_bad_and_missing_ones_are_not() -> None:
    number, bad = as_number(pl.Series(["1.5", " 2 ", "", None, "nan", "inf", "1e39", "x"]))
    assert number.to_list()[:5] == [1.5, 2.0, None, None, None]
    assert bad.to_list() == [False, False, False, False, False, True, True, True]


def test_events_are_known_by_many_names_and_by_those_of_the_recipe() -> None:
    codes, missing, unknown = as_event(pl.Series(["pv", " BUY ", "addtocart", "4", "hum", None]), {"4": "purchase"})
    assert codes.to_list() == [1, 6, 5, 6, None, None]
    assert missing.to_list() == [False] * 5 + [True]
    assert unknown.to_list() == [False] * 4 + [True, False]


def test_ids_of_decimals_keep_every_digit() -> None:
    # A float holds 53 bits: both would be 12345678901234567168.
    ids = [Decimal("12345678901234567890"), Decimal("12345678901234567891"), Decimal(100), None]
    assert as_text(pl.Series(ids, dtype=pl.Decimal(38, 0))).to_list() == [*map(str, ids[:3]), None]
    prices = [Decimal("2.50"), Decimal("3.00"), Decimal("0.05"), Decimal("100.00")]
    assert as_text(pl.Series(prices, dtype=pl.Decimal(10, 2))).to_list() == ["2.5", "3", "0.05", "100"]
