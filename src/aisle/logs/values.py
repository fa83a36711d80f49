"""Raw values -> canonical values: ids as text, times as microseconds, numbers, event codes. Pure functions of columns.

Missing is null, NaN, or one of the words below. What is there but cannot be understood is told apart from what is missing.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime

import polars as pl

from aisle.errors import AisleError
from aisle.schema.events import Event, event_names

MISSING_WORDS = ("", "nan", "null", "none", "<na>", "\\n")
MAX_ID_BYTES = 1024

# No shop log is older than the web shops, and no clock is right after 2100. The bounds are fixed, and do not follow
# today's date, so that the same log gives the same dataset whenever it is prepared.
TIME_MIN_US = int(datetime(1995, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000
TIME_MAX_US = int(datetime(2100, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000
IMPOSSIBLE_US = -1
UNIT_US = {"s": 1_000_000, "ms": 1_000, "us": 1}

_FLOAT32_MAX = 3.4028234e38
_ISO_FORMATS = (
    "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f%z", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M%z", "%Y%m%dT%H%M%S%z",
    "%Y%m%dT%H%M%S", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f%z",
)  # fmt: skip
_HEAD = 64


def as_text(values: pl.Series) -> pl.Series:
    """Return any column as text, null where missing; whole floats lose their ".0", as ids read through pandas need."""
    kind = values.dtype
    if kind == pl.String:
        text = values
    elif kind.is_decimal():
        # Never through a float: warehouses export ids as DECIMAL(38, 0), and a float holds 53 bits of them.
        return values.cast(pl.String).str.replace(r"(\.\d*?)0+$", "${1}").str.strip_suffix(".")
    elif kind.is_float():
        numbers = values.cast(pl.Float64)
        whole = numbers.is_finite() & (numbers == numbers.round(0)) & (numbers.abs() < 2.0**63)
        text = numbers.set(~whole.fill_null(False), None).cast(pl.Int64).cast(pl.String)
        if text.null_count() > values.null_count():
            text = text.zip_with(whole.fill_null(True), numbers.fill_nan(None).cast(pl.String))
    elif kind.is_nested() or kind in (pl.Object, pl.Binary):
        raise AisleError(
            f"column '{values.name}' holds {kind}, which is no id, word or number",
            hint="write it as text or numbers, or map another column",
            code="E116",
        )
    else:
        return values.cast(pl.String)
    return text if not missing_text(text).any() else text.set(missing_text(text), None)


def missing_text(text: pl.Series) -> pl.Series:
    """Say which texts stand for nothing: (N,) bool, false for null."""
    # Only short texts can be one of the words: most ids are spared the work.
    short = (text.str.len_bytes() <= 6).fill_null(False)
    if not short.any():
        return short
    word = text.to_frame("text").select(
        pl.when(pl.lit(short)).then(pl.col("text").str.strip_chars().str.to_lowercase().is_in(MISSING_WORDS)).otherwise(False)
    )
    return word.to_series().fill_null(False)


def whole_ids(text: pl.Series) -> bool:
    """Say whether every text is an int64 written the one usual way (no "+", no leading zero; ".0" is let pass)."""
    number = text.str.strip_suffix(".0")
    value = number.cast(pl.Int64, strict=False)
    return bool((value.is_not_null() & (value.cast(pl.String) == number)).fill_null(False).all())


def id_is_number(values: pl.Series) -> bool:
    """Say whether a typed column's ids are whole numbers."""
    if values.dtype.is_integer():
        return True
    if values.dtype.is_float() or values.dtype.is_decimal():
        return whole_ids(as_text(values).drop_nulls())
    return values.dtype == pl.Null


