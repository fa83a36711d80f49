"""Side features of items and users as integer fields: codes, price buckets, several values a row. NumPy only."""

# N rows (items or users)   W values a row of one field   F values a row of all fields   T distinct codes of all fields

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aisle.schema.columns import ColumnKind

MISSING = -1


@dataclass(frozen=True)
class Field:
    """One column as codes.

    Attributes:
        name: the column's name.
        size: codes are 0..size - 1.
        code: (N, W) int32, `MISSING` where a row has fewer values.
    """

    name: str
    size: int
    code: NDArray[np.int32]


@dataclass(frozen=True)
class Fields:
    """Several columns side by side, their codes numbered through so that one table holds a row for each.

    Attributes:
        names: the columns' names.
        size: T, the rows that the table needs.
        code: (N, F) int32 into the table, 0 where a value is missing.
        weight: (N, F) float32, 0 where a value is missing; the k values of one column weigh 1 / k each.
        widths: how many of the F places each column takes.
    """

    names: tuple[str, ...]
    size: int
    code: NDArray[np.int32]
    weight: NDArray[np.float32]
    widths: tuple[int, ...] = ()

    @property
    def present(self) -> NDArray[np.bool_]:
        """Which rows have any value: (N,)."""
        return np.asarray((self.weight > 0).any(axis=1))


def make_field(
    name: str,
    kind: ColumnKind,
    values: NDArray[Any] | None,
    trained_N: NDArray[np.bool_],
    *,
    offsets: NDArray[np.int64] | None = None,
    buckets: int = 10,
) -> Field | None:
    """Turn one column of the catalogue or the users table into a field.

    Args:
        name: the column's name.
        kind: how `values` is to be read, as in `schema.columns`.
        values: (N,) numbers or codes; for kind "categories" the codes of all rows one after another.
        trained_N: (N,) bool, rows with training events: bucket edges come from these alone.
        offsets: (N + 1,) for kind "categories".
        buckets: how many buckets of about equal count numbers are cut into.

    Returns:
        The field, or None for a column that carries no codes (text, group).

    Example:
        >>> make_field("price", "number", np.array([1.0, 2.0, np.nan, 9.0]), np.ones(4, bool), buckets=2).code.ravel()
        array([ 0,  0, -1,  1], dtype=int32)
    """
    if kind in ("text", "group") or values is None:
        return None
    if kind == "categories":
        assert offsets is not None
        return category_lists(name, offsets, values)
    if kind == "category":
        return Field(name, _size(values), np.asarray(values, np.int32)[:, None])
    numbers = np.asarray(values, np.float64)
    return number_buckets(name, np.where(numbers < 0, np.nan, numbers) if kind == "integer" else numbers, trained_N, buckets)


def category_lists(name: str, offsets: NDArray[np.int64], codes: NDArray[np.integer], *, max_values: int = 16) -> Field:
    """Turn lists of codes into a field as wide as the longest list, of which the first `max_values` codes are kept.

    Args:
        name: the column's name.
        offsets: (N + 1,) where each row's codes begin.
        codes: all rows' codes one after another.
        max_values: bounds the memory that one row with hundreds of tags could ask for.
    """
    length_N = np.minimum(np.diff(offsets), max_values)
    width = int(length_N.max(initial=0))
    place_NW = offsets[:-1, None] + np.arange(width)
    filled_NW = np.arange(width) < length_N[:, None]
    code_NW = np.full(place_NW.shape, MISSING, np.int32)
    code_NW[filled_NW] = codes[place_NW[filled_NW]]
    return Field(name, _size(codes), code_NW)


def number_buckets(name: str, numbers: NDArray[np.floating[Any]], trained_N: NDArray[np.bool_], buckets: int) -> Field:
    """Cut numbers at the quantiles of the trained rows, so that buckets hold about equally many of them.

    Args:
        name: the column's name.
        numbers: (N,), NaN where missing.
        trained_N: (N,) bool, the rows that the quantiles come from.
        buckets: how many; fewer come out where many rows share a number.
    """
    learned = numbers[trained_N & np.isfinite(numbers)]
    edges = np.unique(np.quantile(learned, np.arange(1, buckets) / buckets)) if len(learned) else np.zeros(0)
    code_N = np.where(np.isnan(numbers), MISSING, np.searchsorted(edges, numbers, side="left"))
    return Field(name, len(edges) + 1, code_N.astype(np.int32)[:, None])


