"""`aisle verify`: is this bundle what was exported, does it fit this environment, does it answer as it did at export."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from aisle.bundle.bundle import Bundle
from aisle.bundle.check import check_bundle
from aisle.bundle.golden import GoldenRequest, read_golden
from aisle.bundle.layout import GOLDEN_NAME
from aisle.bundle.manifest import SIGNATURE_NAME
from aisle.bundle.verify import Fit, Replayed, Verified, judge_fit, read_environment, replay_service, replay_way
from aisle.cli.output import JSON_OPTION, print_json, print_table
from aisle.cli.public_key import KEY_OPTION
from aisle.doctor.finding import errors
from aisle.environment.facts import environment
from aisle.environment.image import image_document

_DOES_NOT_FIT, _ANSWERS_DIFFER = "E016", "E017"


class Refused(click.ClickException):
    """The bundle does not fit, or answers otherwise than at export; what exactly was printed before."""

    exit_code = 11

    def show(self, file: Any = None) -> None:
        """Say so on standard error; with --json the document has said it already."""
        click.echo(f"refused: {self.message}", file=file, err=True)


@click.command("verify")
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("--against", type=click.Path(path_type=Path), metavar="ENV.json", help="An environment of `aisle env --json`.")
@click.option("--image", metavar="NAME", help="A container image to hold the bundle against, asked through docker.")
@click.option("--url", help="A running service of this bundle whose answers are compared too.")
@click.option("--api-key", envvar="AISLE_API_KEY", show_envvar=True, help="A key for that service.")
@KEY_OPTION
@JSON_OPTION
def command(
    bundle: Path,
    against: Path | None,
    image: str | None,
    url: str | None,
    api_key: str | None,
    public_key: Path | None,
    as_json: bool,
) -> None:
    """Check BUNDLE byte by byte, hold it against an environment, and replay its golden requests.

    Without --against or --image it is held against this machine, for serving. Nothing is unpickled and torch is not needed; where
    torch can be imported, the trained model itself is asked too.

    \b
    Exit status: 0 the bundle is good, 11 it is refused.

    \b
    Examples:
      aisle verify runs/demo/bundle
      aisle verify runs/demo/bundle --against ENV.json --public-key keys/release.pub
      aisle verify runs/demo/bundle --url http://127.0.0.1:8000
    """
    if against is not None and image is not None:
        raise click.UsageError("--against and --image name two environments; give one")
    manifest = check_bundle(bundle, public_key)
    if against is not None:
        fit = judge_fit(manifest, read_environment(against), str(against))
    elif image is not None:
        fit = judge_fit(manifest, image_document(image), f"image {image}")
    else:
        fit = judge_fit(manifest, environment(), "this machine", serving_only=True)
    golden = read_golden(bundle / GOLDEN_NAME)
    opened = Bundle.open(bundle, check=False)
    replayed = [replay_way("served", opened, golden, manifest.tolerance), _eager(bundle, golden, manifest.tolerance)]
    if url is not None:
        replayed.append(replay_service(url, api_key, golden, manifest.tolerance, opened.id))
    verified = Verified(manifest, fit, tuple(replayed))
    signature = _signature(bundle, public_key)
    if as_json:
        print_json({"bundle": str(bundle), "id": opened.id, **_document(verified, signature)})
    else:
        _print(bundle, opened.id, verified, signature)
    if not verified.good:
        raise Refused("; ".join(_refusals(verified)))


def _eager(folder: Path, golden: Sequence[GoldenRequest], tolerance: float) -> Replayed:
    """Ask the model as it was trained, put together again from the bundle's weights; only where torch can be imported."""
    try:
        importlib.import_module("torch")
    except (ImportError, OSError, RuntimeError) as error:  # a broken installation fails in many ways
        return Replayed("eager", None, f"torch cannot be imported here: {error}")
    eager = importlib.import_module("aisle.export.torchserve_model").open_eager(folder, check=False)
    return replay_way("eager", eager, golden, tolerance)


def _signature(bundle: Path, public_key: Path | None) -> str:
    if not (bundle / SIGNATURE_NAME).exists():
        return "not signed"
    return "signed, no key given to say by whom" if public_key is None else f"signed by {public_key.name}"


def _refusals(verified: Verified) -> list[str]:
    where = verified.fit.where
    wrong = [
        f"{one.subject} {one.seen} of {where} does not fit, expected {one.expected} [{one.code}, {_DOES_NOT_FIT}]"
        for one in errors(list(verified.fit.findings))
    ]
    return wrong + [
        f"{one.way}: {len(one.report.wrong)} of {one.report.asked} golden requests are answered differently, "
        f"such as {one.report.wrong[0]}{f' ({one.cause})' if one.cause else ''} [{_ANSWERS_DIFFER}]"
        for one in verified.replayed
        if one.report is not None and one.report.wrong
    ]


def _document(verified: Verified, signature: str) -> dict[str, Any]:
    manifest = verified.manifest
    return {
        "good": verified.good,
        "name": manifest.name,
        "format_version": manifest.format_version,
        "files": len(manifest.files),
        "size_bytes": sum(info.size_bytes for info in manifest.files.values()),
        "signature": signature,
        "environment": {
            "where": verified.fit.where,
            "purpose": verified.fit.purpose,
            "fits": verified.fit.fits,
            "findings": [finding.as_dict() for finding in verified.fit.findings],
        },
        "tolerance": manifest.tolerance,
        "golden": [one.as_dict() for one in verified.replayed],
        "refusals": _refusals(verified),
    }


def _print(bundle: Path, name: str, verified: Verified, signature: str) -> None:
    files = verified.manifest.files
    size = sum(info.size_bytes for info in files.values())
    rows = [("files", f"{len(files)} files, {size / 1e6:.1f} MB, as in the manifest", "ok"), ("signature", signature, "ok")]
    rows += _fit_rows(verified.fit)
    rows += [_replay_row(one, verified.manifest.tolerance) for one in verified.replayed]
    print_table(f"{bundle}: bundle {name}, {verified.manifest.name}", ("what", "seen", "result"), rows, left=3)
    for finding in verified.fit.findings:
        if finding.severity != "ok":
            click.echo(f"{finding.severity} [{finding.code}] {finding.subject}: {finding.fix}")


def _fit_rows(fit: Fit) -> list[tuple[str, str, str]]:
    good = [finding for finding in fit.findings if finding.severity == "ok"]
    rows = [(f"{fit.where}, to {fit.purpose}", ", ".join(f"{one.subject} {one.seen}" for one in good), "ok")] if good else []
    return rows + [
        (one.subject, f"{one.seen}, expected {one.expected}", one.severity) for one in fit.findings if one.severity != "ok"
    ]


def _replay_row(one: Replayed, tolerance: float) -> tuple[str, str, str]:
    if one.report is None:
        return (f"answers, {one.way}", one.why_not, "not tried")
    right = one.report.asked - len(one.report.wrong)
    skipped = f", {one.skipped} have no words over HTTP" if one.skipped else ""
    seen = f"{right} of {one.report.asked} golden requests as at export{skipped}; scores differ by at most "
    seen += f"{one.report.largest_difference:.1e}, allowed {tolerance:.1e}"
    return (f"answers, {one.way}", seen, "ok" if one.report.agrees else "error")
