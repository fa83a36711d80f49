"""`aisle export`: a run becomes a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import click

from aisle.bundle.index_config import IndexConfig, Kind
from aisle.cli.output import JSON_OPTION, print_json
from aisle.experiment.run import read_run
from aisle.export.bundle import ExportConfig, export_run


@click.command("export")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The bundle's folder.")
@click.option("--name", help="Of the bundle; the model's name by default.")
@click.option(
    "--index", type=click.Choice(get_args(Kind)), default="auto", show_default=True, help="How nearest items are found."
)
@click.option("--sign", type=click.Path(path_type=Path), help="PEM file of an Ed25519 private key to sign the manifest with.")
@click.option("--overwrite", is_flag=True, help="Replace the bundle at --out.")
@JSON_OPTION
def command(
    run: Path,
    out: Path,
    name: str | None,
    index: Kind,
    sign: Path | None,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Write RUN as a self-contained bundle that is verified and served without torch.

    \b
    Examples:
      aisle export runs/ncf --out runs/ncf-bundle
      aisle export runs/sasrec --out runs/sasrec-bundle --sign keys/release.pem --overwrite
    """
    config = ExportConfig(name=name, index=IndexConfig(kind=index), private_key=sign)
    manifest = export_run(read_run(run), out, config, overwrite=overwrite, say=lambda text: None if as_json else click.echo(text))
    size = sum(info.size_bytes for info in manifest.files.values())
    told = {"bundle": str(out), "name": manifest.name, "files": len(manifest.files), "size_bytes": size}
    told |= {"model": manifest.model.model_dump(), "index": manifest.index, "signed": sign is not None}
    if as_json:
        print_json(told)
    else:
        click.echo(f"{out}: {len(manifest.files)} files, {size / 1e6:.1f} MB; check it with `aisle verify {out}`")
