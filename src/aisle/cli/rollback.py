"""`aisle rollback`: a channel serves again what it served before."""

from __future__ import annotations

import click

from aisle.cli.output import JSON_OPTION, print_json
from aisle.cli.registry_options import CHANNEL_OPTION, WHO_OPTION, WHY_OPTION
from aisle.registry.registry import Registry


@click.command("rollback")
@click.argument("registry")
@CHANNEL_OPTION
@WHY_OPTION
@WHO_OPTION
@JSON_OPTION
def command(registry: str, channel: str, why: str, who: str | None, as_json: bool) -> None:
    """Let a channel of REGISTRY serve the bundle that it served before; a second time goes one further back.

    \b
    Example:
      aisle rollback runs/demo/registry --why "too few items in stock"
    """
    entry = Registry(registry).rollback(channel, why=why, who=who)
    if as_json:
        print_json({"registry": registry, "channel": channel, **entry.model_dump(mode="json")})
    else:
        click.echo(f"{channel} serves {entry.bundle} again (entry {entry.number})")
