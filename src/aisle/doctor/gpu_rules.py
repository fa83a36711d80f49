"""Whether the driver runs the CUDA that torch was built for, and torch has code for the GPUs. D117 and D118."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from aisle.doctor.finding import Finding
from aisle.doctor.torch_builds import install_one
from aisle.doctor.wanted import Wanted
from aisle.environment.compat import Compat, CudaBuild
from aisle.environment.described import Environment, Gpu
from aisle.environment.versions import at_least, line

_NO_BUILD = "take an older torch for an older GPU, a newer torch or driver for a newer one"


def driver(wanted: Wanted, here: Environment, compat: Compat) -> Iterator[Finding]:
    """D117: a driver runs every CUDA of its major version, with limits where it is older than the toolkit's own.

    The limits: new features are missing, and PTX, code that the driver compiles for newer GPUs, is refused.
    """
    if here.torch is None or here.cuda is None:
        return
    needed = compat.driver_for_major.get(line(here.cuda, 1))
    shipped = compat.toolkit_driver(_toolkit(here, compat))
    newer = f"install an NVIDIA driver {shipped or needed} or later"
    source = f"documented: {compat.sources['nvidia_minor_version']}"
    if not here.gpus or here.driver is None:
        # An image is often described on a machine without a GPU: nothing is wrong with it yet.
        expected = f">= {needed} for CUDA {here.cuda}" if needed else f"one for CUDA {here.cuda}"
        yield Finding(
            "D117", "driver", "warning", "no GPU and no driver", expected, "run on a machine with an NVIDIA GPU", source
        )
    elif needed is None:
        yield Finding("D117", "driver", "warning", here.driver, f"CUDA {here.cuda} is not known", "", f"as of {compat.as_of}")
    elif not at_least(here.driver, needed):
        older = install_one(here.torch, compat, lambda build: _drives(here.driver or "", build, compat), newer)
        yield Finding("D117", "driver", "error", here.driver, f">= {needed} for CUDA {line(here.cuda, 1)}.x", older, source)
    elif shipped and not at_least(here.driver, shipped):
        limits = f">= {shipped} for all of CUDA {here.cuda}; an older one has fewer features and compiles no PTX"
        yield Finding("D117", "driver", "warning", here.driver, limits, newer, source)
    else:
        yield Finding("D117", "driver", "ok", here.driver, f">= {shipped or needed} for CUDA {here.cuda}", "", source)


def architecture(wanted: Wanted, here: Environment, compat: Compat) -> Iterator[Finding]:
    """D118: torch has code for a GPU where it has some of the same major version that is not newer, or PTX that is not newer."""
    if here.torch is None or here.cuda is None:
        return
    row = compat.code_for(here.torch, here.cuda, here.machine)
    measured = here.torch == wanted.torch and here.cuda == wanted.cuda and bool(wanted.architectures)
    if not measured and row is None:
        for gpu in here.gpus:
            unknown = f"nobody says which GPUs torch {here.torch} for CUDA {here.cuda} has code for"
            yield Finding("D118", "GPU", "warning", _name(gpu), unknown, "", f"as of {compat.as_of}")
        return
    if measured:
        sm, ptx, source = _names(wanted.architectures, "sm_"), _names(wanted.architectures, "compute_"), "measured: at export"
    else:
        assert row is not None
        sm, ptx, source = row.sm, row.ptx, f"{row.evidence}: {compat.sources[row.source]}"
    shipped = compat.toolkit_driver(_toolkit(here, compat))
    compiles = here.driver is not None and (shipped is None or at_least(here.driver, shipped))
    for gpu in here.gpus:
        yield _code_for(gpu, sm, ptx if compiles else (), source, _other(gpu, here, compat))


def _drives(installed: str, build: CudaBuild, compat: Compat) -> bool:
    """Say whether a driver runs another build."""
    needed = compat.driver_for_major.get(line(build.cuda, 1))
    return needed is not None and at_least(installed, needed)


def _other(gpu: Gpu, here: Environment, compat: Compat) -> str:
    return install_one(here.torch or "", compat, lambda build: _suits(gpu, here, build, compat), _NO_BUILD)


def _suits(gpu: Gpu, here: Environment, build: CudaBuild, compat: Compat) -> bool:
    """Say whether another build has code for a GPU and is run by the driver."""
    row = compat.code_for(here.torch or "", build.cuda, here.machine)
    device = _number(gpu.capability.replace(".", ""))
    return row is not None and any(_runs(name, device) for name in row.sm) and _drives(here.driver or "", build, compat)


def _code_for(gpu: Gpu, sm: Sequence[str], ptx: Sequence[str], source: str, other: str) -> Finding:
    expected = "code for " + ", ".join(f"sm_{name}" for name in sm) + "".join(f", PTX {name}" for name in ptx)
    if not gpu.capability:
        return Finding("D118", "GPU", "warning", _name(gpu), expected, "a newer driver tells the compute capability", source)
    device = _number(gpu.capability.replace(".", ""))
    if any(_runs(name, device) for name in sm) or any(_number(name) <= device for name in ptx):
        return Finding("D118", "GPU", "ok", _name(gpu), expected, "", source)
    return Finding("D118", "GPU", "error", _name(gpu), expected, other, source)


def _toolkit(here: Environment, compat: Compat) -> str:
    build = compat.build(here.torch or "", here.cuda or "")
    return build.toolkit if build else here.cuda or ""


def _names(architectures: Sequence[str], prefix: str) -> tuple[str, ...]:
    return tuple(name.removeprefix(prefix) for name in architectures if name.startswith(prefix))


def _runs(name: str, device: int) -> bool:
    """Code runs on the same major version, not newer; "90a", with features of one GPU, runs on that one only."""
    number = _number(name)
    return number == device if name[-1:].isalpha() else number // 10 == device // 10 and number <= device


def _number(name: str) -> int:
    """Return 90 for "90" and for "90a"."""
    digits = "".join(letter for letter in name if letter.isdigit())
    return int(digits) if digits else 0


def _name(gpu: Gpu) -> str:
    return f"{gpu.name} ({gpu.capability or 'compute capability not told'})"
