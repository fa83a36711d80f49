"""GPUs, their driver, and what hides them or puts other libraries in CUDA's place. D130 to D139."""

from __future__ import annotations

from collections.abc import Iterator

from aisle.doctor.finding import Finding
from aisle.environment.compat import Compat
from aisle.environment.machine import Machine
from aisle.environment.versions import line

_GIVE_GPUS = "start the container with `docker run --gpus all ...`"
_NAMED = ("GPU-", "MIG-")  # CUDA_VISIBLE_DEVICES may name devices too


def has_driver(machine: Machine, compat: Compat) -> Iterator[Finding]:
    """D130: a GPU of NVIDIA on the bus has a driver."""
    card, here = machine.nvidia, machine.environment
    if here.gpus:
        names = ", ".join(f"{gpu.name} ({gpu.capability or '?'})" for gpu in here.gpus)
        yield Finding("D130", "GPUs", "ok", f"{names}, driver {here.driver}", "a driver for every GPU")
    elif card.cards and card.kernel_module is None and card.smi != "ok":
        fix = "sudo apt-get install nvidia-driver-580-server && sudo reboot  # or your system's package of driver 580 or later"
        yield Finding("D130", "GPUs", "error", f"{card.cards} NVIDIA cards on the bus, no driver", "a driver", fix)
    elif not card.cards and card.kernel_module is None:
        yield Finding("D130", "GPUs", "ok", "no NVIDIA GPU", "none is needed to serve, or to train small models")


def smi(machine: Machine, compat: Compat) -> Iterator[Finding]:
    """D131: nvidia-smi answers; after an upgrade of the driver without a restart it does not."""
    card = machine.nvidia
    if card.smi == "ok":
        yield Finding("D131", "nvidia-smi", "ok", f"{len(machine.environment.gpus)} GPUs", "answers")
    elif card.smi in ("failed", "timed out") and (card.cards or card.kernel_module):
        mismatch = "mismatch" in card.smi_said.lower()
        fix = "sudo reboot  # the driver was upgraded, its old kernel module is still loaded" if mismatch else "sudo reboot"
        yield Finding("D131", "nvidia-smi", "error", f"{card.smi}: {card.smi_said}", "answers", fix)


def given(machine: Machine, compat: Compat) -> Iterator[Finding]:
    """D132: where the host has a driver, this container was given its GPUs."""
    card, inside = machine.nvidia, machine.host.container
    if card.kernel_module is None or machine.environment.gpus or card.device_nodes:
        return
    seen = f"the host's driver {card.kernel_module} is loaded, /dev/nvidiactl is not here"
    fix = _GIVE_GPUS if inside else "sudo nvidia-modprobe -c 0 -u"
    yield Finding("D132", "GPUs given", "error", seen, "/dev/nvidiactl and nvidia-smi", fix)


def visible(machine: Machine, compat: Compat) -> Iterator[Finding]:
    """D133: CUDA_VISIBLE_DEVICES names a GPU that is there, or is not set."""
    seen, count = machine.nvidia.visible, len(machine.environment.gpus)
    if seen is None or not count:
        return
    expected, fix = f"not set, or numbers from 0 to {count - 1}", "unset CUDA_VISIBLE_DEVICES"
    shown = _shown(seen, count)
    if not shown:
        yield Finding("D133", "CUDA_VISIBLE_DEVICES", "error", f"'{seen}' hides all {count} GPUs", expected, fix)
    elif shown < len(seen.split(",")):
        yield Finding("D133", "CUDA_VISIBLE_DEVICES", "warning", f"'{seen}' shows {shown} of those it names", expected, fix)
    else:
        yield Finding("D133", "CUDA_VISIBLE_DEVICES", "ok", f"'{seen}' shows {shown} of {count} GPUs", expected)


def mig(machine: Machine, compat: Compat) -> Iterator[Finding]:
    """D134: GPUs in MIG mode were cut into instances."""
    on = [place for place, mode in enumerate(machine.nvidia.mig) if mode == "Enabled"]
    if not on:
        return
    if not machine.nvidia.mig_instances:
        fix = f"sudo nvidia-smi mig -i {on[0]} -cgi 0 -C  # one instance of the whole GPU; or `sudo nvidia-smi -i {on[0]} -mig 0`"
        seen = f"on for GPU {', '.join(map(str, on))}, no instance"
        yield Finding("D134", "MIG", "error", seen, "an instance, or MIG mode off", fix)
    else:
        seen = f"on for GPU {', '.join(map(str, on))}, {machine.nvidia.mig_instances} instances"
        yield Finding("D134", "MIG", "ok", seen, "a process uses one instance, whose memory is a hard limit")


