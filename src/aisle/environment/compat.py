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
    """One CUDA for which a torch is published: support is stable, experimental, legacy or removed."""

    cuda: str
    support: str
    toolkit: str
    cudnn: str | None
    evidence: str
    source: str
    note: str = ""


@dataclass(frozen=True)
class TorchLine:
    """One release line of torch, such as 2.13."""

    python_min: str
    python_max: str
    python_experimental: tuple[str, ...]
    evidence: str
    source: str
    cuda: tuple[CudaBuild, ...]


@dataclass(frozen=True)
class Architectures:
    """What GPUs some wheels have code for: sm compiled, ptx to be compiled by the driver; "90" is compute capability 9.0."""

    machine: str
    torch_min: str
    torch_below: str | None
    cuda: tuple[str, ...]
    sm: tuple[str, ...]
    ptx: tuple[str, ...]
    evidence: str
    source: str


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
        onnxruntime: oldest first.
    """

    as_of: str
    sources: Mapping[str, str]
    aisle: Mapping[str, str]
    torch: Mapping[str, TorchLine]
    architectures: tuple[Architectures, ...]
    driver_for_major: Mapping[str, str]
    driver_of_toolkit: Mapping[str, str]
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
        onnxruntime=tuple(OnnxReader(**row) for row in raw["onnxruntime"]),
    )


def _torch_line(row: dict[str, Any]) -> TorchLine:
    return TorchLine(**_tuples({**row, "cuda": [CudaBuild(**build) for build in row["cuda"]]}))


def _tuples(row: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in row.items()}
