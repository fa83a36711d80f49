"""Machines on paper: a good one with an H100, a good one without a GPU, and a way to break one thing of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from aisle.environment.described import Environment, Gpu
from aisle.environment.host import Host
from aisle.environment.machine import Interpreter, Machine
from aisle.environment.nvidia import Nvidia
from aisle.environment.torch_here import Pin, TorchHere, Trial

GIB = 1 << 30
PACKAGES = {"aisle": "0.5.0", "torch": "2.13.0", "numpy": "2.2.0", "onnxruntime": "1.23.2", "onnxruntime-gpu": None}
HOST = Host(
    machine="x86_64",
    libc=("glibc", "2.36"),
    cpu_name="Xeon",
    cpu_vector=("avx2", "avx512f"),
    cores=16,
    core_quota=None,
    memory=128 * GIB,
    memory_available=100 * GIB,
    memory_limit=None,
    shm=16 * GIB,
    folder="/work",
    folder_writable=True,
    disk_free=500 * GIB,
    temp="/temp",
    temp_free=100 * GIB,
    open_files=65536,
    locked_memory=-1,
    now_s=1_800_000_000.0,  # January 2027
    file_clock_s=0.01,
    time_zone=None,
    time_zone_known=True,
    ports={8000: True, 8888: True, 2222: True},
    container=None,
    threads={},
)
CPU = Machine(
    environment=Environment("3.12.4", False, "x86_64", PACKAGES, "2.13.0+cpu", None, None, None, ()),
    interpreter=Interpreter("/srv/.venv/bin/python", isolated=True, managed=False),
    nvidia=Nvidia(),
    torch=TorchHere(folders=("/srv/.venv/lib",), packages=("2.13.0",), trial=Trial("ok", seconds=2.0, usable=False, devices=0)),
    host=HOST,
)
GPU = Machine(
    environment=replace(
        CPU.environment,
        torch="2.13.0+cu130",
        cuda="13.0",
        cudnn="9.20.0.48",
        driver="580.95.05",
        gpus=(Gpu("NVIDIA H100 80GB HBM3", "9.0"),),
        architectures=("sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120", "compute_120"),
    ),
    interpreter=CPU.interpreter,
    nvidia=Nvidia(
        cards=1,
        kernel_module="580.95.05",
        device_nodes=True,
        smi="ok",
        mig=("Disabled",),
        nvcc="13.0",
        docker=True,
        container_toolkit="1.18.0",
    ),
    torch=TorchHere(
        folders=("/srv/.venv/lib",),
        packages=("2.13.0+cu130",),
        pins=(
            Pin("cuda-toolkit", "13.0.3", "13.0.3"),
            Pin("nvidia-cudnn-cu13", "9.20.0.48", "9.20.0.48"),
            Pin("nvidia-nccl-cu13", "2.29.7", "2.29.7"),
            Pin("triton", "3.7.1", "3.7.1"),
        ),
        cuda_majors=("13",),
        nccl="2.29.7",
        trial=Trial("ok", seconds=3.0, usable=True, devices=1, cudnn="9.20.0", nccl="2.29.7"),
    ),
    host=HOST,
)
LIGHT = replace(
    CPU,
    environment=replace(CPU.environment, torch=None, packages={**PACKAGES, "torch": None}),
    torch=TorchHere(),
)


def but(machine: Machine, part: str, /, **changes: Any) -> Machine:
    """Return the same machine with one part changed: part is a field of Machine, changes are fields of that part."""
    changed: Machine = replace(machine, **{part: replace(getattr(machine, part), **changes)})
    return changed
