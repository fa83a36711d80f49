"""How commands speak: tables for people on standard output, one JSON document with --json, progress on standard error."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import click
from rich.console import Console
from rich.table import Table

JSON_OPTION = click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of tables.")
OVERWRITE_OPTION = click.option("--overwrite", is_flag=True, help="Replace what is at --out.")

_REFRESH_S = 0.2


def print_json(document: object) -> None:
    """Print one JSON document."""
    click.echo(json.dumps(document, indent=2, ensure_ascii=False, default=str))


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], *, left: int = 1) -> None:
    """Print a table whose first `left` columns are text and whose others are aligned right."""
    table = Table()
    for index, name in enumerate(columns):
        table.add_column(name, justify="left" if index < left else "right", overflow="fold")
    for row in rows:
        table.add_row(*("" if cell is None else str(cell) for cell in row))
    # A pipe has no width: tables are then as wide as they need to be.
    console = Console(width=None if sys.stdout.isatty() else 160, highlight=False)
    # Not the table's own title: that would be folded to the width of the table.
    console.print(title, style="bold", markup=False, soft_wrap=True)
    console.print(table)


def print_counts(title: str, counts: Mapping[str, int]) -> None:
    """Print `reason: rows` lines under a title; nothing when there is nothing to count."""
    if counts:
        print_table(title, ("reason", "rows"), [(reason, f"{rows:,}") for reason, rows in counts.items()])


@contextmanager
def row_progress(what: str, unit: str = "rows") -> Iterator[Callable[[int, int | None], None]]:
    """Yield a callback (done, total or None) that shows count, rate and ETA on standard error, on a terminal in place.

    Where standard error is no terminal, only the closing line is written.
    """
    start = time.monotonic()
    shown = 0.0
    last = 0

    def show(done: int, total: int | None = None) -> None:
        nonlocal shown, last
        last, now = done, time.monotonic()
        if not sys.stderr.isatty() or now - shown < _REFRESH_S:
            return
        shown = now
        rate = done / max(now - start, 1e-9)
        rest = f", {(total - done) / max(rate, 1e-9):.0f} s left" if total else ""
        click.echo(f"\r{what}: {done:,} {unit}, {rate:,.0f}/s{rest}\x1b[K", err=True, nl=False)

    yield show
    seconds = time.monotonic() - start
    ending = "\r\x1b[K" if sys.stderr.isatty() else ""
    click.echo(f"{ending}{what}: {last:,} {unit} in {seconds:.1f} s ({last / max(seconds, 1e-9):,.0f}/s)", err=True)
