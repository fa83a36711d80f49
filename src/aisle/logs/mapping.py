"""Which column of a file plays which part: what the user says, then our own names, then well-known aliases."""

from __future__ import annotations

from collections.abc import Mapping

from aisle.errors import AisleError, did_you_mean
from aisle.logs.batch import OpenFile
from aisle.logs.delimited import separator_guess
from aisle.logs.read import need_column
from aisle.logs.recipe import LogRecipe
from aisle.schema.columns import ALIASES, COLUMNS, REQUIRED

Aliases = Mapping[str, tuple[str, ...]]


def map_columns(
    file: OpenFile, given: Mapping[str, str], aliases: Aliases, said_by: str = "--column {name}={column}"
) -> dict[str, str]:
    """Return our name -> the file's column, for every name that has one.

    Args:
        file: the opened file.
        given: what the user says; "" = this file has no such column.
        aliases: every name of ours that may be looked for, with other people's names for it.
        said_by: how the user says which column it is, for the hint.

    Raises:
        AisleError: E105 a given column is not there, E106 two columns could play one part.
    """
    mapping: dict[str, str] = {}
    for name, column in given.items():
        if column:
            need_column(column, file, f"columns.{name}")
            mapping[name] = column
    free = [column for column in file.schema if column not in mapping.values()]
    for name, others in aliases.items():
        if name in given:
            continue
        claims = [column for column in free if column.strip().lower() == name]
        claims = [column for column in claims if column == name] or claims
        claims = claims or [column for column in free if column.strip().lower() in others]
        if len(claims) > 1:
            raise AisleError(
                f"{file.path}: columns {', '.join(repr(column) for column in claims)} could each be {name}",
                hint=f"say which: {said_by.format(name=name, column=claims[0])}",
                code="E106",
            )
        if claims:
            mapping[name] = claims[0]
    return mapping


def check_names(given: Mapping[str, str]) -> None:
    """Refuse a mapping to a column that is none of ours.

    Raises:
        AisleError: E107.
    """
    for name in given:
        if name not in COLUMNS:
            raise AisleError(f"'{name}' is no column of a log", hint=did_you_mean(name, COLUMNS), code="E107")


def map_log(file: OpenFile, recipe: LogRecipe) -> dict[str, str]:
    """Return the mapping of a log file and check that nothing that must be there is missing.

    Raises:
        AisleError: E105 to E108, E115 neither time nor order.
    """
    check_names(recipe.columns)
    taken = {rule.column for rule in (*recipe.filters, *([recipe.returns] if recipe.returns else []))} | set(recipe.context)
    for column in sorted(taken):
        need_column(column, file, "filters, returns or context")
    skip = {"event"} if recipe.event is not None else set()
    if recipe.order is not None:
        skip.add("timestamp")
        if recipe.order != "rows":
            need_column(recipe.order, file, "order")
    kept = set(recipe.context) | ({recipe.order} if recipe.order else set())
    free = {name: type_ for name, type_ in file.schema.items() if name not in kept or name in recipe.columns.values()}
    mapping = map_columns(
        OpenFile(file.path, free, file.typed, file.batches),
        recipe.columns,
        {name: ALIASES[name] for name in COLUMNS if name not in skip},
    )
    _check_required(file, mapping, recipe)
    return mapping


def _check_required(file: OpenFile, mapping: dict[str, str], recipe: LogRecipe) -> None:
    seen = list(file.schema)
    shown = ", ".join(repr(name[:80]) for name in seen[:20])
    missing = [name for name in REQUIRED if name not in mapping]
    if missing:
        mark = separator_guess(seen)
        raise AisleError(
            f"{file.path} has no column for {' and '.join(missing)}; its columns are {shown}",
            hint=f"the separator may be {mark!r}: give it with --separator or in a log recipe"
            if mark
            else f"map it with --column {missing[0]}=THEIR_NAME; a file without a header needs names in a log recipe",
            code="E105",
        )
    if "event" not in mapping and recipe.event is None:
        raise AisleError(
            f"{file.path} does not say what happened: no column for event among {shown}",
            hint="name what every row is with --event, such as --event view or --event rating",
            code="E108",
        )
    if "timestamp" not in mapping and recipe.order is None:
        raise AisleError(
            f"{file.path} has no column for timestamp among {shown}",
            hint="map it with --column timestamp=THEIR_NAME, or say what orders the rows with --order COLUMN or --order rows",
            code="E115",
        )