def hashed(field: Field, size: int | None) -> Field:
    """Let a field of more than `size` codes share that many, by hash; None leaves it as it is.

    Source: Weinberger and others (2009), Feature hashing for large scale multitask learning.
    """
    if size is None or field.size <= size:
        return field
    return Field(field.name, size, np.where(field.code >= 0, _hash(field.code, size), MISSING).astype(np.int32))


@dataclass(frozen=True)
class ContextTable:
    """Which row of a table each value of the context columns has, all columns numbered through.

    Attributes:
        start: (F,) int64: column f's code c is place start[f] + c of `row`.
        row: (P,) int64 rows of the table; MISSING for a value that no training event has. The last place stands for -1.
        size: rows of the table.
    """

    start: NDArray[np.int64]
    row: NDArray[np.int64]
    size: int


def context_table(sizes: Sequence[int], context_EF: NDArray[np.int32], hash_size: int | None = None) -> ContextTable:
    """Number the values of the context columns that training events have.

    Args:
        sizes: distinct values of each of the F columns.
        context_EF: (E, F) codes of the training events, -1 where missing.
        hash_size: a column of more values shares so many rows, by hash; None gives every value its own.
    """
    rows, size = [np.zeros(0, np.int64)], 0
    for column, count in enumerate(sizes):
        field = hashed(Field("", count, np.arange(count, dtype=np.int32)[:, None]), hash_size)
        learned = np.isin(np.arange(count), context_EF[:, column])
        rows.append(np.where(learned, field.code[:, 0] + size, MISSING))
        size += field.size
    start = np.concatenate([[0], np.cumsum(sizes)])[: len(sizes)].astype(np.int64)
    return ContextTable(start, np.concatenate([*rows, [MISSING]]).astype(np.int64), size)


def _hash(code: NDArray[np.integer], size: int) -> NDArray[np.int64]:
    """Spread codes over 0..size - 1: the high bits of a product with 2^64 / the golden ratio (Knuth)."""
    mixed = code.astype(np.int64).astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    return ((mixed >> np.uint64(32)) % np.uint64(size)).astype(np.int64)


def join(fields: Sequence[Field], trained_N: NDArray[np.bool_]) -> Fields:
    """Put fields side by side.

    A code that no trained row carries says nothing that was learned, so it counts as missing.

    Args:
        fields: columns of the same N rows; may be none.
        trained_N: (N,) bool, rows with training events.
    """
    codes, weights, size = [np.zeros((len(trained_N), 0), np.int32)], [np.zeros((len(trained_N), 0), np.float32)], 0
    for field in fields:
        learned = np.zeros(field.size + 1, np.bool_)  # the last place stands for MISSING
        learned[field.code[trained_N]] = True
        learned[MISSING] = False
        known_NW = learned[field.code]
        count_N1 = np.maximum(known_NW.sum(axis=1, keepdims=True), 1)
        codes.append(np.where(known_NW, field.code + size, 0).astype(np.int32))
        weights.append((known_NW / count_N1).astype(np.float32))
        size += field.size
    names, widths = tuple(field.name for field in fields), tuple(field.code.shape[1] for field in fields)
    return Fields(names, size, np.concatenate(codes, axis=1), np.concatenate(weights, axis=1), widths)


def beside(first: Fields, second: Fields) -> Fields:
    """Put fields of the same N rows that are joined already side by side."""
    code_NF = np.concatenate([first.code, second.code + np.int32(first.size)], axis=1)
    weight_NF = np.concatenate([first.weight, second.weight], axis=1)
    return Fields(first.names + second.names, first.size + second.size, code_NF, weight_NF)


def _size(codes: NDArray[np.integer]) -> int:
    return int(np.max(codes, initial=MISSING)) + 1
