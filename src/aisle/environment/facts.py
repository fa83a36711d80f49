"""What this machine is, measured with the standard library alone: works when torch is missing or broken."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from aisle.environment.torch_build import torch_build

# What a result can depend on. Anything else is found with `pip freeze`.
PACKAGES = (
    "aisle", "torch", "numpy", "polars", "scipy", "safetensors", "pydantic", "tensorboard",
    "onnx", "onnxruntime", "onnxruntime-gpu", "faiss-cpu", "faiss-gpu", "fastapi", "uvicorn", "cryptography",
)  # fmt: skip
_CPU_FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "asimd", "sve")
_COMMAND_TIMEOUT_S = 10


def environment(source: Path | None = None) -> dict[str, object]:
    """Return the facts that bits and speed depend on, ready for JSON.

    Args:
        source: a file inside a git work tree whose commit is wanted; by default this package.
    """
    return {
        "python": platform.python_version(),
        "python_free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
        "machine": platform.machine(),
        "system": platform.platform(),
        "cpu": cpu(),
        "memory_bytes": _memory_bytes(),
        "gpus": gpus(),
        "packages": packages(),
        "torch_build": torch_build(),
        "git_commit": git_commit(source or Path(__file__)),
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
    }


def packages() -> dict[str, str | None]:
    """Return the installed version of each package that matters, None where it is not installed."""
    versions: dict[str, str | None] = {}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = None
    return versions


def cpu() -> dict[str, object]:
    """Return the processor's name, the cores this process may use, and the vector instructions that change rounding."""
    flags: set[str] = set()
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        fields = dict(line.split(":", 1) for line in info.read_text().split("\n\n")[0].splitlines() if ":" in line)
        values = {key.strip(): value.strip() for key, value in fields.items()}
        name = values.get("model name", name)
        flags = set(values.get("flags", values.get("Features", "")).split())
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {"name": name, "cores": cores, "vector": [flag for flag in _CPU_FLAGS if flag in flags]}


def gpus() -> list[dict[str, str]]:
    """Return each NVIDIA GPU with its driver; an empty list where the driver's own tool finds none."""
    query = ("name", "driver_version", "memory.total", "compute_cap")
    text = _output("nvidia-smi", f"--query-gpu={','.join(query)}", "--format=csv,noheader")
    return [dict(zip(query, (cell.strip() for cell in line.split(",")), strict=False)) for line in text.splitlines()]


def git_commit(file: Path) -> str | None:
    """Return the commit of the work tree a file stands in, with "+changes" when it is not clean; None outside git."""
    folder = str(file.resolve().parent)
    commit = _output("git", "-C", folder, "rev-parse", "HEAD")
    if not commit:
        return None
    return commit + ("+changes" if _output("git", "-C", folder, "status", "--porcelain", "--untracked-files=no") else "")


def _memory_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _output(*command: str) -> str:
    """Return what a command prints; empty where it is missing or fails, which for these facts means "not there"."""
    if shutil.which(command[0]) is None:
        return ""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_COMMAND_TIMEOUT_S, check=True)  # noqa: S603
    except (subprocess.SubprocessError, OSError):
        return ""
    return done.stdout.strip()
