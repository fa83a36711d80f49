"""How to read one log: which file, which columns, which words mean which event, and what is left out on purpose.

A recipe is TOML. The built-in ones, for the public logs, lie in `aisle/recipes/logs/<name>.toml`; a shop writes its own.

    # Online Retail, as its publisher gives it
    event = "purchase"
    [columns]
    user_id = "CustomerID"
    item_id = "StockCode"
    timestamp = "InvoiceDate"
    quantity = "Quantity"
    price = "UnitPrice"
    [returns]
    column = "InvoiceNo"
    op = "starts_with"
    value = "C"
    [[filters]]
    reason = "no customer"
    column = "CustomerID"
    op = "is_null"
"""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from aisle.errors import AisleError, did_you_mean
from aisle.schema.columns import COLUMNS, ColumnKind
from aisle.schema.events import Event, event_names

FORMATS = ("csv", "tsv", "jsonl", "parquet", "xlsx")
Format = Literal["auto", "csv", "tsv", "jsonl", "parquet", "xlsx"]
Op = Literal["is_null", "not_null", "equals", "not_equals", "starts_with", "ends_with", "less_than", "greater_than", "in"]
TimeUnit = Literal["auto", "s", "ms", "us", "ns", "iso"]

ORDER_ROWS = "rows"


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Rule(_Model):
    """A test on one raw column.

    Attributes:
        column: the log's own column name, as in the file (or in `names`).
        op: the comparison. Text ops compare the value as text; less_than and greater_than compare numbers.
            A missing value passes only `is_null` and `not_equals`.
        value: what to compare with; a list for `in`, nothing for is_null and not_null.
    """

    column: str
    op: Op
    value: str | int | float | bool | tuple[str | int | float, ...] | None = None

    @model_validator(mode="after")
    def _value_fits_op(self) -> Self:
        if (self.value is None) != (self.op in ("is_null", "not_null")):
            raise ValueError(f"op '{self.op}' {'needs a value' if self.value is None else 'takes no value'}")
        if isinstance(self.value, tuple) != (self.op == "in"):
            raise ValueError("op 'in' takes a list of values, every other op takes one value")
        if self.op in ("less_than", "greater_than") and not isinstance(self.value, int | float):
            raise ValueError(f"op '{self.op}' compares numbers; {self.value!r} is none")
        return self


class Filter(Rule):
    """Rows that are left out on purpose and counted under `reason`, apart from rejects; the first that matches counts."""

    reason: str


class FileRecipe(_Model):
    """How to cut one kind of file into columns.

    Attributes:
        format: auto = by the file's suffix (.csv .tsv .jsonl .ndjson .parquet .xlsx, with .gz or .zst for text);
            text files with another suffix (ratings.dat, test.rating) need csv or tsv.
        separator: what stands between two fields of a text line; one or several characters ("::"), or a list of which
            any separates (frappe: ["-", ","]). Default: a comma, or a tab for tsv.
        header: whether the first line of a text file names the columns.
        names: the columns' names where there is no header, all of them, in order.
        encoding: of text files.
        columns: our name -> the file's column. An empty text means: this file has none, do not look for an alias.
    """

    format: Format = "auto"
    separator: str | tuple[str, ...] | None = None
    header: bool = True
    names: tuple[str, ...] = ()
    encoding: Literal["utf-8", "latin-1"] = "utf-8"
    columns: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _names_or_header(self) -> Self:
        if not self.header and not self.names:
            raise ValueError("header = false needs names = [...], one for each column")
        if len(set(self.names)) != len(self.names):
            raise ValueError(f"names holds a name twice: {list(self.names)}")
        separators = (self.separator,) if isinstance(self.separator, str) else self.separator or ()
        if any(text == "" or "\n" in text or '"' in text for text in separators):
            raise ValueError("a separator is at least one character, and neither a quote nor a line break")
        return self


class TableRecipe(FileRecipe):
    """A catalogue or users table: one row an item or a user; every column becomes a feature.

    Attributes:
        kinds: column (our name) -> kind, where the default by type is not wanted. Default: title and description are text,
            other text is category, numbers are number, lists are categories.
        lists: column (our name) -> separator: text such as "Comedy|Drama" that holds several categories.
        ignore: columns (our names) that become no feature.
    """

    kinds: dict[str, ColumnKind] = Field(default_factory=dict)
    lists: dict[str, str] = Field(default_factory=dict)
    ignore: tuple[str, ...] = ()


class TestRecipe(FileRecipe):
    """A file of answers, one (user, item) a line: `columns` may map user_id and item_id, other columns are not read."""

    __test__ = False  # not a pytest class


class NegativesRecipe(_Model):
    """A file of fixed wrong answers.

    Attributes:
        format: "ncf" = NCF's `test.negative`: `(user,item)<tab>negative<tab>negative...` a line, in any order of lines.
    """

    format: Literal["ncf"] = "ncf"


