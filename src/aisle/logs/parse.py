"""One batch of raw rows -> canonical rows, and every row that is left out with its reason."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from aisle.logs import values
from aisle.logs.batch import RawBatch, shorten
from aisle.logs.recipe import LogRecipe, Rule
from aisle.schema.columns import OPTIONAL, REQUIRED
from aisle.schema.events import Event, event_names

REJECT_SCHEMA = {"reason": pl.String, "source": pl.String, "line": pl.Int64, "raw": pl.String}
TIME = "time"


@dataclass(frozen=True)
class Parsed:
    """A batch after parsing.

    Attributes:
        rows: kept rows: user_id and item_id String, event UInt8, time Int64, then optional and context columns: number
            Float32, integer Int32, category String, group String.
        number_ids: user_id and item_id -> whether this batch's ids are numbers by type; None where text must tell.
        rejects: REJECT_SCHEMA, one row a reject.
        filtered: filter reason -> rows.
        read: rows read, kept + rejected + filtered.
    """

    rows: pl.DataFrame
    number_ids: dict[str, bool | None]
    rejects: pl.DataFrame
    filtered: dict[str, int]
    read: int


@dataclass(frozen=True)
class Plan:
    """How the batches of one file are parsed.

    Attributes:
        source: the file's name, for rejects.
        recipe: the log's recipe.
        mapping: our name -> the file's column.
        time_unit: of numeric times in this file.
        context: context column -> "number" or "category".
        typed: whether the file's format tells numbers from text.
    """

    source: str
    recipe: LogRecipe
    mapping: Mapping[str, str]
    time_unit: str
    context: Mapping[str, str]
    typed: bool

    def wanted(self) -> list[str]:
        """Return the file's columns that must be read."""
        rules = [*self.recipe.filters, *([self.recipe.returns] if self.recipe.returns else [])]
        order = [self.recipe.order] if self.recipe.order not in (None, "rows") else []
        names = [*self.mapping.values(), *self.context, *(rule.column for rule in rules), *order]
        return list(dict.fromkeys(str(name) for name in names))


class _Verdicts:
    """Why rows are left out; the first reason that is given to a row stays."""

    def __init__(self, n_rows: int) -> None:
        self.code = np.zeros(n_rows, np.int16)
        self.reasons: list[tuple[str, bool]] = []

    def add(self, reason: str, mask: pl.Series, *, is_filter: bool = False) -> None:
        if not mask.any():
            return
        self.reasons.append((reason, is_filter))
        hit = mask.fill_null(False).to_numpy()
        self.code[hit & (self.code == 0)] = len(self.reasons)


def parse_batch(batch: RawBatch, plan: Plan, rows_before: int) -> Parsed:
    """Parse one batch.

    Args:
        batch: raw rows of one file.
        plan: how.
        rows_before: rows read before this batch, for order = "rows".
    """
    raw, recipe = batch.rows, plan.recipe
    verdicts = _Verdicts(len(raw))
    for rule in recipe.filters:
        verdicts.add(rule.reason, matches(raw, rule), is_filter=True)
    columns: dict[str, pl.Series] = {}
    _parse_quantity(raw, plan, verdicts, columns)
    for name in REQUIRED:
        columns[name] = _parse_id(raw[plan.mapping[name]], name, verdicts)
    columns["event"] = _parse_event(raw, plan, verdicts)
    columns[TIME] = _parse_order(raw, plan, verdicts, rows_before) if recipe.order else _parse_time(raw, plan, verdicts)
    for name, kind in OPTIONAL.items():
        if name in plan.mapping and name != "quantity":
            columns[name] = _parse_optional(raw[plan.mapping[name]], name, kind, verdicts)
    for name, kind in sorted(plan.context.items()):
        columns[name] = _parse_optional(raw[name], name, kind, verdicts)
    return _parsed(batch, plan, verdicts, columns)


def _parsed(batch: RawBatch, plan: Plan, verdicts: _Verdicts, columns: dict[str, pl.Series]) -> Parsed:
    rows = pl.DataFrame([column.alias(name) for name, column in columns.items()])
    counts = np.bincount(verdicts.code, minlength=len(verdicts.reasons) + 1).tolist()
    filtered: dict[str, int] = {}
    for (reason, is_filter), count in zip(verdicts.reasons, counts[1:], strict=True):
        if is_filter and count:
            filtered[reason] = filtered.get(reason, 0) + count
    rejects = _rejects(batch, plan, verdicts)
    if counts[0] < len(rows):
        rows = rows.filter(pl.Series(verdicts.code == 0))
    number_ids = {name: values.id_is_number(batch.rows[plan.mapping[name]]) if plan.typed else None for name in REQUIRED}
    return Parsed(rows, number_ids, rejects, filtered, len(batch.rows) + len(batch.bad))


def _rejects(batch: RawBatch, plan: Plan, verdicts: _Verdicts) -> pl.DataFrame:
    reject_codes = [code for code, (_, is_filter) in enumerate(verdicts.reasons, 1) if not is_filter]
    at: NDArray[np.int64] = np.flatnonzero(np.isin(verdicts.code, reject_codes)) if reject_codes else np.zeros(0, np.int64)
    found = [
        (verdicts.reasons[int(verdicts.code[index]) - 1][0], plan.source, int(batch.line[index]), _raw_text(row))
        for index, row in zip(at.tolist(), batch.rows[at].iter_rows(named=True), strict=True)
    ]
    found += [(entry.reason, plan.source, entry.line, entry.raw) for entry in batch.bad]
    found.sort(key=lambda reject: reject[2])
    return pl.DataFrame(found, schema=REJECT_SCHEMA, orient="row")


