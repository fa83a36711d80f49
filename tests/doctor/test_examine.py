"""The examination, set-up by set-up: what is broken is named by its own code, with a fix; what is whole is left in peace."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from aisle.doctor.codes import CODES
from aisle.doctor.examine import examine
from aisle.doctor.finding import Finding, worst
from aisle.environment.compat import load_compat
from aisle.environment.described import Gpu
from aisle.environment.machine import Machine
from aisle.environment.nvidia import Shadow
from aisle.environment.torch_here import Pin, Trial
from tests.doctor.machines import CPU, GIB, GPU, LIGHT, PACKAGES, but

ROOT = Path(__file__).parent.parent.parent
COMPAT = load_compat()
H100 = Gpu("NVIDIA H100 80GB HBM3", "9.0")
STUB = Shadow("/usr/local/cuda/lib64/stubs", (), stub=True)
OLD_CUDA = Shadow("/usr/local/cuda-11/lib64", ("libcublas.so.11", "libcudart.so.11.0"))
INSIDE = but(GPU, "host", container="docker")
HIDDEN = but(but(GPU, "nvidia", smi="missing", device_nodes=False, mig=()), "environment", gpus=())
NO_DRIVER = but(but(CPU, "nvidia", cards=2), "environment", torch="2.13.0+cu130", cuda="13.0", cudnn="9.20.0.48")
OLD_TORCH = but(CPU, "environment", torch="2.2.2", packages={**PACKAGES, "torch": "2.2.2"})


def installed(**changed: str | None) -> dict[str, str | None]:
    return {**PACKAGES, **{name.replace("_", "-"): version for name, version in changed.items()}}


# set-up: (machine, code, severity, a word of the fix)
BROKEN: dict[str, tuple[Machine, str, str, str]] = {
    "Python too old": (but(CPU, "environment", python="3.10.1"), "D101", "error", "uv venv"),
    "no NumPy": (but(CPU, "environment", packages=installed(numpy=None)), "D103", "error", "pip install 'numpy"),
    "torch that aisle does not know": (but(CPU, "environment", torch="2.6.0"), "D111", "error", "torch>=2.7"),
    "torch half upgraded": (but(CPU, "environment", packages=installed(torch="2.12.0")), "D112", "error", "--force-reinstall"),
    "Python too new": (but(CPU, "environment", python="3.16.0"), "D114", "error", "uv venv"),
    "free-threaded Python": (but(CPU, "environment", python="3.14.0", free_threaded=True), "D114", "error", "uv venv"),
    "CPU-only torch on a GPU host": (but(GPU, "environment", torch="2.13.0+cpu", cuda=None), "D115", "warning", "/whl/cu130"),
    "cuDNN 8": (but(GPU, "environment", cudnn="8.9.7"), "D116", "error", "nvidia-cudnn-cu13==9.20.0.48"),
    "driver too old": (but(GPU, "environment", driver="535.183.01"), "D117", "error", "/whl/cu126"),
    "driver older than the toolkit": (but(GPU, "environment", driver="580.65.06"), "D117", "warning", "580.95.05"),
    "sm not built": (but(GPU, "environment", architectures=("sm_75", "sm_80")), "D118", "error", "/whl/cu130"),
    "driver older than the GPU": (
        but(GPU, "environment", driver="515.43.04", torch="2.7.1", cuda="11.8", architectures=()),
        "D119",
        "error",
        "520.61.05",
    ),
    "torch that cannot be imported": (but(CPU, "torch", trial=Trial("failed", "ImportError: x")), "D120", "error", "reinstall"),
    "torch that hangs": (but(CPU, "torch", trial=Trial("timed out", "no answer in 90 s")), "D120", "error", "importtime"),
    "two torches": (but(CPU, "torch", folders=("/a", "/b")), "D121", "error", "pip uninstall"),
    "two packages of torch": (but(CPU, "torch", packages=("2.13.0", "2.7.1")), "D121", "error", "pip uninstall"),
    "torch without CUDA's driver": (
        but(GPU, "torch", trial=Trial("ok", "CUDA unknown error", 2.0, usable=False, devices=0)),
        "D122",
        "error",
        "nvidia_uvm",
    ),
    "a GPU that fell off": (
        but(but(GPU, "environment", gpus=(H100, H100)), "host", locked_memory=-1),
        "D122",
        "warning",
        "xid",
    ),
    "NCCL missing": (
        but(GPU, "torch", nccl=None, trial=Trial("failed", "ImportError: libnccl.so.2")),
        "D123",
        "error",
        "nvidia-nccl-cu13==2.29.7",
    ),
    "NCCL too old": (
        but(GPU, "torch", trial=Trial("ok", usable=True, devices=1, nccl="2.21.5")),
        "D123",
        "warning",
        "nvidia-nccl-cu13==2.29.7",
    ),
    "Triton of another torch": (but(GPU, "torch", pins=(Pin("triton", "3.7.1", "3.3.1"),)), "D124", "error", "triton==3.7.1"),
    "packages for CUDA 12 and 13": (but(GPU, "torch", cuda_majors=("12", "13")), "D125", "warning", "-cu12"),
    "NumPy 2 under an old torch": (OLD_TORCH, "D126", "error", "numpy<2"),
    "two ONNX Runtimes": (
        but(CPU, "environment", packages=installed(onnxruntime_gpu="1.23.2")),
        "D127",
        "error",
        "pip uninstall",
    ),
    "a wheel that we are wrong about": (
        but(GPU, "torch", pins=(Pin("nvidia-cudnn-cu13", "9.99.0.1", "9.99.0.1"),)),
        "D128",
        "note",
        "upgrade aisle",
    ),
    "no driver": (NO_DRIVER, "D130", "error", "nvidia-driver"),
    "driver upgraded, not restarted": (
        but(but(GPU, "nvidia", smi="failed", smi_said="Driver/library version mismatch"), "environment", gpus=()),
        "D131",
        "error",
        "reboot",
    ),
    "nvidia-smi hangs": (but(GPU, "nvidia", smi="timed out", smi_said="no answer in 20 s"), "D131", "error", "reboot"),
    "container without --gpus": (but(HIDDEN, "host", container="docker"), "D132", "error", "--gpus all"),
    "CUDA_VISIBLE_DEVICES empty": (but(GPU, "nvidia", visible=""), "D133", "error", "unset"),
    "CUDA_VISIBLE_DEVICES beyond": (but(GPU, "nvidia", visible="1"), "D133", "error", "unset"),
    "CUDA_VISIBLE_DEVICES half beyond": (but(GPU, "nvidia", visible="0,1"), "D133", "warning", "unset"),
    "MIG without an instance": (but(GPU, "nvidia", mig=("Enabled",)), "D134", "error", "nvidia-smi mig"),
    "GPUs of two kinds": (but(GPU, "environment", gpus=(H100, Gpu("T4", "7.5"))), "D135", "note", "CUDA_VISIBLE_DEVICES=0"),
    "nvcc of another CUDA": (but(GPU, "nvidia", nvcc="11.8"), "D136", "note", "CUDA_HOME"),
    "LD_LIBRARY_PATH pollution": (but(GPU, "nvidia", shadows=(OLD_CUDA,)), "D137", "warning", "unset LD_LIBRARY_PATH"),
    "the stub of libcuda": (but(GPU, "nvidia", shadows=(STUB,)), "D138", "error", "LD_LIBRARY_PATH"),
    "no container toolkit": (but(GPU, "nvidia", container_toolkit=None), "D139", "warning", "nvidia-ctk"),
    "Alpine": (but(CPU, "host", libc=("musl", "")), "D140", "error", "Debian"),
    "CentOS 7": (but(CPU, "host", libc=("glibc", "2.17")), "D140", "error", "RHEL 9"),
    "no AVX2": (but(CPU, "host", cpu_vector=()), "D141", "warning", "machine"),
    "a small share of processors": (but(CPU, "host", core_quota=2.0), "D142", "warning", "OMP_NUM_THREADS=2"),
    "too many threads": (but(CPU, "host", threads={"OMP_NUM_THREADS": "64"}), "D143", "warning", "unset"),
    "threads in words": (but(CPU, "host", threads={"MKL_NUM_THREADS": "all"}), "D143", "warning", "unset"),
    "no memory": (but(CPU, "host", memory_limit=GIB // 2), "D144", "error", "--memory"),
    "little memory": (but(CPU, "host", memory_limit=2 * GIB), "D144", "warning", "--memory"),
    "tiny /dev/shm": (but(INSIDE, "host", shm=64 << 20), "D145", "warning", "--shm-size"),
    "no /dev/shm": (but(CPU, "host", shm=None), "D145", "warning", "remount"),
    "a full disk": (but(CPU, "host", disk_free=GIB // 10), "D146", "error", "du "),
    "few files may be open": (but(CPU, "host", open_files=256), "D147", "warning", "ulimit -n"),
    "the usual 1,024 files": (but(CPU, "host", open_files=1024), "D147", "note", "ulimit -n"),
    "no locked memory for two GPUs": (
        but(but(GPU, "environment", gpus=(H100, H100)), "host", locked_memory=64 << 10),
        "D148",
        "note",
        "ulimit -l",
    ),
    "a clock of 1970": (but(CPU, "host", now_s=60.0), "D149", "error", "set-ntp"),
    "a file server's clock": (but(CPU, "host", file_clock_s=-90.0), "D149", "warning", "set-ntp"),
    "a zone that is none": (but(CPU, "host", time_zone="Mars/Olympus", time_zone_known=False), "D150", "warning", "tzdata"),
    "a port in use": (but(CPU, "host", ports={8000: False, 8888: True}), "D151", "note", ":8000"),
    "a folder of somebody else": (but(CPU, "host", folder_writable=False), "D152", "error", "chown"),
    "no temporary folder": (but(CPU, "host", temp="none", temp_free=None), "D153", "error", "TMPDIR"),
    "a full temporary folder": (but(CPU, "host", temp_free=GIB // 2), "D153", "warning", "TMPDIR"),
    "the system's Python": (
        replace(CPU, interpreter=replace(CPU.interpreter, isolated=False, managed=True)),
        "D154",
        "warning",
        "venv",
    ),
    "a 32-bit machine": (but(CPU, "host", machine="armv7l"), "D155", "error", "machine"),
}


def test_there_are_many_ways_to_break_a_machine_and_each_has_its_code() -> None:
    assert len(BROKEN) >= 50
    assert len({code for _, code, _, _ in BROKEN.values()}) >= 45


@pytest.mark.parametrize("machine", [CPU, GPU, LIGHT, INSIDE], ids=["CPU", "GPU", "no torch", "container"])
def test_a_machine_that_is_whole_is_left_in_peace(machine: Machine) -> None:
    assert [finding for finding in examine(machine, COMPAT) if finding.severity != "ok"] == []


@pytest.mark.parametrize("setup", BROKEN)
def test_a_broken_setup_is_named_by_its_code_with_its_fix(setup: str) -> None:
    machine, code, severity, fix = BROKEN[setup]
    found = [finding for finding in examine(machine, COMPAT) if finding.code == code and finding.severity != "ok"]
    assert [finding.severity for finding in found] == [severity]
    assert fix in found[0].fix
    assert found[0].seen
    assert found[0].expected
    assert found[0].why.strip()


@pytest.mark.parametrize("setup", BROKEN)
def test_the_gravest_finding_is_the_one_that_was_broken_or_follows_from_it(setup: str) -> None:
    machine, _, severity, _ = BROKEN[setup]
    findings = examine(machine, COMPAT)
    order = {"ok": 0, "note": 1, "warning": 2, "error": 3}
    assert order[worst(findings)] >= order[severity]
    # Nothing that is whole gets a fix, and everything else has one.
    assert all(bool(one.fix) == (one.severity != "ok") for one in findings), [one for one in findings if not one.fix]
    assert [one.code for one in findings] == sorted(one.code for one in findings)


def said(machine: Machine, code: str) -> Finding | None:
    return next((finding for finding in examine(machine, COMPAT) if finding.code == code), None)


def test_hidden_gpus_are_not_blamed_on_torch() -> None:
    hidden = but(but(GPU, "nvidia", visible=""), "torch", trial=Trial("ok", usable=False, devices=0))
    assert said(hidden, "D122") is None
    finding = said(hidden, "D133")
    assert finding is not None
    assert finding.severity == "error"


def test_gpus_may_be_named_by_their_ids_and_mig_instances_too() -> None:
    for value in ("0", "GPU-8a1c", "MIG-7f"):
        finding = said(but(GPU, "nvidia", visible=value, mig=("Enabled",), mig_instances=2), "D133")
        assert finding is not None
        assert finding.severity == "ok", value


def test_a_driver_outside_a_container_is_not_asked_for_inside_one() -> None:
    assert said(but(INSIDE, "nvidia", container_toolkit=None, docker=False), "D139") is None


def test_a_torch_that_loads_without_telling_its_nccl_has_it_linked_in() -> None:
    quiet = but(GPU, "torch", nccl=None, pins=(), trial=Trial("ok", usable=True, devices=1))
    assert said(quiet, "D123") is None


def test_what_torch_itself_says_of_its_code_counts_more_than_the_table() -> None:
    # The table says that torch 2.10 for CUDA 12.8 may have code for a V100; this one says that it has not.
    v100 = but(
        GPU,
        "environment",
        gpus=(Gpu("V100", "7.0"),),
        torch="2.10.0+cu128",
        cuda="12.8",
        architectures=("sm_80",),
        cudnn="9.10.2.21",
    )
    finding = said(v100, "D118")
    assert finding is not None
    assert (finding.severity, finding.source) == ("error", "measured: here")
    untold = said(but(v100, "environment", architectures=()), "D118")
    assert untold is not None
    assert untold.severity == "warning"
    assert "sources disagree about sm_70" in untold.expected
    assert "/whl/cu126" in untold.fix


def test_serving_machines_are_judged_without_torch() -> None:
    codes = {finding.code for finding in examine(LIGHT, COMPAT)}
    assert "D110" in codes
    assert not codes & {"D111", "D114", "D145"}


def test_the_page_lists_every_code_with_its_name_and_why_and_no_other() -> None:
    page = (ROOT / "docs" / "doctor.md").read_text()
    rows = re.findall(r"^\| (D\d{3}) \| ([^|]+) \| ([^|]+) \|$", page, re.MULTILINE)
    assert [(code, name, why) for code, name, why in rows] == [(code, name, why) for code, (name, why) in CODES.items()]


def test_every_code_has_a_rule_and_every_rule_a_code() -> None:
    source = {
        code
        for file in (ROOT / "src" / "aisle" / "doctor").glob("*.py")
        if file.name != "codes.py"
        for code in re.findall(r'"(D\d{3})"', file.read_text())
    }
    assert source == set(CODES)
