"""An environment as rules see it: made from the document of `aisle env --json`, whichever machine wrote that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aisle.errors import AisleError


@dataclass(frozen=True)
class Gpu:
    """One NVIDIA GPU: its name and compute capability such as "9.0"; "" where an old driver does not tell."""

    name: str
    capability: str


@dataclass(frozen=True)
class Environment:
    """What rules may ask of a machine or an image.

    Attributes:
        python: version.
        free_threaded: a Python without the global lock.
        machine: such as "x86_64".
        packages: name -> version, None where it is not installed.
        torch: version of the torch that would be imported; None without one.
        cuda: that torch was built for; None for a CPU build or without torch.
        cudnn: that torch would load; None where none was found.
        driver: of NVIDIA; None without one.
        gpus: what is there.
        architectures: what this torch was heard to have code for, such as "sm_90"; () where it was not asked.
    """

    python: str
    free_threaded: bool
    machine: str
    packages: Mapping[str, str | None]
    torch: str | None
    cuda: str | None
    cudnn: str | None
    driver: str | None
    gpus: tuple[Gpu, ...]
    architectures: tuple[str, ...] = ()

    @classmethod
    def of(cls, document: object, where: str) -> Environment:
        """Read the document of `aisle env --json`.

        Args:
            document: the parsed JSON.
            where: its path, for messages.

        Raises:
            AisleError: E018 when it is no such document.
        """
        try:
            return _read(_mapping(document, "the document"))
        except (KeyError, TypeError) as error:
            what = f"'{error.args[0]}' is missing" if isinstance(error, KeyError) else str(error)
            raise AisleError(
                f"{where} does not describe an environment: {what}",
                hint="write it on that machine with `aisle env --json > ENV.json`",
                code="E018",
            ) from error


def _read(document: Mapping[str, Any]) -> Environment:
    build = _mapping(document["torch_build"], "torch_build")
    gpus = document["gpus"]
    if not isinstance(gpus, list):
        raise TypeError(f"'gpus' is a {type(gpus).__name__}, not a list")
    cards = [_mapping(gpu, "an entry of 'gpus'") for gpu in gpus]
    return Environment(
        python=_text(document, "python") or "",
        free_threaded=document.get("python_free_threaded") is True,
        machine=_text(document, "machine") or "",
        packages={name: _text(document["packages"], name) for name in _mapping(document["packages"], "packages")},
        torch=_text(build, "version"),
        cuda=_text(build, "cuda"),
        cudnn=_text(build, "cudnn"),
        driver=next((_text(gpu, "driver_version") for gpu in cards), None),
        gpus=tuple(Gpu(_text(gpu, "name") or "", str(gpu.get("compute_cap", ""))) for gpu in cards),
    )


def _mapping(value: object, name: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"{name} is a {type(value).__name__}, not an object")
    return value


def _text(values: Mapping[str, Any], name: str) -> str | None:
    value = values[name]
    if value is not None and not isinstance(value, str):
        raise TypeError(f"'{name}' is a {type(value).__name__}, not text")
    return value
