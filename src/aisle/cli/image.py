"""`aisle image`: which image for this machine, and how to build it."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from aisle import __version__
from aisle.cli.image_build import TARGETS, Build, check_base, choose_base, default_tag, find_source
from aisle.cli.image_sbom import packages, sbom
from aisle.cli.output import JSON_OPTION, print_json
from aisle.environment.compat import load_compat
from aisle.environment.described import Environment
from aisle.environment.facts import environment
from aisle.environment.image import image_document
from aisle.errors import AisleError
from aisle.storage.atomic import write_atomic


@click.group("image")
def command() -> None:
    """Choose and build the images: lab (JupyterLab and SSH), train, serve (slim, without PyTorch).

    \b
    Examples:
      aisle image print --gpu H100 --driver 535
      aisle image build lab
      aisle image build serve --sbom serve.cdx.json
    """


def _options(function: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(
        (
            click.argument("target", type=click.Choice(TARGETS), default="lab"),
            click.option("--gpu", help="A name such as H100, or a compute capability (default: the GPU here)."),
            click.option("--driver", help="A driver such as 535.183.01, or its branch, 535 (default: the driver here)."),
            click.option("--base", help="Take this base instead of choosing one; with @sha256:... it is pinned."),
            click.option("--tag", help="Name of the image (default: pytorch-cuda:v2.7 for a lab with torch 2.7)."),
            click.option("--registry", help="Mirror of Docker Hub, put before the names of bases."),
            click.option("--pip-index", help="Mirror of the Python package index."),
            click.option("--apt-mirror", help="Mirror of Debian or Ubuntu; a snapshot makes versions repeatable."),
            click.option("--build-arg", "arguments", multiple=True, metavar="NAME=VALUE", help="A further one; any number."),
            click.option(
                "--ca",
                type=click.Path(path_type=Path),
                envvar="PIP_CERT",
                show_envvar=True,
                help="Certificates for pip, where a network inspects TLS; nothing of it stays in the image.",
            ),
            click.option("--source", type=click.Path(path_type=Path), help="Checkout of aisle (default: the one around here)."),
        )
    ):
        function = option(function)
    return function


@command.command("print")
@_options
@JSON_OPTION
def print_command(as_json: bool, **options: Any) -> None:
    """Say which base fits this machine, or another one, and the commands."""
    build = _build(**options)
    if as_json:
        print_json(build.as_dict())
        return
    if build.base:
        click.echo(f"base:  {build.base}\nwhy:   {build.why}")
    click.echo(f"build: {shlex.join(build.words())}\nrun:   {build.run}")


@command.command("build")
@_options
@click.option("--sbom", "sbom_file", type=click.Path(path_type=Path), help="Write what is in the image: CycloneDX 1.6, JSON.")
def build_command(sbom_file: Path | None, **options: Any) -> None:
    """Build an image with docker, and label it with the versions that are in it."""
    build = _build(**options)
    if build.base:
        click.echo(f"base: {build.base}: {build.why}", err=True)
    _docker(build.words())
    _docker(build.words(_labels(build)))  # every layer comes from the cache: a second
    if sbom_file is not None:
        write_atomic(sbom_file, json.dumps(sbom(build.tag, packages(build.tag)), indent=1) + "\n")
        click.echo(f"{sbom_file}: what is in {build.tag}", err=True)
    click.echo(f"{build.tag}: {build.run}")


def _build(
    target: str,
    gpu: str | None,
    driver: str | None,
    base: str | None,
    tag: str | None,
    registry: str | None,
    pip_index: str | None,
    apt_mirror: str | None,
    arguments: tuple[str, ...],
    ca: Path | None,
    source: Path | None,
) -> Build:
    compat, chosen, why = load_compat(), None, "no torch in it"
    given = dict(_split(one) for one in arguments)
    if target != "serve":
        chosen, why = (base, "as given") if base else choose_base(gpu, driver, _here(), compat)
        check_base(chosen, compat)
    tag = tag or default_tag(target, chosen)
    if registry and chosen and not base:
        chosen = f"{registry.rstrip('/')}/{chosen}"
    if registry:
        given.setdefault("SERVE_BASE", f"{registry.rstrip('/')}/library/python:3.11-slim-bookworm")
    known = {"BASE": chosen, "PIP_INDEX_URL": pip_index, "APT_MIRROR": apt_mirror}
    words = {name: value for name, value in known.items() if value} | given
    return Build(target, tag, chosen, why, words, ca, find_source(source))


def _here() -> Environment:
    return Environment.of(environment(), "this machine")


def _split(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not (name and sign):
        raise AisleError(f"--build-arg is '{text}'; expected NAME=VALUE", hint="such as --build-arg UID=1001", code="E910")
    return name, value


def _labels(build: Build) -> dict[str, str]:
    """Return what is said about an image, as it says it itself."""
    there = Environment.of(image_document(build.tag), build.tag)
    found = {
        "org.opencontainers.image.version": there.packages.get("aisle") or __version__,
        "aisle.python": there.python,
        "aisle.torch": there.torch,
        "aisle.cuda": there.cuda,
        "aisle.cudnn": there.cudnn,
        "org.opencontainers.image.revision": _revision(build.source),
    }
    return {name: value for name, value in found.items() if value}


def _revision(source: Path) -> str | None:
    try:
        asked = subprocess.run(  # noqa: S603
            ["git", "-C", str(source), "describe", "--always", "--dirty", "--abbrev=40"],  # noqa: S607
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return None
    return asked.stdout.strip() or None


def _docker(words: list[str]) -> None:
    try:
        status = subprocess.run(words, check=False).returncode  # noqa: S603
    except OSError as error:
        raise AisleError("docker is not installed here", hint="install docker with buildx", code="E912") from error
    if status != 0:
        raise AisleError(f"docker build ended with status {status}", hint="its output above says why", code="E912")
