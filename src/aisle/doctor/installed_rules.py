"""The torch that is installed here, and the packages beside it. D120 to D128."""

from __future__ import annotations

from collections.abc import Iterator

from aisle.doctor.finding import Finding
from aisle.doctor.torch_builds import install, install_one
from aisle.doctor.wheel import disagreements
from aisle.environment.compat import Compat
from aisle.environment.machine import Machine
from aisle.environment.versions import at_least, line, release

_CLEAN = "pip uninstall --yes torch, until it says that it is not installed; then "
_NUMPY_2_FROM = "2.3"  # the first torch whose wheels were compiled for NumPy 2 as well


def imported(machine: Machine, compat: Compat) -> Iterator[Finding]:
    """D120: torch can be imported, tried in a process of its own."""
    trial, here = machine.torch.trial, machine.environment
    again = _reinstall(machine, compat)
    if trial.outcome == "ok":
        yield Finding("D120", "import torch", "ok", f"works, {trial.seconds:.1f} s", "works")
    elif trial.outcome == "failed":
        yield Finding("D120", "import torch", "error", f"fails: {trial.said}", "works", again)
    elif trial.outcome == "timed out":
        fix = "python -X importtime -c 'import torch' shows what it waits for; a network file system is often the reason"
        yield Finding("D120", "import torch", "error", trial.said, "works", fix)
    elif here.torch is not None:
        fix = "aisle doctor, without --no-import"
        yield Finding("D120", "import torch", "note", "not tried", "works", fix)


def one_torch(machine: Machine, compat: Compat) -> Iterator[Finding]:
    """D121: there is one torch on the path, and one package of that name."""
    folders, packages = machine.torch.folders, machine.torch.packages
    if len(folders) > 1 or len(packages) > 1:
        seen = f"{len(folders)} folders ({', '.join(folders)}), packages {', '.join(packages) or 'none'}"
        fix = _CLEAN + _reinstall(machine, compat) + "; unset PYTHONPATH where it names one of these folders"
        yield Finding("D121", "copies of torch", "error", seen, "one", fix)
    elif folders:
        yield Finding("D121", "copies of torch", "ok", folders[0], "one")


def sees_gpus(machine: Machine, compat: Compat) -> Iterator[Finding]:
    """D122: a torch for CUDA sees the GPUs that the driver names; what CUDA_VISIBLE_DEVICES hides is D133's."""
    trial, here = machine.torch.trial, machine.environment
    if trial.outcome != "ok" or here.cuda is None or not here.gpus or machine.nvidia.visible is not None:
        return
    expected = f"{len(here.gpus)} GPUs, as nvidia-smi"
    if trial.usable is not True:
        seen = "CUDA cannot be used" + (f": {trial.said}" if trial.said else "")
        fix = "see the other findings; then `sudo modprobe nvidia_uvm`, or start the container again with --gpus all"
        yield Finding("D122", "GPUs that torch sees", "error", seen, expected, fix)
    elif trial.devices is not None and trial.devices < len(here.gpus) and not machine.nvidia.mig_instances:
        fix = "nvidia-smi -q | grep -i -A2 xid shows a GPU that failed; restart the machine"
        yield Finding("D122", "GPUs that torch sees", "warning", str(trial.devices), expected, fix)
    else:
        yield Finding("D122", "GPUs that torch sees", "ok", str(trial.devices), expected)


def nccl(machine: Machine, compat: Compat) -> Iterator[Finding]:
    """D123: NCCL is there, and no older than the one that the wheel pins."""
    here, seen = machine.environment, machine.torch.trial.nccl or machine.torch.nccl
    if here.torch is None or here.cuda is None:
        return
    build = compat.build(here.torch, here.cuda)
    pinned = next((pin.wanted for pin in machine.torch.pins if pin.name.startswith("nvidia-nccl-cu")), None)
    wanted = pinned or (build.nccl if build else None)
    package = f"nvidia-nccl-cu{line(here.cuda, 1)}"
    fix = f"pip install {package}=={wanted}" if wanted else f"pip install {package}"
    source = (
        "measured: the wheel's own metadata" if pinned else (f"{build.evidence}: {compat.sources[build.source]}" if build else "")
    )
    expected = f">= {wanted}" if wanted else "any"
    if seen is None and machine.torch.trial.outcome == "ok":
        return  # it loads, so NCCL is linked in; which one it does not tell
    if seen is None:
        yield Finding("D123", "NCCL", "error", "not found", expected, fix, source)
    elif wanted and not at_least(seen, wanted):
        yield Finding("D123", "NCCL", "warning", seen, expected, fix, source)
    else:
        yield Finding("D123", "NCCL", "ok", seen, expected, "", source)


