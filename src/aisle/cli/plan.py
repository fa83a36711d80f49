"""`aisle plan`: memory and time of each kind of index, before anything is trained or bought."""

from __future__ import annotations

import click

from aisle.bundle.plan import MEASURED_ITEMS, Choice, plan
from aisle.cli.output import JSON_OPTION, print_json, print_table
from aisle.errors import AisleError

_COLUMNS = ("index", "in memory", "on disk, mapped", "ms a question", "5% filter", "of 16 at once", "made in", "these times are")


@click.command("plan")
@click.option("--items", required=True, help="Items of the catalogue, such as 50000 or 100e6.")
@click.option("--dim", type=int, default=64, show_default=True, help="Width of the model's item vectors.")
@JSON_OPTION
def command(items: str, dim: int, as_json: bool) -> None:
    """Print what each kind of index would need, and which one we would take.

    Times are of one thread and a list of 10 with 98% of the exact one; "made in" is with two threads.

    \b
    Examples:
      aisle plan --items 100e6 --dim 64
      aisle plan --items 50000 --json
    """
    made = plan(_whole(items), dim)
    if as_json:
        print_json(made.to_json())
        return
    print_table(f"{made.items:,} items of {made.dim} dimensions", _COLUMNS, [_row(choice) for choice in made.choices])
    for choice in made.choices:
        click.echo(f"{choice.name}: {choice.remark}")
    click.echo(f"\nwe would take {made.recommended}: {made.why}")
    most = MEASURED_ITEMS[-1]
    if made.items > most:
        click.echo(f"measured up to {most:,} items: beyond, take these times for the order of magnitude and build a part first")


def _row(choice: Choice) -> tuple[str, ...]:
    times = (f"{ms:,.3g}" for ms in (choice.ms, choice.filtered_ms, choice.batch_ms))
    return (
        choice.name,
        _bytes(choice.memory_bytes),
        _bytes(choice.item_matrix_bytes),
        *times,
        _time(choice.build_s),
        choice.known,
    )


def _whole(text: str) -> int:
    try:
        number = float(text.replace("_", ""))
        if number != int(number):
            raise ValueError(text)
    except (ValueError, OverflowError) as error:
        raise AisleError(
            f"--items is '{text}'; expected a whole number of items", hint="such as 50000, 2_000_000 or 100e6", code="E035"
        ) from error
    return int(number)


def _bytes(size: int) -> str:
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:,.1f} MB"


def _time(seconds: float) -> str:
    if seconds >= 3600:
        return f"{seconds / 3600:,.1f} h"
    return f"{seconds / 60:,.1f} min" if seconds >= 60 else f"{seconds:,.1f} s"