class LogRecipe(FileRecipe):
    """How to read one log.

    Attributes:
        description: one line for people.
        files: the publisher's file name -> its SHA-256. A file of that name with another hash is refused.
        event: the event of every row, for a log without an event column. Ours or an alias ("purchase", "buy").
        events: their word -> our event, beside the built-in aliases; compared without regard to case.
        time_unit: of a numeric time; auto = whichever of s, ms, us, ns puts most times of a file between 1995 and 2100.
        time_format: strptime format of a text time, where it is not ISO 8601.
        order: for a log without time: the column that orders a user's events, or "rows" for the order of the rows.
        context: further raw columns to keep an event; floats become number, everything else category.
        filters: what is left out on purpose.
        returns: which rows of negative quantity are returns (left out, counted as filter "return"); other negative
            quantities are rejects.
        duplicates: drop = of rows equal in every column that is kept, keep one (counted as filter "duplicate").
        items, users, test, negatives: how to read those files, where they are given.
    """

    description: str = ""
    files: dict[str, str] = Field(default_factory=dict)
    event: str | None = None
    events: dict[str, str] = Field(default_factory=dict)
    time_unit: TimeUnit = "auto"
    time_format: str | None = None
    order: str | None = None
    context: tuple[str, ...] = ()
    filters: tuple[Filter, ...] = ()
    returns: Rule | None = None
    duplicates: Literal["keep", "drop"] = "keep"
    items: TableRecipe = TableRecipe()
    users: TableRecipe = TableRecipe()
    test: TestRecipe = TestRecipe()
    negatives: NegativesRecipe = NegativesRecipe()

    @model_validator(mode="after")
    def _known_words(self) -> Self:
        known = event_names()
        for word in (*self.events.values(), *([] if self.event is None else [self.event])):
            if word.lower() not in known:
                raise ValueError(f"'{word}' is no event; {did_you_mean(word, (event.name for event in Event))}")
        for name in self.columns:
            if name not in COLUMNS:
                raise ValueError(f"columns maps '{name}', which is no column of ours; {did_you_mean(name, COLUMNS)}")
        if self.event is not None and self.columns.get("event"):
            raise ValueError("give event = '...' for every row, or columns.event, not both")
        if self.order is not None and self.columns.get("timestamp"):
            raise ValueError("give order = '...', or columns.timestamp, not both")
        clash = set(self.context) & set(COLUMNS)
        if clash:
            raise ValueError(f"context column '{sorted(clash)[0]}' has the name of one of our columns; map it in columns instead")
        return self


def builtin_log_recipes() -> list[str]:
    """Return the names of the recipes that come with aisle."""
    folder = resources.files("aisle").joinpath("recipes", "logs")
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir()) if folder.is_dir() else []


def load_log_recipe(name_or_path: str | Path) -> LogRecipe:
    """Load a built-in recipe by its name, or a TOML file by its path.

    Raises:
        AisleError: E111 when there is no such recipe, or it does not parse, or a key or value is wrong.

    Example:
        >>> load_log_recipe("taobao-userbehavior").header  # doctest: +SKIP
        False
    """
    name = str(name_or_path)
    if name in builtin_log_recipes():
        text = resources.files("aisle").joinpath("recipes", "logs", f"{name}.toml").read_text()
        return parse_log_recipe(text, name)
    path = Path(name_or_path)
    try:
        return parse_log_recipe(path.read_text(), name)
    except (OSError, UnicodeDecodeError) as error:
        raise AisleError(
            f"no log recipe '{name}': neither a built-in name nor a readable file",
            hint=did_you_mean(name, builtin_log_recipes()),
            code="E111",
        ) from error


def parse_log_recipe(text: str, where: str) -> LogRecipe:
    """Parse a recipe from TOML text; `where` is for messages.

    Raises:
        AisleError: E111.
    """
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise AisleError(f"log recipe {where} is not TOML: {error}", hint="mend that line", code="E111") from error
    return make_log_recipe(raw, where)


def make_log_recipe(raw: dict[str, Any], where: str) -> LogRecipe:
    """Check a recipe given as plain values, as the command line and TOML give it.

    Raises:
        AisleError: E111, with a suggestion for a misspelt key.
    """
    try:
        return LogRecipe.model_validate(raw)
    except ValidationError as error:
        # A misspelt key also makes the right one missing; the misspelling is what to say.
        first = min(error.errors(), key=lambda found: found["type"] != "extra_forbidden")
        place = [str(part) for part in first["loc"] if isinstance(part, int) or part.isidentifier()]
        if first["type"] == "extra_forbidden":
            message, hint = f"unknown key '{'.'.join(place)}'", did_you_mean(place[-1], _known_keys(place[:-1]))
        else:
            detail = first["msg"].removeprefix("Value error, ")
            message, hint = f"{'.'.join(place) or 'it'}: {detail}", "mend this key and run again"
        raise AisleError(f"log recipe {where}: {message}", hint=hint, code="E111") from error


def _known_keys(place: list[str]) -> list[str]:
    models: dict[str, type[BaseModel]] = {
        "items": TableRecipe, "users": TableRecipe, "test": TestRecipe, "negatives": NegativesRecipe,
        "filters": Filter, "returns": Rule,
    }  # fmt: skip
    return list(models.get(place[0], LogRecipe).model_fields) if place else list(LogRecipe.model_fields)