def pins(machine: Machine, compat: Compat) -> Iterator[Finding]:
    """D124: the CUDA packages that torch pins are installed in those versions. cuDNN and NCCL have rules of their own."""
    asked = [pin for pin in machine.torch.pins if not pin.name.startswith(("nvidia-cudnn", "nvidia-nccl"))]
    wrong = [pin for pin in asked if pin.installed is None or release(pin.installed) != release(pin.wanted)]
    if wrong:
        seen = ", ".join(f"{pin.name} {pin.installed or 'missing'}" for pin in wrong)
        fix = "pip install " + " ".join(f"{pin.name}=={pin.wanted}" for pin in wrong)
        expected = ", ".join(f"{pin.name} {pin.wanted}" for pin in wrong)
        yield Finding("D124", "CUDA packages", "error", seen, expected, fix, "measured: the wheel's own metadata")
    elif asked:
        yield Finding("D124", "CUDA packages", "ok", f"{len(asked)} as torch pins them", "as torch pins them")


def cuda_majors(machine: Machine, compat: Compat) -> Iterator[Finding]:
    """D125: NVIDIA's Python packages are of one major version of CUDA, torch's."""
    majors, cuda = machine.torch.cuda_majors, machine.environment.cuda
    wanted = line(cuda, 1) if cuda else None
    others = [major for major in majors if major != wanted]
    if wanted is not None and others:
        fix = "; ".join(
            f"pip list --format=freeze | grep -o '^nvidia-[a-z0-9-]*-cu{major}' | xargs pip uninstall --yes" for major in others
        )
        yield Finding("D125", "CUDA packages", "warning", f"for CUDA {' and '.join(majors)}", f"CUDA {wanted} only", fix)


def numpy_of_torch(machine: Machine, compat: Compat) -> Iterator[Finding]:
    """D126: torch before 2.3 was compiled for NumPy 1."""
    torch, numpy = machine.environment.torch, machine.environment.packages.get("numpy")
    if torch is None or numpy is None:
        return
    if not at_least(torch, _NUMPY_2_FROM) and at_least(numpy, "2"):
        yield Finding("D126", "NumPy of torch", "error", numpy, f"< 2 for torch {line(torch)}", "pip install 'numpy<2'")
    else:
        yield Finding("D126", "NumPy of torch", "ok", numpy, "any that aisle supports")


def onnxruntimes(machine: Machine, compat: Compat) -> Iterator[Finding]:
    """D127: one package brings ONNX Runtime."""
    both = [name for name in ("onnxruntime", "onnxruntime-gpu") if machine.environment.packages.get(name)]
    if len(both) == 2:
        fix = "pip uninstall --yes onnxruntime onnxruntime-gpu && pip install --force-reinstall onnxruntime"
        yield Finding("D127", "ONNX Runtime", "error", " and ".join(both), "one of them", fix)


def wheel(machine: Machine, compat: Compat) -> Iterator[Finding]:
    """D128: what this wheel asks for is what our data says of it."""
    here = machine.environment
    wanted = {pin.name: pin.wanted for pin in machine.torch.pins}
    if here.torch is None or here.cuda is None or not wanted:
        return
    found = disagreements(here.torch, here.cuda, wanted, compat)
    if found:
        fix = "the wheel is right; upgrade aisle, or tell its makers"
        yield Finding("D128", "compatibility data", "note", "; ".join(found), "as the wheel says", fix, f"as of {compat.as_of}")


def _reinstall(machine: Machine, compat: Compat) -> str:
    here = machine.environment
    torch = here.torch or here.packages.get("torch")
    if torch is None or at_least(torch, compat.aisle["torch_below"]) or not at_least(torch, compat.aisle["torch_min"]):
        low, below = compat.aisle["torch_min"], compat.aisle["torch_below"]
        return f"pip install --force-reinstall 'torch>={low},<{below}'"
    if here.cuda is None:
        return f"pip install --force-reinstall torch=={torch.split('+', maxsplit=1)[0]}"
    known = compat.build(torch, here.cuda)
    command = install(torch, here.cuda) if known else install_one(torch, compat, lambda _: True, f"pip install torch=={torch}")
    return command.replace("pip install", "pip install --force-reinstall", 1)


RULES = (imported, one_torch, sees_gpus, nccl, pins, cuda_majors, numpy_of_torch, onnxruntimes, wheel)
