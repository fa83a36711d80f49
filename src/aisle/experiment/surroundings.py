"""What the bits of a run depend on besides recipe and dataset, and where two environments differ in it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

# Packages whose arithmetic ends in weights or metrics. The others read, write and draw.
_PACKAGES = ("numpy", "scipy")
# The code. A work tree without git says no commit; the version of aisle decides then.
_COMMIT = "git commit"


@dataclass(frozen=True)
class Gap:
    """One thing that two environments do not have in common; None = not told, or not there."""

    name: str
    recorded: str | None
    here: str | None


def bit_facts(environment: Mapping[str, Any], *, on_gpu: bool) -> dict[str, str | None]:
    """Return what bits depend on, as text by name.

    torch adds up in an order that its build, the vector instructions and the threads decide. The linear algebra below NumPy,
    SciPy and torch picks its kernels by the model of the processor, and how it shares the work by the number of cores;
    exponentials and logarithms come from the C library.

    Args:
        environment: the content of a run's environment.json.
        on_gpu: the run was trained on a GPU: then GPU, driver, CUDA and cuDNN count too.
    """
    cpu, packages = environment.get("cpu", {}), environment.get("packages", {})
    facts: dict[str, Any] = {
        "aisle": packages.get("aisle"),
        _COMMIT: environment.get("git_commit"),
        "python": environment.get("python"),
        "torch": environment.get("torch"),
        **{name: packages.get(name) for name in _PACKAGES},
        "machine": environment.get("machine"),
        "C library": _c_library(environment.get("system")),
        "processor": cpu.get("name"),
        "cores": cpu.get("cores"),
        "vector instructions": " ".join(cpu.get("vector", ())),
        "CPU capability of torch": environment.get("cpu_capability"),
        "threads": environment.get("threads"),
        "threads while measuring": environment.get("threads_measuring"),
    }
    if on_gpu:
        gpus = environment.get("gpus") or [{}]
        facts |= {"GPU": gpus[0].get("name"), "driver": gpus[0].get("driver_version")}
        facts |= {"CUDA": environment.get("cuda"), "cuDNN": environment.get("cudnn")}
    return {name: None if value is None else str(value) for name, value in facts.items()}


def gaps(recorded: Iterable[Mapping[str, Any]], here: Mapping[str, Any], *, on_gpu: bool) -> tuple[Gap, ...]:
    """Say where this environment is not the recorded one, each thing once.

    Args:
        recorded: the environments of the run; two where it was resumed.
        here: this one, in the same form.
        on_gpu: the run was trained on a GPU.
    """
    found: dict[Gap, None] = {}
    now = bit_facts(here, on_gpu=on_gpu)
    for environment in recorded:
        for name, value in bit_facts(environment, on_gpu=on_gpu).items():
            told = name != _COMMIT or None not in (value, now[name])
            if told and value != now[name]:
                found[Gap(name, value, now[name])] = None
    return tuple(found)


def _c_library(system: str | None) -> str | None:
    """Return "glibc2.36" from "Linux-6.1-x86_64-with-glibc2.36"."""
    match = re.search(r"-with-(\S+)$", system or "")
    return match[1] if match else None
