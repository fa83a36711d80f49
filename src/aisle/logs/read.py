"""Open any log: the one door to every format."""

from __future__ import annotations

from aisle.errors import AisleError, did_you_mean
from aisle.logs.batch import OpenFile
from aisle.logs.columnar import open_excel, open_parquet
from aisle.logs.delimited import open_delimited
from aisle.logs.jsonlines import open_jsonlines
from aisle.logs.recipe import FileRecipe
from aisle.logs.sources import Source


def open_source(source: Source, recipe: FileRecipe) -> OpenFile:
    """Open one file: its columns are known when this returns, its rows are read later.

    Raises:
        AisleError: E102 to E104, E112, E114; see the readers.
    """
    if source.format == "parquet":
        return open_parquet(source)
    if source.format == "xlsx":
        return open_excel(source)
    if source.format == "jsonl":
        return open_jsonlines(source, recipe)
    return open_delimited(source, recipe)


def need_column(column: str, file: OpenFile, asked_by: str) -> None:
    """Refuse a column that a recipe or an option names and the file does not have.

    Raises:
        AisleError: E105.
    """
    if column not in file.schema:
        raise AisleError(
            f"{file.path} has no column '{column}' (asked for by {asked_by})",
            hint=did_you_mean(column, [name[:80] for name in file.schema]),
            code="E105",
        )
