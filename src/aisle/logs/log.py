"""A whole log: its files opened and mapped, then read as one stream of canonical rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from aisle.errors import AisleError
from aisle.logs import values
from aisle.logs.batch import OpenFile
from aisle.logs.columnar import is_frame, open_frame
from aisle.logs.mapping import map_log
from aisle.logs.parse import Parsed, Plan, parse_batch
from aisle.logs.read import open_source
from aisle.logs.recipe import LogRecipe
from aisle.logs.sources import find_sources
from aisle.schema.columns import OPTIONAL, ColumnKind

_TIME_SAMPLE = 100_000


@dataclass(frozen=True)
class Log:
    """An opened log.

    Attributes:
        files: its files, in the order they are read.
        recipe: how they are read.
        mappings: for each file, our name -> its column.
        columns: optional and context columns that any file has -> their kind, in canonical order.
    """

    files: list[OpenFile]
    recipe: LogRecipe
    mappings: list[dict[str, str]]
    columns: dict[str, ColumnKind]

    @property
    def n_rows(self) -> int | None:
        """How many rows there are; None where a text file does not say."""
        counts = [file.n_rows for file in self.files]
        return None if None in counts else sum(count or 0 for count in counts)

    @property
    def mapping(self) -> dict[str, str]:
        """Our name -> their column over all files; where files differ, all their names."""
        names = dict.fromkeys(name for mapping in self.mappings for name in mapping)
        return {name: " | ".join(dict.fromkeys(mapping[name] for mapping in self.mappings if name in mapping)) for name in names}

    @property
    def unused(self) -> list[str]:
        """Columns that no part of the dataset comes from."""
        used = [set(self._plan(index, "s").wanted()) for index in range(len(self.files))]
        return list(
            dict.fromkeys(name for file, names in zip(self.files, used, strict=True) for name in file.schema if name not in names)
        )

    def read(self) -> Iterator[tuple[int, Parsed]]:
        """Yield every batch, with the number of the file that it came from."""
        rows_before = 0
        for index, file in enumerate(self.files):
            plan: Plan | None = None
            for batch in file.batches(self._plan(index, "s").wanted()):
                if plan is None and len(batch.rows):
                    plan = self._plan(index, self._time_unit(index, batch.rows))
                parsed = parse_batch(batch, plan or self._plan(index, "s"), rows_before)
                rows_before += parsed.read
                yield index, parsed

    def _plan(self, index: int, time_unit: str) -> Plan:
        context = {name: str(self.columns[name]) for name in self.recipe.context}
        file = self.files[index]
        return Plan(str(file.path), self.recipe, self.mappings[index], time_unit, context, file.typed)

    def _time_unit(self, index: int, rows: pl.DataFrame) -> str:
        column = self.mappings[index].get("timestamp")
        if self.recipe.time_unit != "auto" or column is None:
            return self.recipe.time_unit
        return values.guess_unit(values.time_numbers(rows[column].head(_TIME_SAMPLE)))


def open_log(sources: Any, recipe: LogRecipe) -> Log:
    """Open a log.

    Args:
        sources: a path, a pandas or Polars frame, or a list of them.
        recipe: how to read it.

    Raises:
        AisleError: E101 to E108, E112, E114, E115, E117 a file that is given twice.
    """
    given: Sequence[Any] = sources if isinstance(sources, list | tuple) else [sources]
    files = [file for one in given for file in _open(one, recipe)]
    if not files:
        raise AisleError("no log was given", hint="name a file, a folder or a glob", code="E101")
    _refuse_twice([file.path for file in files if file.on_disk])
    mappings = [map_log(file, recipe) for file in files]
    columns: dict[str, ColumnKind] = {}
    for name, kind in OPTIONAL.items():
        if any(name in mapping for mapping in mappings):
            columns[name] = kind  # type: ignore[assignment]
    for name in sorted(recipe.context):
        # One text among the files makes it a category everywhere: a number can be written as text, not the reverse.
        columns[name] = "number" if all(_holds_floats(file.schema[name]) for file in files) else "category"
    return Log(files, recipe, mappings, columns)


def _refuse_twice(paths: list[Path]) -> None:
    """A glob beside a file that it matches would count every row twice."""
    seen: set[Path] = set()
    for path in paths:
        if path.resolve() in seen:
            raise AisleError(f"{path} is given twice", hint="name every file once; a folder or glob may hold it too", code="E117")
        seen.add(path.resolve())


def _open(source: Any, recipe: LogRecipe) -> list[OpenFile]:
    if is_frame(source) or not isinstance(source, str | Path):
        return [open_frame(source)]
    return [open_source(found, recipe) for found in find_sources([source], recipe)]


def _holds_floats(kind: pl.DataType) -> bool:
    return kind.is_float() or kind.is_decimal()