def _raw_text(row: dict[str, object]) -> str:
    cells = {name: cell[:200] if isinstance(cell, str) else cell for name, cell in row.items()}
    return shorten(json.dumps(cells, default=str, ensure_ascii=False))


def matches(raw: pl.DataFrame, rule: Rule) -> pl.Series:
    """Say which rows a rule matches: (N,) bool."""
    column = raw[rule.column]
    if rule.op in ("less_than", "greater_than"):
        number, _ = values.as_number(column)
        assert isinstance(rule.value, int | float)
        passed = number < rule.value if rule.op == "less_than" else number > rule.value
        return passed.fill_null(False)
    if rule.op in ("equals", "not_equals"):
        equal = _equal(column, rule.value)
        return equal if rule.op == "equals" else ~equal
    return _text_matches(values.as_text(column).cast(pl.String), rule)


def _text_matches(text: pl.Series, rule: Rule) -> pl.Series:
    if rule.op == "is_null":
        return text.is_null()
    if rule.op == "not_null":
        return text.is_not_null()
    if rule.op == "in":
        matched = text.is_in([_word(value) for value in _values(rule)])
    elif rule.op == "starts_with":
        matched = text.str.starts_with(str(rule.value))
    else:
        matched = text.str.ends_with(str(rule.value))
    return matched.fill_null(False)


def _values(rule: Rule) -> tuple[str | int | float, ...]:
    assert isinstance(rule.value, tuple)
    return rule.value


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _equal(column: pl.Series, value: object) -> pl.Series:
    if isinstance(value, int | float) and not isinstance(value, bool):
        number, _ = values.as_number(column)
        return (number == value).fill_null(False)
    return (values.as_text(column).cast(pl.String) == _word(value)).fill_null(False)


def _parse_id(column: pl.Series, name: str, verdicts: _Verdicts) -> pl.Series:
    text = values.as_text(column).cast(pl.String)
    what = name.removesuffix("_id")
    verdicts.add(f"missing {what}", text.is_null())
    verdicts.add(f"{what} over {values.MAX_ID_BYTES} bytes", text.str.len_bytes() > values.MAX_ID_BYTES)
    return text


def _parse_event(raw: pl.DataFrame, plan: Plan, verdicts: _Verdicts) -> pl.Series:
    if plan.recipe.event is not None:
        event: Event = event_names()[plan.recipe.event.lower()]
        return pl.Series([int(event)], dtype=pl.UInt8).new_from_index(0, len(raw))
    codes, missing, unknown = values.as_event(raw[plan.mapping["event"]], plan.recipe.events)
    verdicts.add("missing event", missing)
    verdicts.add("unknown event", unknown)
    return codes


def _parse_time(raw: pl.DataFrame, plan: Plan, verdicts: _Verdicts) -> pl.Series:
    micros, missing = values.as_time(raw[plan.mapping["timestamp"]], plan.time_unit, plan.recipe.time_format)
    verdicts.add("missing time", missing)
    verdicts.add("unparsable time", micros.is_null())
    verdicts.add("impossible time", micros == values.IMPOSSIBLE_US)
    return micros


def _parse_order(raw: pl.DataFrame, plan: Plan, verdicts: _Verdicts, rows_before: int) -> pl.Series:
    if plan.recipe.order == "rows":
        return pl.Series(np.arange(len(raw), dtype=np.int64) + rows_before)
    text = values.as_text(raw[str(plan.recipe.order)]).cast(pl.String)
    place = text.cast(pl.Int64, strict=False)
    verdicts.add("missing order", text.is_null())
    verdicts.add("unparsable order", place.is_null())
    return place


def _parse_quantity(raw: pl.DataFrame, plan: Plan, verdicts: _Verdicts, columns: dict[str, pl.Series]) -> None:
    if "quantity" not in plan.mapping:
        return
    number, bad = values.as_number(raw[plan.mapping["quantity"]])
    negative = (number < 0).fill_null(False)
    if plan.recipe.returns is not None and negative.any():
        verdicts.add("return", negative & matches(raw, plan.recipe.returns), is_filter=True)
    verdicts.add("unreadable quantity", bad)
    verdicts.add("negative quantity", negative)
    columns["quantity"] = values.as_float32(number)


def _parse_optional(column: pl.Series, name: str, kind: str, verdicts: _Verdicts) -> pl.Series:
    if kind == "number":
        number, bad = values.as_number(column)
        verdicts.add(f"unreadable {name}", bad)
        return values.as_float32(number)
    text = values.as_text(column).cast(pl.String)
    if kind != "integer":
        return text
    place = text.cast(pl.Int64, strict=False)
    verdicts.add(f"unreadable {name}", text.is_not_null() & ~place.is_between(0, 2**31 - 1).fill_null(False))
    return place.fill_null(-1).cast(pl.Int32, strict=False)
