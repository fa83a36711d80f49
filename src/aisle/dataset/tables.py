"""The catalogue and the users table: read whole, one row an item or a user, every column a feature."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from aisle.dataset.codes import write_texts
from aisle.errors import AisleError
from aisle.logs.batch import OpenFile
from aisle.logs.columnar import is_frame, open_frame
from aisle.logs.mapping import Aliases, map_columns
from aisle.logs.read import open_source
from aisle.logs.recipe import TableRecipe
from aisle.logs.sources import find_sources, reading
from aisle.logs.values import as_float32, as_number, as_text
from aisle.schema.columns import ALIASES, ITEM_ALIASES, ITEM_COLUMNS, ColumnKind
from aisle.schema.manifest import ArrayInfo
from aisle.storage.arrays import write_array

ITEM_NAMES: Aliases = {"item_id": ITEM_ALIASES["item_id"], **{name: ITEM_ALIASES.get(name, ()) for name in ITEM_COLUMNS}}
USER_NAMES: Aliases = {"user_id": ALIASES["user_id"]}

# A column of an untyped file is a number if every value is written as one; "02139" is a code, not a number.
_NUMBER = r"^-?(0|[1-9]\d*)(\.\d+)?$"
_RESERVED = ("id",)


@dataclass(frozen=True)
class Table:
    """A catalogue or users table.

    Attributes:
        ids: (N,) String, distinct and none missing.
        columns: feature -> its values: Float32, String, or List(String), N each.
        kinds: feature -> kind.
        paths: the files it was read from.
    """

    ids: pl.Series
    columns: dict[str, pl.Series]
    kinds: dict[str, ColumnKind]
    paths: list[Path]


def read_table(given: Any, recipe: TableRecipe, key: str, names: Aliases) -> Table:
    """Read a table.

    Args:
        given: a path or a frame.
        recipe: how to read it.
        key: "item_id" or "user_id".
        names: our names that may be looked for in it, with other people's names.

    Raises:
        AisleError: E101 to E106 where it cannot be read, E204 a missing or repeated id, a broken line, or a value or name that
            does not fit.
    """
    files = [open_frame(given)] if is_frame(given) else [open_source(one, recipe) for one in find_sources([given], recipe)]
    parts = [_read_file(file, recipe, key, names) for file in files]
    rows = _stacked(parts, files)
    ids = as_text(rows[key]).cast(pl.String)
    _check_ids(ids, key, files)
    features = [name for name in rows.columns if name != key and name not in recipe.ignore]
    kinds: dict[str, ColumnKind] = {
        name: _kind(rows[name], recipe, name, names, typed=all(file.typed for file in files)) for name in features
    }
    columns = {name: _values(rows[name], kinds[name], recipe.lists.get(name), files[0].path) for name in features}
    return Table(ids, columns, kinds, [file.path for file in files if file.on_disk])


def _read_file(file: OpenFile, recipe: TableRecipe, key: str, names: Aliases) -> pl.DataFrame:
    section = f"[{key.removesuffix('_id')}s.columns]"
    mapping = map_columns(file, recipe.columns, names, f"{section} {{name}} = '{{column}}' in a log recipe")
    if key not in mapping:
        shown = ", ".join(repr(name[:80]) for name in list(file.schema)[:20])
        raise AisleError(
            f"{file.path} has no column for {key}; its columns are {shown}",
            hint=f"map it in a log recipe: {section} {key} = 'THEIR_NAME'",
            code="E204",
        )
    names_before = list(file.schema)
    batches = list(file.batches(names_before))
    if len(file.schema) > len(names_before):
        # JSON Lines with keys that first appear late: now they are known.
        return _read_file(file, recipe, key, names)
    bad = [entry for batch in batches for entry in batch.bad]
    if bad:
        raise AisleError(
            f"{file.path} line {bad[0].line}: {bad[0].reason} ({len(bad)} such lines): {bad[0].raw[:100]}",
            hint="mend the line, or give the right separator in the log recipe",
            code="E204",
        )
    ours = {column: name for name, column in mapping.items()}
    frames = [batch.rows for batch in batches if len(batch.rows)]
    with reading(file.path):
        rows = pl.concat(frames, how="vertical_relaxed") if frames else pl.DataFrame(schema=file.schema)
    renamed = [ours.get(column) or safe_name(column, file.path) for column in rows.columns]
    if len(set(renamed)) != len(renamed):
        raise AisleError(
            f"{file.path}: two columns have the same name once written as {', '.join(renamed)}", hint="rename one", code="E204"
        )
    return rows.rename(dict(zip(rows.columns, renamed, strict=True)))


def safe_name(column: str, path: Path) -> str:
    """Return a column's name as part of a file name.

    Raises:
        AisleError: E204 where the layout needs the name for itself.
    """
    name = re.sub(r"[^\w-]+", "_", column)[:100]
    if name in _RESERVED or not name.strip("_"):
        raise AisleError(
            f"{path}: a feature cannot be called '{column}'", hint="rename it, map it, or name it in ignore", code="E204"
        )
    return name


def _stacked(parts: list[pl.DataFrame], files: list[OpenFile]) -> pl.DataFrame:
    try:
        return pl.concat(parts, how="diagonal_relaxed").unique(maintain_order=True)
    except pl.exceptions.PolarsError as error:
        raise AisleError(
            f"the files of {files[0].path.parent} do not fit together: {error}", hint="give them the same types", code="E204"
        ) from error


def _check_ids(ids: pl.Series, key: str, files: list[OpenFile]) -> None:
    where = files[0].path
    if ids.null_count():
        raise AisleError(f"{where}: {ids.null_count()} rows have no {key}", hint="leave those rows out", code="E204")
    twice = ids.filter(ids.is_duplicated())
    if len(twice):
        raise AisleError(
            f"{where}: {key} '{twice[0]}' stands in more than one row, and the rows differ", hint="keep one row each", code="E204"
        )


def _kind(values: pl.Series, recipe: TableRecipe, name: str, names: Aliases, *, typed: bool) -> ColumnKind:
    kind: ColumnKind
    if name in recipe.kinds:
        return recipe.kinds[name]
    if name in recipe.lists or isinstance(values.dtype, pl.List | pl.Array):
        return "categories"
    if name in names and name in ITEM_COLUMNS:
        kind = ITEM_COLUMNS[name]  # type: ignore[assignment]
        return kind
    if values.dtype.is_numeric() or values.dtype == pl.Boolean:
        return "number"
    text = as_text(values).cast(pl.String).drop_nulls()
    return "number" if not typed and len(text) and bool(text.str.contains(_NUMBER).all()) else "category"


def _values(values: pl.Series, kind: ColumnKind, separator: str | None, path: Path) -> pl.Series:
    if kind in ("number", "integer"):
        number, bad = as_number(values.replace(_BOOLEANS) if values.dtype == pl.String else values)
        if kind == "integer":
            bad |= ~((number == number.floor()) & number.is_between(0, 2**31 - 1)).fill_null(True)
        if bad.any():
            raise AisleError(
                f"{path}: column '{values.name}' holds {values.filter(bad)[0]!r}, which is no {kind}",
                hint="mend it, or give the column another kind in the log recipe (kinds)",
                code="E204",
            )
        return number.cast(pl.Int32) if kind == "integer" else as_float32(number)
    if kind == "categories":
        lists = _lists(values, separator)
        return lists.list.eval(pl.element().filter(pl.element().str.len_bytes() > 0))
    if isinstance(values.dtype, pl.List | pl.Array):
        return _lists(values, None).list.join(" ")
    return as_text(values).cast(pl.String)


_BOOLEANS = {"true": "1", "True": "1", "TRUE": "1", "false": "0", "False": "0", "FALSE": "0"}


def _lists(values: pl.Series, separator: str | None) -> pl.Series:
    if isinstance(values.dtype, pl.List | pl.Array):
        return values.cast(pl.List(pl.String))
    text = as_text(values).cast(pl.String)
    return text.str.split(separator or "|")


def write_table(table: Table | None, row_of: NDArray[np.int64], folder: Path, prefix: str) -> dict[str, ArrayInfo]:
    """Write a table's features, one row an item or user of the dataset.

    Args:
        table: the table, None = there is none.
        row_of: (V,) the table's row of each item or user; -1 where it has none.
        folder: where to.
        prefix: "items" or "users".
    """
    arrays: dict[str, ArrayInfo] = {}
    if table is None:
        return arrays
    index = pl.Series(row_of).set(pl.Series(row_of < 0), None)
    for name, column in table.columns.items():
        arrays |= write_feature(folder, f"{prefix}.{name}", table.kinds[name], column.gather(index))
    return arrays


def write_feature(folder: Path, name: str, kind: ColumnKind, values: pl.Series) -> dict[str, ArrayInfo]:
    """Write one feature by its kind, see `dataset.layout`."""
    path = folder / f"{name}.npy"
    if kind == "number":
        return {name: write_array(path, values.fill_null(float("nan")).to_numpy())}
    if kind == "integer":
        return {name: write_array(path, values.fill_null(-1).to_numpy())}
    if kind == "text":
        return write_texts(folder, name, values)
    if kind == "category":
        vocabulary = values.drop_nulls().unique().sort()
        codes = _encode(values, vocabulary)
        return {name: write_array(path, codes)} | write_texts(folder, f"{name}.vocabulary", vocabulary)
    lengths = values.list.len().fill_null(0).to_numpy()
    offsets = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int64)
    flat = values.filter(values.list.len() > 0).explode()
    vocabulary = flat.unique().sort()
    return (
        {f"{name}.offsets": write_array(folder / f"{name}.offsets.npy", offsets)}
        | {f"{name}.codes": write_array(folder / f"{name}.codes.npy", _encode(flat, vocabulary))}
        | write_texts(folder, f"{name}.vocabulary", vocabulary)
    )


def _encode(values: pl.Series, vocabulary: pl.Series) -> NDArray[np.int32]:
    if not len(vocabulary):
        return np.full(len(values), -1, np.int32)
    codes = values.cast(pl.String).replace_strict(vocabulary, np.arange(len(vocabulary)), default=None, return_dtype=pl.Int32)
    return codes.fill_null(-1).to_numpy()


def rows_by_code(codes: NDArray[np.int32] | None, n: int) -> NDArray[np.int64]:
    """Return which row of a table each of n items or users has, -1 where none: (n,).

    Args:
        codes: (N,) the final code of each of its rows, -1 for one that is not in the dataset; None = there is no table.
        n: size of the vocabulary.
    """
    row_of = np.full(n, -1, np.int64)
    if codes is not None:
        row_of[codes[codes >= 0]] = np.flatnonzero(codes >= 0)
    return row_of


def known_kinds(table: Table | None) -> dict[str, ColumnKind]:
    """Return the kinds of a table's features; none where there is no table."""
    return {} if table is None else table.kinds
