"""`aisle promote`: a channel serves another bundle."""

from __future__ import annotations

import click

from aisle.cli.output import JSON_OPTION, print_json
from aisle.cli.registry_options import CHANNEL_OPTION, WHO_OPTION, WHY_OPTION
from aisle.registry.registry import Registry


@click.command("promote")
@click.argument("registry")
@click.argument("bundle")
@CHANNEL_OPTION
@WHY_OPTION
@WHO_OPTION
@JSON_OPTION
def command(registry: str, bundle: str, channel: str, why: str, who: str | None, as_json: bool) -> None:
    """Let a channel of REGISTRY serve BUNDLE, an id that `aisle registry` lists; services that follow it change over.

    \b
    Examples:
      aisle promote runs/demo/registry 0123456789ab
      aisle promote s3://shop/registry 0123456789ab --channel trial --why "for the Monday test"
    """
    entry = Registry(registry).promote(bundle, channel, why=why, who=who)
    if as_json:
        print_json({"registry": registry, "channel": channel, **entry.model_dump(mode="json")})
    else:
        click.echo(f"{channel} serves {entry.bundle} (entry {entry.number})")
