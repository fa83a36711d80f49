"""The torch of this Python: how many there are, what its package asks for, and what it does in a process that imports it."""

from __future__ import annotations

import importlib.metadata
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from aisle.environment.torch_build import torch_origin

Outcome = Literal["not tried", "ok", "failed", "timed out"]

TRIAL_TIMEOUT_S = 90.0
# What a wheel of torch pins that belongs to CUDA.
_OF_CUDA = re.compile(r"nvidia-|cuda-|triton$|pytorch-triton")
_REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)(?:\[[^]]*\])?\s*\(?==\s*([\w.+!-]+)\)?\s*(?:;\s*(.*))?$")
_CUDNN_9 = 90000  # from cuDNN 9 on a version is major * 10000 + minor * 100 + patch; before it was major * 1000 + ...

# Each answer may fail by itself, so each is asked by itself. What torch prints goes to standard error.
_TRIAL = """
import json, os, sys
out = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
import torch
def ask(question):
    try:
        return question()
    except Exception as error:
        return "error: " + (str(error).splitlines() or [type(error).__name__])[0]
print(json.dumps({
    "version": torch.__version__,
    "usable": ask(torch.cuda.is_available),
    "devices": ask(torch.cuda.device_count),
    "architectures": ask(lambda: torch._C._cuda_getArchFlags()),
    "cudnn": ask(lambda: torch.backends.cudnn.version()),
    "nccl": ask(lambda: list(torch.cuda.nccl.version())),
}), file=out)
"""


@dataclass(frozen=True)
class Pin:
    """A package that torch asks for in one version only, and the one that is installed; None = none is."""

    name: str
    wanted: str
    installed: str | None


@dataclass(frozen=True)
class Trial:
    """What `import torch` did in a process of its own.

    Attributes:
        said: the complaint, where it failed; of CUDA where that cannot be used.
        usable, devices: whether CUDA can be used, and how many GPUs torch sees; None where it did not tell.
        architectures: what torch has code for, such as "sm_90"; () where it did not tell, and for a CPU build.
        cudnn, nccl: versions that were loaded.
    """

    outcome: Outcome = "not tried"
    said: str = ""
    seconds: float = 0.0
    usable: bool | None = None
    devices: int | None = None
    architectures: tuple[str, ...] = ()
    cudnn: str | None = None
    nccl: str | None = None


@dataclass(frozen=True)
class TorchHere:
    """Everything about the torch here that `environment()` does not tell.

    Attributes:
        folders: every folder on the path that holds a torch; the first is imported.
        packages: version of every installed package called torch.
        pins: CUDA packages that torch asks for.
        cuda_majors: major versions of CUDA that NVIDIA's Python packages are installed for.
        nccl: version of NVIDIA's package.
    """

    folders: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    pins: tuple[Pin, ...] = ()
    cuda_majors: tuple[str, ...] = ()
    nccl: str | None = None
    trial: Trial = field(default_factory=Trial)


def torch_here(machine: str, *, trial: bool = True, timeout_s: float = TRIAL_TIMEOUT_S) -> TorchHere:
    """Measure it; torch is never imported into this process.

    Args:
        machine: such as "x86_64": wheels ask for different packages.
        trial: also import torch, in a process of its own.
        timeout_s: for that.
    """
    installed = {
        _name(dist.name): dist.version
        for dist in importlib.metadata.distributions()
        if dist.name and _OF_CUDA.match(_name(dist.name))
    }
    packages = list(importlib.metadata.distributions(name="torch"))
    asked = list(requirements(packages[0].requires or (), machine)) if packages else []
    nccl = [version for name, version in installed.items() if name.startswith("nvidia-nccl-cu")]
    return TorchHere(
        folders=tuple(_folders(sys.path)),
        packages=tuple(dict.fromkeys(dist.version for dist in packages)),
        pins=tuple(Pin(name, wanted, installed.get(name)) for name, wanted in asked),
        cuda_majors=tuple(sorted({match[1] for name in installed if (match := re.fullmatch(r"nvidia-.*-cu(\d+)", name))})),
        nccl=nccl[0] if len(nccl) == 1 else None,
        trial=try_torch(timeout_s) if trial and torch_origin() is not None else Trial(),
    )


def requirements(lines: Iterable[str], machine: str) -> Iterator[tuple[str, str]]:
    """Yield the CUDA packages that a wheel of torch pins, and their versions.

    Args:
        lines: `Requires-Dist` of its metadata.
        machine: such as "x86_64".

    Example:
        >>> list(requirements(['nvidia-nccl-cu12 (==2.20.5) ; platform_system == "Linux"', "jinja2"], "x86_64"))
        [('nvidia-nccl-cu12', '2.20.5')]
    """
    for line in lines:
        match = _REQUIREMENT.match(line.strip())
        if match is None or not _OF_CUDA.match(_name(match[1])):
            continue
        marker = match[3] or ""
        machines = re.findall(r"platform_machine == [\"'](\w+)[\"']", marker)
        if "extra ==" not in marker and (not machines or machine in machines):
            yield _name(match[1]), match[2]


def try_torch(timeout_s: float = TRIAL_TIMEOUT_S, command: Sequence[str] | None = None) -> Trial:
    """Import torch in a process of its own, and ask it what it loaded.

    Args:
        timeout_s: it is ended after that.
        command: by default this Python, told to import torch.
    """
    start = time.monotonic()
    try:
        done = subprocess.run(  # noqa: S603
            command or [sys.executable, "-c", _TRIAL], capture_output=True, text=True, timeout=timeout_s, check=False
        )
    except subprocess.TimeoutExpired:
        return Trial("timed out", f"no answer in {timeout_s:g} s", timeout_s)
    except OSError as error:
        return Trial("failed", str(error))
    seconds = round(time.monotonic() - start, 2)
    if done.returncode < 0:
        return Trial("failed", f"ended by signal {-done.returncode}", seconds)
    try:
        answers = json.loads(done.stdout)
    except ValueError:
        answers = None
    if done.returncode or not isinstance(answers, dict):
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        return Trial("failed", lines[-1] if lines else f"exit status {done.returncode}", seconds)
    return _trial(answers, seconds, done.stderr)


def _trial(answers: Mapping[str, Any], seconds: float, said: str) -> Trial:
    usable, devices, cudnn, nccl = (answers.get(name) for name in ("usable", "devices", "cudnn", "nccl"))
    flags = answers.get("architectures")
    complaints = [line.strip() for line in said.splitlines() if "CUDA" in line or "NVIDIA" in line]
    return Trial(
        outcome="ok",
        said=complaints[0] if complaints and usable is not True else "",
        seconds=seconds,
        usable=usable if isinstance(usable, bool) else None,
        devices=devices if isinstance(devices, int) else None,
        architectures=tuple(flags.split()) if isinstance(flags, str) and not flags.startswith("error") else (),
        cudnn=_cudnn(cudnn) if isinstance(cudnn, int) else None,
        nccl=".".join(map(str, nccl)) if isinstance(nccl, list) else None,
    )


def _cudnn(number: int) -> str:
    """Return "9.20.0" for 92000, and "8.9.7" for 8907."""
    size = 10000 if number >= _CUDNN_9 else 1000
    return f"{number // size}.{number % size // 100}.{number % 100}"


def _folders(path: Sequence[str]) -> Iterator[str]:
    """Yield each folder of the path that holds a torch, once."""
    seen: set[Path] = set()
    for entry in path:
        folder = Path(entry or ".").resolve()
        if folder not in seen and (folder / "torch" / "__init__.py").is_file():
            seen.add(folder)
            yield str(folder)


def _name(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