def as_number(values: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Return a column as Float64, null where missing, and which values are there but are no finite float32."""
    if values.dtype.is_numeric() or values.dtype == pl.Boolean:
        number = values.cast(pl.Float64).fill_nan(None)
        absent = number.is_null()
    else:
        text = as_text(values)
        absent = text.is_null()
        number = text.str.strip_chars().cast(pl.Float64, strict=False).fill_nan(None)
    bad = ~absent & ~(number.abs() <= _FLOAT32_MAX).fill_null(False)
    return number, bad


def as_float32(number: pl.Series) -> pl.Series:
    """Return numbers as they are stored: Float32, NaN where missing, and one zero, so that equal rows have equal bytes."""
    zero = (number == 0).fill_null(False)
    return (number.set(zero, 0.0) if zero.any() else number).fill_null(float("nan")).cast(pl.Float32)


def as_event(values: pl.Series, extra: dict[str, str]) -> tuple[pl.Series, pl.Series, pl.Series]:
    """Return event codes (UInt8), which are missing, and which words are no event.

    Args:
        values: their words.
        extra: their word -> our event, beside the built-in names.
    """
    words: dict[str, Event] = event_names()
    words |= {word.lower(): event_names()[ours.lower()] for word, ours in extra.items()}
    text = as_text(values)
    if text.dtype == pl.String:
        text = text.str.strip_chars().str.to_lowercase()
    codes = text.replace_strict(list(words), [int(event) for event in words.values()], default=None, return_dtype=pl.UInt8)
    return codes, text.is_null(), text.is_not_null() & codes.is_null()


def guess_unit(values: pl.Series) -> str:
    """Return the unit that puts most of some numeric times between 1995 and 2100: s, ms, us or ns.

    The four ranges do not overlap, so garbage among the times does not mislead the guess.
    """
    numbers = values.drop_nulls().cast(pl.Float64)
    score = {
        unit: int(numbers.is_between(TIME_MIN_US / us, TIME_MAX_US / us, closed="left").sum())
        for unit, us in (*UNIT_US.items(), ("ns", 1e-3))
    }
    return max(score, key=lambda unit: score[unit])


def time_numbers(values: pl.Series) -> pl.Series:
    """Return the numeric times of a column, for `guess_unit`: empty where it holds none."""
    if values.dtype.is_numeric():
        return values
    return values.cast(pl.Float64, strict=False) if values.dtype == pl.String else pl.Series([], dtype=pl.Float64)


def as_time(values: pl.Series, unit: str, time_format: str | None = None) -> tuple[pl.Series, pl.Series]:
    """Return times in microseconds since 1970 UTC (Int64), and which are missing.

    A time that is not understood is null, one before 1995 or after 2099 is IMPOSSIBLE_US.

    Args:
        values: numbers, texts, dates or datetimes. A time without a zone is UTC.
        unit: of numbers: s, ms, us, ns; "iso" = numbers are not understood.
        time_format: strptime format of texts, where they are not ISO 8601.
    """
    kind = values.dtype
    if kind.is_temporal() and kind not in (pl.Time, pl.Duration):
        moments = values.cast(pl.Datetime("us")) if kind == pl.Date else values.dt.cast_time_unit("us")
        return _bounded(moments.to_physical()), values.is_null()
    if kind.is_numeric():
        return _from_numbers(values, unit), values.is_null() | values.cast(pl.Float64).is_nan().fill_null(False)
    text = as_text(values)
    if text.dtype != pl.String:
        text = text.cast(pl.String)
    return _from_texts(text, unit, time_format), text.is_null()


def _bounded(micros: pl.Series) -> pl.Series:
    inside = micros.is_between(TIME_MIN_US, TIME_MAX_US, closed="left").fill_null(True)
    return micros if inside.all() else micros.set(~inside, IMPOSSIBLE_US)


def _from_numbers(values: pl.Series, unit: str) -> pl.Series:
    if unit == "iso":
        return pl.Series(values.name, [None], pl.Int64).new_from_index(0, len(values))
    micros_a_unit = UNIT_US.get(unit, 1e-3)
    # Checked before it is multiplied: an impossible time must not wrap around into a possible one.
    sane = values.is_between(math.ceil(TIME_MIN_US / micros_a_unit), math.floor(TIME_MAX_US / micros_a_unit))
    impossible = ~sane.fill_null(True) & ~values.cast(pl.Float64).is_nan().fill_null(False)
    kept = values if sane.all(ignore_nulls=False) else values.set(~sane.fill_null(False), None)
    if unit == "ns":
        micros = kept.cast(pl.Int64) // 1000
    elif values.dtype.is_integer():
        micros = kept.cast(pl.Int64) * int(micros_a_unit)
    else:
        # Two steps, since a double holds microseconds of today only to a quarter: whole units first, then the rest.
        whole = kept.cast(pl.Float64).floor()
        rest = ((kept.cast(pl.Float64) - whole) * micros_a_unit).round(0)
        micros = whole.cast(pl.Int64) * int(micros_a_unit) + rest.cast(pl.Int64)
    return _bounded(micros.set(impossible, IMPOSSIBLE_US) if impossible.any() else micros)


def _from_texts(text: pl.Series, unit: str, time_format: str | None) -> pl.Series:
    if time_format is not None:
        return _strptime(text, time_format)
    whole = text.cast(pl.Int64, strict=False)
    if whole.null_count() == text.null_count():
        return _from_numbers(whole, unit)
    number = text.cast(pl.Float64, strict=False)
    if number.null_count() == text.null_count():
        return _from_numbers(number, unit)
    moments = _iso(text)
    return moments if number.null_count() == len(text) else moments.fill_null(_from_numbers(number, unit))


def _iso(text: pl.Series) -> pl.Series:
    """Parse ISO 8601 and its close kin: a space or a T, a date alone, "Z", "UTC" or an offset for the zone."""
    head = text.drop_nulls().head(_HEAD)
    # Most columns are written in one way: try that on all rows, and every other way only on those that are left.
    common = max(_ISO_FORMATS, key=lambda form: _strptime(head, form).count())
    parsed = _strptime(text, common)
    left = (parsed.is_null() & text.is_not_null()).arg_true()
    if not len(left):
        return parsed
    plain = _plain_iso(text.gather(left))
    rest = _strptime(plain, _ISO_FORMATS[0])
    for form in _ISO_FORMATS[1:]:
        if not rest.null_count():
            break
        rest = rest.fill_null(_strptime(plain, form))
    return parsed.scatter(left, rest)


def _plain_iso(text: pl.Series) -> pl.Series:
    return (
        text.str.strip_chars()
        .str.replace(r"^(\d{4})[/.](\d{2})[/.](\d{2})", "${1}-${2}-${3}")
        .str.replace(r"^(\d{4}-\d{2}-\d{2})$", "${1}T00:00:00")
        .str.replace(r"^(\d{4}-\d{2}-\d{2})\s+(\d)", "${1}T${2}")
        .str.replace(r"\s*(Z|z|UTC|GMT)$", "+00:00")
        .str.replace(r"(T\d{2}:\d{2}\S*)\s+([+-]\d{2})", "${1}${2}")
        .str.replace(r"(T\d{2}:\d{2}\S*[+-]\d{2})$", "${1}:00")
    )


def _strptime(text: pl.Series, form: str) -> pl.Series:
    return _bounded(text.str.to_datetime(form, time_unit="us", strict=False, ambiguous="null").to_physical())
