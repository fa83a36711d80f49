"""Small logs in every format, for the tests of reading."""

from __future__ import annotations

import gzip
from pathlib import Path

import polars as pl
import zstandard

from aisle.logs.log import Log, open_log
from aisle.logs.parse import Parsed
from aisle.logs.recipe import LogRecipe

ROWS = pl.DataFrame(
    {
        "user_id": ["ann", "bob", "ann", "cy"],
        "item_id": ["tea", "mug", "mug", "tea"],
        "event": ["view", "cart", "purchase", "view"],
        "timestamp": [1_500_000_000, 1_500_000_060, 1_500_000_120, 1_500_000_180],
        "price": [2.5, 7.0, None, 2.5],
    }
)


def write(rows: pl.DataFrame, path: Path) -> Path:
    """Write rows in the format that the name says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    name = path.name
    if ".parquet" in name:
        rows.write_parquet(path)
    elif ".xlsx" in name:
        rows.write_excel(path)
    else:
        text = rows.write_ndjson() if ".jsonl" in name else rows.write_csv(separator="\t" if ".tsv" in name else ",")
        path.write_bytes(packed(text.encode(), name))
    return path


def packed(data: bytes, name: str) -> bytes:
    """Compress as the name says."""
    if name.endswith(".gz"):
        return gzip.compress(data)
    return zstandard.compress(data) if name.endswith(".zst") else data


def read(sources: object, recipe: LogRecipe | None = None) -> tuple[Log, list[Parsed]]:
    """Open and read a whole log."""
    log = open_log(sources, recipe or LogRecipe())
    return log, [parsed for _, parsed in log.read()]


def kept(sources: object, recipe: LogRecipe | None = None) -> pl.DataFrame:
    """Return the canonical rows of a log."""
    return pl.concat([parsed.rows for parsed in read(sources, recipe)[1]])


def rejected(sources: object, recipe: LogRecipe | None = None) -> list[tuple[str, int]]:
    """Return the reason and line of every reject."""
    rejects = pl.concat([parsed.rejects for parsed in read(sources, recipe)[1]])
    return list(rejects.select("reason", "line").iter_rows())
