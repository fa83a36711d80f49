"""`aisle publish`: a bundle is copied to a registry."""

from __future__ import annotations

from pathlib import Path

import click

from aisle.cli.output import JSON_OPTION, print_json
from aisle.cli.public_key import KEY_OPTION
from aisle.cli.registry_options import CHANNEL_OPTION, WHO_OPTION, WHY_OPTION
from aisle.registry.registry import Registry


@click.command("publish")
@click.argument("bundle", type=click.Path(path_type=Path))
@click.argument("registry")
@click.option("--promote", is_flag=True, help="Serve it from now on, as `aisle promote` does.")
@CHANNEL_OPTION
@WHY_OPTION
@WHO_OPTION
@KEY_OPTION
@JSON_OPTION
def command(
    bundle: Path, registry: str, promote: bool, channel: str, why: str, who: str | None, public_key: Path | None, as_json: bool
) -> None:
    """Check BUNDLE and copy it to REGISTRY, a folder or any address that fsspec opens (s3://bucket/folder).

    The same bundle again changes nothing, but for a signature that it did not have. Nobody is served from it before it is
    promoted.

    \b
    Examples:
      aisle publish runs/demo/bundle runs/demo/registry
      aisle publish runs/ncf/bundle s3://shop/registry --promote --why "NDCG@10 +0.01"
    """
    where = Registry(registry, public_key=public_key)
    published = where.publish(bundle)
    entry = where.promote(published.id, channel, why=why, who=who) if promote else None
    if as_json:
        about = {"id": published.id, "name": published.name, "is_new": published.is_new, "registry": registry}
        about["is_signed_now"] = published.is_signed_now
        print_json({**about, "promoted": entry and entry.model_dump(mode="json")})
        return
    said = "published" if published.is_new else "was published before"
    said += " and is signed now" if published.is_signed_now else ""
    click.echo(f"{published.name} {said} as {published.id} in {registry}")
    if entry is not None:
        click.echo(f"{channel} serves {published.id} (entry {entry.number})")
