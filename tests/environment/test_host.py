"""The machine around the GPUs is read from made-up file systems, and once for real."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from aisle.environment.host import Host, host


def group(root: Path, lines: str, files: dict[str, str]) -> Path:
    (root / "proc/self").mkdir(parents=True, exist_ok=True)
    (root / "proc/self/cgroup").write_text(lines)
    for name, text in files.items():
        file = root / "sys/fs/cgroup" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return root


def seen(root: Path, folder: Path | None = None, **variables: str) -> Host:
    return host(folder or root, root, variables, ports=())


def test_this_machine_is_measured() -> None:
    here = host(ports=())
    assert here.cores >= 1
    assert here.memory > 1 << 28
    assert here.libc is not None
    assert here.folder == str(Path.cwd())
    assert here.file_clock_s is not None
    assert abs(here.file_clock_s) < 60


def test_limits_of_control_groups_version_2_are_the_smallest_on_the_way_up(tmp_path: Path) -> None:
    files = {
        "memory.max": "max\n",
        "shop/memory.max": f"{8 << 30}\n",
        "shop/train/memory.max": f"{16 << 30}\n",
        "shop/train/cpu.max": "150000 100000\n",
        "shop/cpu.max": "400000 100000\n",
        "cpu.max": "max 100000\n",
    }
    here = seen(group(tmp_path, "0::/shop/train\n", files))
    assert here.memory_limit == 8 << 30
    assert here.core_quota == 1.5


def test_limits_of_version_1_are_read_and_its_no_limit_is_none(tmp_path: Path) -> None:
    lines = "4:memory:/docker/1\n1:cpu,cpuacct:/docker/1\n"
    files = {
        "memory/docker/1/memory.limit_in_bytes": "2147483648",
        "memory/memory.limit_in_bytes": "9223372036854771712",
        "cpu/docker/1/cpu.cfs_quota_us": "50000",
        "cpu/docker/1/cpu.cfs_period_us": "100000",
    }
    here = seen(group(tmp_path, lines, files))
    assert (here.memory_limit, here.core_quota) == (2 << 30, 0.5)
    unlimited = {
        "memory/memory.limit_in_bytes": "9223372036854771712",
        "cpu/cpu.cfs_quota_us": "-1",
        "cpu/cpu.cfs_period_us": "100000",
    }
    here = seen(group(tmp_path / "other", lines, unlimited))
    assert (here.memory_limit, here.core_quota) == (None, None)


def test_in_a_container_the_group_may_stand_at_the_root(tmp_path: Path) -> None:
    here = seen(group(tmp_path, "0::/../../outside\n", {"memory.max": "1073741824\n", "cpu.max": "200000 100000\n"}))
    assert (here.memory_limit, here.core_quota) == (1 << 30, 2.0)


def test_no_such_files_are_no_limits(tmp_path: Path) -> None:
    here = seen(tmp_path)
    assert (here.memory_limit, here.core_quota, here.memory_available, here.shm) == (None, None, None, None)


def test_shared_memory_and_free_memory_are_read(tmp_path: Path) -> None:
    (tmp_path / "dev/shm").mkdir(parents=True)
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/meminfo").write_text("MemTotal: 100 kB\nMemAvailable:   2048 kB\n")
    here = seen(tmp_path)
    assert here.memory_available == 2 << 20
    assert here.shm is not None


@pytest.mark.parametrize(
    ("mark", "variables", "name"),
    [
        (".dockerenv", {}, "docker"),
        ("run/.containerenv", {}, "podman"),
        (".dockerenv", {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, "kubernetes"),
        ("etc", {"container": "lxc"}, "lxc"),
        ("etc", {}, None),
    ],
)
def test_the_container_is_named(mark: str, variables: dict[str, str], name: str | None, tmp_path: Path) -> None:
    (tmp_path / mark).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / mark).touch()
    assert host(tmp_path, tmp_path, variables, ports=()).container == name


@pytest.mark.parametrize(
    ("zone", "known"),
    [("UTC", True), ("", True), ("CET-1CEST", True), ("<+03>-3", True), ("Mars/Olympus", False), ("Berlin", False)],
)
def test_a_zone_is_known_or_not(zone: str, known: bool, tmp_path: Path) -> None:
    assert seen(tmp_path, TZ=zone).time_zone_known is known


def test_a_port_in_use_is_found(tmp_path: Path) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        assert host(tmp_path, tmp_path, {}, ports=(port,)).ports == {port: False}
    assert host(tmp_path, tmp_path, {}, ports=(port,)).ports == {port: True}


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_that_cannot_be_written_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o500)
    assert not seen(tmp_path, folder).folder_writable


def test_writing_is_tried_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = seen(tmp_path)
    assert here.folder_writable
    assert list(tmp_path.iterdir()) == []

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError("read-only")

    monkeypatch.setattr("tempfile.NamedTemporaryFile", refuse)
    here = seen(tmp_path)
    assert (here.folder_writable, here.file_clock_s) == (False, None)


def test_thread_settings_are_kept_as_they_were_written(tmp_path: Path) -> None:
    assert seen(tmp_path, OMP_NUM_THREADS="all", PATH="/bin").threads == {"OMP_NUM_THREADS": "all"}
