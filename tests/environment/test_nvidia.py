"""What there is of NVIDIA is read from made-up machines: a root folder with the kernel's files, a path with tools."""

from __future__ import annotations

from pathlib import Path

import pytest

from aisle.environment import nvidia as module
from aisle.environment.nvidia import nvidia

SMI = """#!/bin/sh
case "$1" in
  -L) echo "GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-1)"; echo "  MIG 3g.20gb     Device  0: (UUID: MIG-1)";;
  --query-gpu=mig.mode.current) echo Enabled;;
esac
"""
KERNEL = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.95.05  Release Build  (dvs-builder)\nGCC version:  gcc\n"
OLD_KERNEL = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  470.82.01  Wed Oct 27 21:21:55 UTC 2021\n"


def tool(folder: Path, name: str, script: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(script)
    (folder / name).chmod(0o755)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with one card on the bus, its driver and tools, and docker."""
    for name, vendor, kind in (("0000:01:00.0", "0x10de", "0x030200"), ("0000:01:00.1", "0x10de", "0x040300")):
        device = tmp_path / "sys/bus/pci/devices" / name
        device.mkdir(parents=True)
        (device / "vendor").write_text(vendor + "\n")
        (device / "class").write_text(kind + "\n")
    (tmp_path / "proc/driver/nvidia").mkdir(parents=True)
    (tmp_path / "proc/driver/nvidia/version").write_text(KERNEL)
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/nvidiactl").touch()
    (tmp_path / "usr/local/cuda-13.0/lib64").mkdir(parents=True)
    (tmp_path / "usr/local/cuda-13.0/lib64/libcudart.so.13").touch()
    tools = tmp_path / "tools"
    tool(tools, "nvidia-smi", SMI)
    tool(tools, "nvcc", "#!/bin/sh\necho 'Cuda compilation tools, release 13.0, V13.0.88'\n")
    tool(tools, "nvidia-ctk", "#!/bin/sh\necho 'NVIDIA Container Toolkit CLI version 1.18.0'\n")
    tool(tools, "docker", "#!/bin/sh\n")
    monkeypatch.setenv("PATH", f"{tools}:/bin")
    return tmp_path


def test_a_whole_machine_is_read(root: Path) -> None:
    seen = nvidia(root, {})
    assert seen.cards == 1  # the sound device of the card is none
    assert seen.kernel_module == "580.95.05"
    assert seen.device_nodes
    assert (seen.smi, seen.mig, seen.mig_instances) == ("ok", ("Enabled",), 1)
    assert (seen.nvcc, seen.container_toolkit, seen.docker) == ("13.0", "1.18.0", True)
    assert [Path(file).name for file in seen.cudart] == ["libcudart.so.13"]
    assert (seen.visible, seen.shadows) == (None, ())


def test_a_machine_without_any_of_it_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert nvidia(tmp_path, {}) == module.Nvidia()


def test_a_tool_that_fails_is_told_with_its_words(root: Path) -> None:
    complaint = "#!/bin/sh\necho 'Failed to initialize NVML: Driver/library version mismatch' >&2\nexit 18\n"
    tool(root / "tools", "nvidia-smi", complaint)
    seen = nvidia(root, {})
    assert (seen.smi, seen.mig) == ("failed", ())
    assert "version mismatch" in seen.smi_said


def test_a_tool_that_hangs_is_left_alone(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SMI_TIMEOUT_S", 0.2)
    tool(root / "tools", "nvidia-smi", "#!/bin/sh\nexec sleep 30\n")
    seen = nvidia(root, {})
    assert (seen.smi, seen.smi_said) == ("timed out", "no answer in 0.2 s")


def test_the_older_wording_of_the_kernel_module_is_read_too(root: Path) -> None:
    (root / "proc/driver/nvidia/version").write_text(OLD_KERNEL)
    assert nvidia(root, {}).kernel_module == "470.82.01"


def test_what_lies_on_ld_library_path_is_named(root: Path) -> None:
    old, stubs, fine = root / "cuda-11", root / "stubs", root / "fine"
    for folder, names in (
        (old, ("libcudart.so.11.0", "libcudnn_ops.so.8", "libnccl.so.2", "readme")),
        (stubs, ("libcuda.so",)),
        (fine, ("libcuda.so.1", "libz.so.1")),  # where container runtimes put the driver's library
    ):
        folder.mkdir()
        for name in names:
            (folder / name).touch()
    seen = nvidia(root, {"LD_LIBRARY_PATH": f"{old}:{stubs}::{fine}:{root / 'gone'}:{old}", "CUDA_VISIBLE_DEVICES": ""})
    assert [(Path(shadow.folder).name, shadow.libraries, shadow.stub) for shadow in seen.shadows] == [
        ("cuda-11", ("libcudart.so.11.0", "libcudnn_ops.so.8", "libnccl.so.2"), False),
        ("stubs", (), True),
    ]
    assert seen.visible == ""
