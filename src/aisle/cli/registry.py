"""`aisle registry`: what is published, what is served, and how it came to be."""

from __future__ import annotations

import click

from aisle.bundle.manifest import Manifest
from aisle.cli.output import JSON_OPTION, print_json, print_table
from aisle.registry.history import Entry
from aisle.registry.registry import Registry


@click.command("registry")
@click.argument("registry")
@JSON_OPTION
def command(registry: str, as_json: bool) -> None:
    """List the bundles of REGISTRY, and of each channel every change with who, when and why.

    \b
    Example:
      aisle registry runs/demo/registry
    """
    where = Registry(registry)
    bundles = where.bundles()
    histories = {channel: where.history(channel) for channel in where.channels()}
    serves = {channel: history[-1].bundle for channel, history in histories.items() if history}
    if as_json:
        print_json(
            {
                "registry": registry,
                "bundles": {name: _about(manifest) for name, manifest in bundles.items()},
                "channels": {
                    channel: {
                        "serves": serves.get(channel),
                        "history": [entry.model_dump(mode="json") for entry in history],
                    }
                    for channel, history in histories.items()
                },
            }
        )
        return
    rows = [
        (name, manifest.name, ", ".join(channel for channel, bundle in serves.items() if bundle == name), *_cells(manifest))
        for name, manifest in bundles.items()
    ]
    print_table(f"bundles in {registry}", ("id", "name", "serves in", "model", "created", "size, MB"), rows, left=5)
    for channel, history in histories.items():
        _print_history(channel, history)


def _print_history(channel: str, history: tuple[Entry, ...]) -> None:
    rows = [
        (entry.number, entry.action, entry.bundle, entry.who, entry.when.isoformat(timespec="seconds"), entry.why)
        for entry in history
    ]
    print_table(f"channel {channel}", ("entry", "action", "bundle", "who", "when", "why"), rows, left=6)


def _cells(manifest: Manifest) -> tuple[str, str, str]:
    return manifest.model.recipe, manifest.created, f"{_size_bytes(manifest) / 1e6:,.1f}"


def _about(manifest: Manifest) -> dict[str, object]:
    about = manifest.model_dump(mode="json", include={"name", "created", "dataset_sha256", "git_commit", "model", "metrics"})
    return {**about, "size_bytes": _size_bytes(manifest)}


def _size_bytes(manifest: Manifest) -> int:
    return sum(info.size_bytes for info in manifest.files.values())
