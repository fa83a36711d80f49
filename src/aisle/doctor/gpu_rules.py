"""Whether the driver runs the CUDA that torch was built for, and torch has code for the GPUs. D117 to D119."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

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
    code = _code(wanted, here, compat)
    for gpu in here.gpus:
        if code is None:
            unknown = f"nobody says which GPUs torch {here.torch} for CUDA {here.cuda} has code for"
            ask = "python -c 'import torch; print(torch.cuda.get_arch_list())' tells; `aisle doctor` asks it too"
            yield Finding("D118", "GPU", "warning", _name(gpu), unknown, ask, f"as of {compat.as_of}")
        else:
            yield _code_for(gpu, code, _other(gpu, here, compat))


def known(wanted: Wanted, here: Environment, compat: Compat) -> Iterator[Finding]:
    """D119: a driver knows the GPUs of its time: those that the toolkit it was shipped with can compile for."""
    for gpu in here.gpus:
        row = compat.capabilities.get(gpu.capability)
        since = compat.toolkit_driver(row.toolkit_min) if row is not None and row.toolkit_min else None
        if row is None or since is None or here.driver is None:
            continue
        source = f"{row.evidence}: {compat.sources[row.source]}"
        expected = f">= {since} for {row.family}, compute capability {row.capability}"
        if at_least(here.driver, since):
            yield Finding("D119", "driver of the GPU", "ok", here.driver, expected, "", source)
        else:
            fix = f"install an NVIDIA driver {since} or later"
            yield Finding("D119", "driver of the GPU", "error", here.driver, expected, fix, source)


@dataclass(frozen=True)
class _Code:
    """What a torch has code for: compiled, to be compiled by a driver that can, and what another source denies."""

    sm: tuple[str, ...]
    ptx: tuple[str, ...]
    disputed: tuple[str, ...]
    source: str


def _code(wanted: Wanted, here: Environment, compat: Compat) -> _Code | None:
    """Return what was measured of this very torch, here or at export; else what the table says; None where nobody does."""
    shipped = compat.toolkit_driver(_toolkit(here, compat))
    compiles = here.driver is not None and (shipped is None or at_least(here.driver, shipped))
    at_export = here.torch == wanted.torch and here.cuda == wanted.cuda
    for heard, source in (
        (here.architectures, "measured: here"),
        (wanted.architectures if at_export else (), "measured: at export"),
    ):
        if heard:
            return _Code(_names(heard, "sm_"), _names(heard, "compute_") if compiles else (), (), source)
    row = compat.code_for(here.torch or "", here.cuda or "", here.machine)
    if row is None:
        return None
    source = f"{row.evidence}: {compat.sources[row.source]}" + (f"; {row.note}" if row.note else "")
    return _Code(row.sm, row.ptx if compiles else (), row.disputed_sm, source)


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
    sure = [name for name in row.sm if name not in row.disputed_sm] if row is not None else []
    return any(_runs(name, device) for name in sure) and _drives(here.driver or "", build, compat)


def _code_for(gpu: Gpu, code: _Code, other: str) -> Finding:
    expected = "code for " + ", ".join(f"sm_{name}" for name in code.sm) + "".join(f", PTX {name}" for name in code.ptx)
    if not gpu.capability:
        fix = "a newer driver tells the compute capability"
        return Finding("D118", "GPU", "warning", _name(gpu), expected, fix, code.source)
    device = _number(gpu.capability.replace(".", ""))
    runs = [name for name in code.sm if _runs(name, device)]
    if any(name not in code.disputed for name in runs) or any(_number(name) <= device for name in code.ptx):
        return Finding("D118", "GPU", "ok", _name(gpu), expected, "", code.source)
    if runs:
        doubt = f"{expected}; sources disagree about {', '.join(f'sm_{name}' for name in runs)}"
        return Finding("D118", "GPU", "warning", _name(gpu), doubt, other, code.source)
    return Finding("D118", "GPU", "error", _name(gpu), expected, other, code.source)


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
