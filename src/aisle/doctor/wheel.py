"""Holds the compatibility data against a wheel of torch: what its own metadata asks for counts more than any table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from aisle.environment.compat import Compat
from aisle.environment.torch_here import requirements
from aisle.environment.versions import line, release


def metadata_disagreements(torch: str, cuda: str, lines: Iterable[str], compat: Compat, machine: str = "x86_64") -> list[str]:
    """Hold the data against the `Requires-Dist` lines of a wheel.

    Args:
        torch: its version.
        cuda: that it was built for.
        lines: as `importlib.metadata.distribution("torch").requires` gives them.
        compat: the data.
        machine: that the wheel is for.

    Returns:
        One sentence for each thing that differs.
    """
    return disagreements(torch, cuda, dict(requirements(lines, machine)), compat)


def disagreements(torch: str, cuda: str, wanted: Mapping[str, str], compat: Compat) -> list[str]:
    """Hold the data against the packages that a wheel pins: name -> version."""
    build, major = compat.build(torch, cuda), line(cuda, 1)
    if build is None:
        return [f"torch {torch} for CUDA {cuda} is not in the data"]
    found = []
    for what, name, said in (
        ("cuDNN", f"nvidia-cudnn-cu{major}", build.cudnn),
        ("NCCL", f"nvidia-nccl-cu{major}", build.nccl),
    ):
        pinned = wanted.get(name)
        if said is not None and pinned is not None and release(pinned) != release(said):
            found.append(f"{what} {said}, the wheel pins {pinned}")
    runtime = wanted.get(f"nvidia-cuda-runtime-cu{major}")
    if runtime is not None and line(runtime) != line(build.toolkit):
        found.append(f"CUDA {line(build.toolkit)}, the wheel pins {line(runtime)}")
    toolkit = wanted.get("cuda-toolkit")
    if toolkit is not None and not toolkit.startswith(build.toolkit):
        found.append(f"toolkit {build.toolkit}, the wheel pins {toolkit}")
    return found