def one_kind(machine: Machine, compat: Compat) -> Iterator[Finding]:
    """D135: the GPUs are of one compute capability."""
    kinds = sorted({gpu.capability for gpu in machine.environment.gpus})
    if len(kinds) > 1:
        fix = "CUDA_VISIBLE_DEVICES=0, with the number of the GPU that is to work"
        yield Finding("D135", "GPUs", "note", f"compute capabilities {', '.join(kinds)}", "one", fix)


def nvcc(machine: Machine, compat: Compat) -> Iterator[Finding]:
    """D136: the toolkit's compiler is of the major version that torch was built for."""
    seen, cuda = machine.nvidia.nvcc, machine.environment.cuda
    if seen is None:
        yield Finding("D136", "CUDA toolkit", "ok", "no nvcc", "none is needed: wheels of torch bring their CUDA along")
    elif cuda is None or line(seen, 1) == line(cuda, 1):
        yield Finding(
            "D136", "CUDA toolkit", "ok", f"nvcc {seen}", f"CUDA {cuda}" if cuda else "any: torch is not built for CUDA"
        )
    else:
        fix = f"export CUDA_HOME=/usr/local/cuda-{line(cuda)} PATH=/usr/local/cuda-{line(cuda)}/bin:$PATH"
        yield Finding("D136", "CUDA toolkit", "note", f"nvcc {seen}", f"CUDA {line(cuda, 1)}.x, as torch", fix)


def shadows(machine: Machine, compat: Compat) -> Iterator[Finding]:
    """D137: no folder of LD_LIBRARY_PATH holds libraries that torch brings along itself."""
    found = [shadow for shadow in machine.nvidia.shadows if shadow.libraries]
    if found and machine.environment.cuda is not None:
        seen = "; ".join(f"{shadow.folder}: {_some(shadow.libraries)}" for shadow in found)
        fix = "unset LD_LIBRARY_PATH  # and the line in ~/.bashrc, /etc/environment or the Dockerfile that sets it"
        yield Finding("D137", "LD_LIBRARY_PATH", "warning", seen, "no libraries of CUDA", fix)


def stubs(machine: Machine, compat: Compat) -> Iterator[Finding]:
    """D138: no folder of LD_LIBRARY_PATH holds the libcuda that is for linking only."""
    found = [shadow.folder for shadow in machine.nvidia.shadows if shadow.stub]
    if found:
        fix = f"export LD_LIBRARY_PATH=$(echo $LD_LIBRARY_PATH | tr : '\\n' | grep -v -x {found[0]} | paste -s -d :)"
        yield Finding("D138", "libcuda", "error", f"the stub in {', '.join(found)}", "the driver's libcuda", fix)


def container_toolkit(machine: Machine, compat: Compat) -> Iterator[Finding]:
    """D139: a host with GPUs and docker has the NVIDIA container toolkit."""
    card = machine.nvidia
    if machine.host.container is not None or not card.docker or not machine.environment.gpus:
        return
    if card.container_toolkit is None:
        fix = "sudo apt-get install nvidia-container-toolkit && sudo nvidia-ctk runtime configure --runtime=docker"
        fix += " && sudo systemctl restart docker"
        yield Finding("D139", "NVIDIA container toolkit", "warning", "not installed", "installed beside docker", fix)
    else:
        yield Finding("D139", "NVIDIA container toolkit", "ok", card.container_toolkit, "installed beside docker")


def _shown(value: str, count: int) -> int:
    """CUDA takes the numbers up to the first that is no device."""
    shown = 0
    for word in (word.strip() for word in value.split(",")):
        if not (word.startswith(_NAMED) or (word.isdigit() and int(word) < count)):
            break
        shown += 1
    return shown


def _some(names: tuple[str, ...]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


RULES = (has_driver, smi, given, visible, mig, one_kind, nvcc, shadows, stubs, container_toolkit)
