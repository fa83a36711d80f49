"""`aisle simulate`: a shop whose shoppers are made up and whose true preferences are known."""

from __future__ import annotations

from pathlib import Path

import click

from aisle.cli.output import JSON_OPTION, OVERWRITE_OPTION, print_json, row_progress
from aisle.simulate.config import ShopConfig
from aisle.simulate.shop import simulate


@click.command("simulate")
@click.option("--users", type=int, default=10_000, show_default=True, help="Shoppers.")
@click.option("--items", type=int, default=2_000, show_default=True, help="Items in the catalogue.")
@click.option("--events", type=int, default=300_000, show_default=True, help="Events, exactly.")
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed gives the same files.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder to write.")
@OVERWRITE_OPTION
@JSON_OPTION
def command(users: int, items: int, events: int, seed: int, out: Path, overwrite: bool, as_json: bool) -> None:
    """Write the logs and the catalogue of a simulated shop.

    Shoppers have tastes that drift, come in sessions, and go from view to cart to purchase; items are promoted and new
    ones appear. OUT/truth holds the true preferences, so a leaderboard can show what a perfect model would reach.

    \b
    Example:
      aisle simulate --users 10000 --items 2000 --events 300000 --seed 1 --out data/shop
    """
    config = ShopConfig(users=users, items=items, events=events, seed=seed)
    with row_progress("simulating", "events") as progress:
        simulate(config, out, overwrite=overwrite, progress=progress)
    if as_json:
        print_json({"simulated": True, "users": users, "items": items, "events": events, "seed": seed, "out": str(out)})
    else:
        click.echo(f"simulated shop in {out}: {users:,} shoppers, {items:,} items, {events:,} events (seed {seed})")
