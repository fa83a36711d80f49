"""The environment inside a container image: asked from the image itself, or read from what its makers wrote on it."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from typing import Any

from aisle.errors import AisleError

LABEL = "aisle.environment"  # a whole `aisle env --json`, put there when the image is built
_RUN_TIMEOUT_S, _INSPECT_TIMEOUT_S = 600, 30  # a run may have to fetch the image first
_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}


def image_document(name: str) -> dict[str, Any]:
    """Return the document of `aisle env --json` for an image.

    An image with aisle in it is asked, without a network and without its own entrypoint. Of another one this is what its labels
    and variables tell: the label "aisle.environment", or the versions that the images of PyTorch and NVIDIA carry.

    Args:
        name: such as "shop/aisle:1.4".

    Raises:
        AisleError: E019 when there is no docker, no such image, or nothing is said about it.
    """
    if shutil.which("docker") is None:
        raise AisleError(
            f"no docker here to ask the image {name}",
            hint="run `aisle env --json > ENV.json` in the image, and give that file with --against",
            code="E019",
        )
    asked = _docker(_RUN_TIMEOUT_S, "run", "--rm", "--network", "none", "--entrypoint", "aisle", name, "env", "--json")
    if asked.returncode == 0:
        return _parsed(asked.stdout, f"`aisle env --json` in {name}")
    looked = _docker(_INSPECT_TIMEOUT_S, "image", "inspect", name)
    if looked.returncode != 0:
        raise AisleError(
            f"the image {name} cannot be asked: {_first_line(looked.stderr)}",
            hint="look whether docker runs and `docker image ls` shows the image",
            code="E019",
        )
    return _written_on(name, _parsed(looked.stdout, f"`docker image inspect {name}`"))


def _written_on(name: str, image: Mapping[str, Any]) -> dict[str, Any]:
    config = image.get("Config") or {}
    labels, variables = config.get("Labels") or {}, _variables(config.get("Env") or [])
    if LABEL in labels:
        return _parsed(labels[LABEL], f"the label {LABEL} of {name}")
    torch, cuda = variables.get("PYTORCH_VERSION"), variables.get("CUDA_VERSION")
    cudnn = variables.get("NV_CUDNN_VERSION") or labels.get("com.nvidia.cudnn.version")
    if not (torch or cuda):
        raise AisleError(
            f"the image {name} has no aisle in it that could be asked, and neither labels nor variables that name versions",
            hint=f"install aisle in the image, or build it with the label {LABEL}",
            code="E019",
        )
    return {
        "python": variables.get("PYTHON_VERSION"),
        "machine": _MACHINES.get(str(image.get("Architecture")), image.get("Architecture")),
        "gpus": [],
        "packages": {},
        "torch_build": {"version": torch, "cuda": cuda, "cudnn": cudnn, "package": None},
    }


def _variables(entries: list[str]) -> dict[str, str]:
    return dict(entry.split("=", maxsplit=1) for entry in entries if "=" in entry)


def _docker(timeout_s: float, *words: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(["docker", *words], capture_output=True, text=True, timeout=timeout_s, check=False)  # noqa: S603, S607
    except (subprocess.SubprocessError, OSError) as error:
        raise AisleError(f"docker does not answer: {error}", hint="look whether docker runs", code="E019") from error


def _parsed(text: str, where: str) -> dict[str, Any]:
    """Return the JSON object in a text; `docker inspect` gives a list of one."""
    try:
        content = json.loads(text)
    except ValueError as error:
        raise AisleError(f"{where} gave no JSON: {error}", hint="look at its output", code="E019") from error
    content = content[0] if isinstance(content, list) and content else content
    if not isinstance(content, dict):
        raise AisleError(
            f"{where} gave a {type(content).__name__}; expected a JSON object", hint="look at its output", code="E019"
        )
    return content


def _first_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[0] if lines else "docker said nothing"
