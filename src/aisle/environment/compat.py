"""Which torch goes with which Python, CUDA, cuDNN, driver and GPU, and which ONNX Runtime reads what: data, with its sources.

The facts stand in compat.json. Each row says where it comes from (`source`) and how well it is known (`evidence`): measured,
documented, or disputed where sources contradict each other.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aisle.environment.versions import at_least, line, release

COMPAT_FILE = Path(__file__).with_name("compat.json")


@dataclass(frozen=True)
class CudaBuild:
    """One CUDA for which a torch is published: support is stable, experimental, legacy or removed.

    pypi: it is what `pip install torch` gives; nccl is known of that one alone.
    """

    cuda: str
    support: str
    toolkit: str
    cudnn: str | None
    evidence: str
    source: str
    note: str = ""
    pypi: bool = False
    nccl: str | None = None


@dataclass(frozen=True)
class TorchLine:
    """One release line of torch, such as 2.13, and its latest release."""

    latest: str
    python_min: str
    python_max: str
    python_experimental: tuple[str, ...]
    evidence: str
    source: str
    cuda: tuple[CudaBuild, ...]


@dataclass(frozen=True)
class Architectures:
    """What GPUs some wheels have code for: sm compiled, ptx to be compiled by the driver; "90" is compute capability 9.0.

    disputed_sm: those of sm that another source denies.
    """

    machine: str
    torch_min: str
    torch_below: str | None
    cuda: tuple[str, ...]
    sm: tuple[str, ...]
    ptx: tuple[str, ...]
    evidence: str
    source: str
    disputed_sm: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class Capability:
    """A compute capability: the first toolkit that knows it, and the one that no longer does; None = outside these facts."""

    capability: str
    family: str
    toolkit_min: str | None
    toolkit_below: str | None
    evidence: str
    source: str


@dataclass(frozen=True)
class Card:
    """One GPU by the name people use, and the processor of the machines it is usually found in."""

    name: str
    capability: str
    machine: str
    evidence: str
    source: str


@dataclass(frozen=True)
class ImageTag:
    """One image of PyTorch that was seen: kind is runtime or devel."""

    tag: str
    torch: str
    cuda: str
    cudnn: str
    kind: str
    evidence: str
    source: str


@dataclass(frozen=True)
class CudnnOfImages:
    """The major version of cuDNN in the images of some torches."""

    torch_min: str
    torch_below: str | None
    cudnn: str
    evidence: str
    source: str


@dataclass(frozen=True)
class WrongTag:
    """A tag that people write and that does not exist, and the one to take instead."""

    tag: str
    instead: str
    why: str
    evidence: str
    source: str


@dataclass(frozen=True)
class Images:
    """The images of PyTorch on Docker Hub: those that were seen, and the rule by which all are named."""

    template: str
    cudnn_major: tuple[CudnnOfImages, ...]
    tags: tuple[ImageTag, ...]
    wrong: tuple[WrongTag, ...]


@dataclass(frozen=True)
class OnnxReader:
    """The newest opset and file format (IR) that a release of ONNX Runtime opens."""

    version: str
    opset_max: int
    ir_max: int
    evidence: str
    source: str


@dataclass(frozen=True)
class Compat:
    """All of it.

    Attributes:
        as_of: when the facts were gathered.
        sources: name of a source -> what it is.
        aisle: what aisle itself needs, such as python_min; held against pyproject.toml by a test.
        torch: release line -> facts.
        architectures: what the wheels have code for.
        driver_for_major: major version of CUDA -> oldest driver that runs any of it (minor version compatibility).
        driver_of_toolkit: toolkit -> the driver that NVIDIA ships with it.
        capabilities: compute capability -> which toolkits know it.
        cards: the GPUs that are known by name.
        images: of PyTorch on Docker Hub.
        onnxruntime: oldest first.
    """

    as_of: str
    sources: Mapping[str, str]
    aisle: Mapping[str, str]
    torch: Mapping[str, TorchLine]
    architectures: tuple[Architectures, ...]
    driver_for_major: Mapping[str, str]
    driver_of_toolkit: Mapping[str, str]
    capabilities: Mapping[str, Capability]
    cards: tuple[Card, ...]
    images: Images
    onnxruntime: tuple[OnnxReader, ...]

    def build(self, torch: str, cuda: str) -> CudaBuild | None:
        """Return what is known of a torch for a CUDA; None where it is not published."""
        known = self.torch.get(line(torch))
        return next((build for build in known.cuda if build.cuda == line(cuda)), None) if known else None

    def code_for(self, torch: str, cuda: str, machine: str) -> Architectures | None:
        """Return which GPUs a wheel has code for; None where nobody says."""
        for row in self.architectures:
            below = row.torch_below is None or not at_least(line(torch), row.torch_below)
            if row.machine == machine and line(cuda) in row.cuda and at_least(line(torch), row.torch_min) and below:
                return row
        return None

    def toolkit_driver(self, toolkit: str) -> str | None:
        """Return the driver that is shipped with a toolkit, or with the latest one of its line that is not newer."""
        of_line = [known for known in self.driver_of_toolkit if line(known) == line(toolkit) and at_least(toolkit, known)]
        return self.driver_of_toolkit[max(of_line, key=release)] if of_line else None

    def cuda_of_driver(self, driver: str) -> str | None:
        """Return the latest CUDA that a driver supports in full, such as "11.7" for 515.43.04; None before the first known."""
        known = [toolkit for toolkit, shipped in self.driver_of_toolkit.items() if at_least(driver, shipped)]
        return line(max(known, key=release)) if known else None

    def cudnn_of_images(self, torch: str) -> str:
        """Return the major version of cuDNN in the images of a torch: "9" for 2.7."""
        return next(
            row.cudnn
            for row in self.images.cudnn_major
            if at_least(torch, row.torch_min) and not (row.torch_below and at_least(torch, row.torch_below))
        )


def load_compat(file: Path = COMPAT_FILE) -> Compat:
    """Read the facts that ship with aisle."""
    raw = json.loads(file.read_text())
    return Compat(
        as_of=raw["as_of"],
        sources=raw["sources"],
        aisle=raw["aisle"],
        torch={name: _torch_line(row) for name, row in raw["torch"].items()},
        architectures=tuple(Architectures(**_tuples(row)) for row in raw["architectures"]),
        driver_for_major={row["cuda"]: row["driver_min"] for row in raw["driver_for_major"]},
        driver_of_toolkit={row["toolkit"]: row["driver"] for row in raw["driver_of_toolkit"]},
        capabilities={row["capability"]: Capability(**row) for row in raw["capabilities"]},
        cards=tuple(Card(**row) for row in raw["cards"]),
        images=_images(raw["images"]),
        onnxruntime=tuple(OnnxReader(**row) for row in raw["onnxruntime"]),
    )


def _images(raw: dict[str, Any]) -> Images:
    return Images(
        template=raw["template"],
        cudnn_major=tuple(CudnnOfImages(**row) for row in raw["cudnn_major"]),
        tags=tuple(ImageTag(**row) for row in raw["tags"]),
        wrong=tuple(WrongTag(**row) for row in raw["wrong"]),
    )


def _torch_line(row: dict[str, Any]) -> TorchLine:
    return TorchLine(**_tuples({**row, "cuda": [CudaBuild(**build) for build in row["cuda"]]}))


def _tuples(row: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in row.items()}
