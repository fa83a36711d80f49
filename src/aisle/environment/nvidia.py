"""What this machine has of NVIDIA: cards on the bus, the driver, its tool, the toolkit, and what hides or shadows them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Outcome = Literal["missing", "ok", "failed", "timed out"]

_NVIDIA, _DISPLAY_CLASSES = "0x10de", ("0x0300", "0x0302")
_SMI_TIMEOUT_S, _TOOL_TIMEOUT_S = 20, 10
# The libraries that wheels of torch bring along, which another copy on the path can take the place of.
_SHADOWING = re.compile(r"lib(?:cudart|cublas|cublasLt|cudnn\w*|nccl|cufft|cusparse|cusolver|nvrtc)\.so(?:\.[\d.]+)?$")
_MODULE_VERSION = re.compile(r"(?:Kernel Module|for \w+)\s+(\d+\.\d+(?:\.\d+)?)")


@dataclass(frozen=True)
class Shadow:
    """A folder of LD_LIBRARY_PATH with CUDA libraries in it; stub: it holds the libcuda that exists for linking only."""

    folder: str
    libraries: tuple[str, ...]
    stub: bool = False


@dataclass(frozen=True)
class Nvidia:
    """What there is of NVIDIA besides the GPUs that its driver names.

    Attributes:
        cards: display controllers of NVIDIA on the PCI bus.
        kernel_module: version of the loaded kernel module; None where it is not loaded.
        device_nodes: /dev/nvidiactl is there, without which no process reaches a GPU.
        smi: how nvidia-smi went.
        smi_said: its last line where it failed.
        mig: MIG mode of each GPU, "Enabled", "Disabled", or "[N/A]" where a card has none.
        mig_instances: parts that MIG cut the GPUs into.
        visible: CUDA_VISIBLE_DEVICES; None where it is not set.
        nvcc: version of the toolkit's compiler on the path.
        cudart: CUDA runtimes that the system's linker finds, besides those of Python packages.
        shadows: folders of LD_LIBRARY_PATH that hold CUDA libraries.
        docker: docker is installed here.
        container_toolkit: version of the NVIDIA container toolkit.
    """

    cards: int = 0
    kernel_module: str | None = None
    device_nodes: bool = False
    smi: Outcome = "missing"
    smi_said: str = ""
    mig: tuple[str, ...] = ()
    mig_instances: int = 0
    visible: str | None = None
    nvcc: str | None = None
    cudart: tuple[str, ...] = ()
    shadows: tuple[Shadow, ...] = ()
    docker: bool = False
    container_toolkit: str | None = None


def nvidia(root: Path = Path("/"), variables: Mapping[str, str] = os.environ) -> Nvidia:
    """Measure it.

    Args:
        root: of the file system.
        variables: of the process.
    """
    smi, listed, said = _ask("nvidia-smi", "-L", timeout_s=_SMI_TIMEOUT_S)
    modes = _ask("nvidia-smi", "--query-gpu=mig.mode.current", "--format=csv,noheader")[1] if smi == "ok" else ""
    return Nvidia(
        cards=_cards(root / "sys/bus/pci/devices"),
        kernel_module=_kernel_module(root / "proc/driver/nvidia/version"),
        # Under WSL the driver of Windows is reached through /dev/dxg.
        device_nodes=(root / "dev/nvidiactl").exists() or (root / "dev/dxg").exists(),
        smi=smi,
        smi_said=said if smi != "ok" else "",
        mig=tuple(modes.splitlines()),
        mig_instances=sum(line.strip().startswith("MIG ") for line in listed.splitlines()),
        visible=variables.get("CUDA_VISIBLE_DEVICES"),
        nvcc=_version(_ask("nvcc", "--version")[1], r"release (\d+\.\d+)"),
        cudart=_cudart(root, _ask("ldconfig", "-p")[1]),
        shadows=tuple(_shadows(variables.get("LD_LIBRARY_PATH", ""))),
        docker=shutil.which("docker") is not None,
        container_toolkit=_version(_ask("nvidia-ctk", "--version")[1], r"version (\d+\.\d+\.\d+)"),
    )


def _cards(bus: Path) -> int:
    return sum(
        _word(device / "vendor") == _NVIDIA and _word(device / "class")[:6] in _DISPLAY_CLASSES
        for device in (bus.iterdir() if bus.is_dir() else ())
    )


def _word(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError:
        return ""


def _kernel_module(file: Path) -> str | None:
    return _version(_word(file), _MODULE_VERSION.pattern) if file.exists() else None


def _cudart(root: Path, cached: str) -> tuple[str, ...]:
    """Return the runtimes of the linker's cache and of /usr/local/cuda*."""
    known = re.findall(r"=> (\S*libcudart\.so\S*)", cached)
    local = root / "usr/local"
    known += [str(file) for file in local.glob("cuda*/lib64/libcudart.so.*")] if local.is_dir() else []
    return tuple(sorted({str(Path(file).resolve()) for file in known}))


def _shadows(path: str) -> Iterator[Shadow]:
    for folder in dict.fromkeys(entry for entry in path.split(":") if entry):
        try:
            names = sorted(os.listdir(folder))
        except OSError:
            continue
        libraries = tuple(name for name in names if _SHADOWING.fullmatch(name))
        stub = Path(folder).name == "stubs" and any(name.startswith("libcuda.so") for name in names)
        if libraries or stub:
            yield Shadow(folder, libraries, stub)


def _version(text: str, pattern: str) -> str | None:
    match = re.search(pattern, text)
    return match[1] if match else None


def _ask(*command: str, timeout_s: float = _TOOL_TIMEOUT_S) -> tuple[Outcome, str, str]:
    """Run a tool and return how it went, what it printed, and the last line of its complaint."""
    if shutil.which(command[0]) is None:
        return "missing", "", ""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)  # noqa: S603
    except subprocess.TimeoutExpired:
        return "timed out", "", f"no answer in {timeout_s:g} s"
    except OSError as error:
        return "failed", "", str(error)
    if done.returncode:
        lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
        return "failed", done.stdout, lines[0] if lines else f"exit status {done.returncode}"
    return "ok", done.stdout, ""
