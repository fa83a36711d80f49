"""`aisle export`: a run becomes a bundle."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import get_args

import click

from aisle.bundle.index_config import IndexConfig, Kind
from aisle.bundle.manifest import DIGEST_NAME
from aisle.cli.output import JSON_OPTION, print_json
from aisle.cli.public_key import KEY_OPTION, refuse_key_for_run
from aisle.errors import AisleError
from aisle.experiment.run import read_run
from aisle.export.bundle import ExportConfig, export_run
from aisle.export.torchserve import export_torchserve

FORMATS = ("bundle", "torchserve")


@click.command("export")
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="The bundle's folder; for TorchServe its model store."
)
@click.option("--format", "kind", type=click.Choice(FORMATS), default="bundle", show_default=True, help="What to write.")
@click.option("--name", help="Of the bundle; the model's name by default.")
@click.option(
    "--index", type=click.Choice(get_args(Kind)), default="auto", show_default=True, help="How nearest items are found."
)
@click.option("--sign", type=click.Path(path_type=Path), help="PEM file of an Ed25519 private key to sign the manifest with.")
@click.option("--data-note", default="", help="What people must know of the data, such as that the shop is simulated.")
@click.option(
    "--extra",
    type=click.Choice(["pt2"]),
    help="Also write the encoder as a torch.export program, which is opened only after a check of the signature.",
)
@click.option("--overwrite", is_flag=True, help="Replace the bundle at --out.")
@KEY_OPTION
@JSON_OPTION
@click.pass_context
def command(
    context: click.Context,
    run: Path,
    out: Path,
    kind: str,
    name: str | None,
    index: Kind,
    sign: Path | None,
    data_note: str,
    extra: str | None,
    overwrite: bool,
    public_key: Path | None,
    as_json: bool,
) -> None:
    """Write RUN as a self-contained bundle that is verified and served without torch.

    With --format torchserve RUN is a run or a bundle, and --out gets a model archive, NAME.mar. A bundle goes into it as it is:
    --public-key says who must have signed it.

    \b
    Examples:
      aisle export runs/ncf --out runs/ncf-bundle
      aisle export runs/sasrec --out runs/sasrec-bundle --sign keys/release.pem --overwrite
      aisle export runs/sasrec-bundle --format torchserve --out model-store
    """
    config = ExportConfig(
        name=name, index=IndexConfig(kind=index), private_key=sign, data_note=data_note, program=extra is not None
    )

    def say(text: str) -> None:
        if not as_json:
            click.echo(text)

    is_bundle = (run / DIGEST_NAME).exists()
    if is_bundle:
        _check_bundle_options(kind, {"--sign": sign, "--index": index != "auto", "--data-note": data_note, "--extra": extra})
    else:
        refuse_key_for_run(context)
    if kind == "torchserve":
        archive = export_torchserve(run, out, name, public_key) if is_bundle else _export_archive(run, out, config, say)
        print_json({"archive": str(archive)}) if as_json else click.echo(f"{archive}: load it with TorchServe's --models")
        return
    manifest = export_run(read_run(run), out, config, overwrite=overwrite, say=say)
    size = sum(info.size_bytes for info in manifest.files.values())
    told = {"bundle": str(out), "name": manifest.name, "files": len(manifest.files), "size_bytes": size}
    told |= {"model": manifest.model.model_dump(), "index": manifest.index, "signed": sign is not None}
    if as_json:
        print_json(told)
    else:
        click.echo(f"{out}: {len(manifest.files)} files, {size / 1e6:.1f} MB; check it with `aisle verify {out}`")


def _check_bundle_options(kind: str, given: dict[str, object]) -> None:
    """Refuse what is said of a bundle that is made, where one is given that is there already."""
    if kind == "bundle":
        raise AisleError("this is a bundle already", hint="give the run, or --format torchserve", code="E908")
    if names := [name for name, value in given.items() if value]:
        raise AisleError(
            f"{', '.join(names)}: a bundle goes into an archive as it is",
            hint=f"export the run with {' '.join(names)}, or leave that out",
            code="E908",
        )


def _export_archive(run: Path, out: Path, config: ExportConfig, say: Callable[[str], None]) -> Path:
    with TemporaryDirectory(prefix="aisle-export-") as folder:
        bundle = Path(folder) / "bundle"
        export_run(read_run(run), bundle, config, say=say)
        return export_torchserve(bundle, out, config.name)
