"""What this machine is besides its GPUs: processor, memory, disks, limits, clock, ports, and the container around it."""

from __future__ import annotations

import os
import re
import resource
import shutil
import socket
import tempfile
import time
import zoneinfo
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from aisle.environment.facts import cpu

PORTS = (8000, 8888, 2222)  # aisle serve, JupyterLab, SSH of the lab
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_UNLIMITED = 1 << 60  # cgroup v1 writes "no limit" as a number near 2^63
_POSIX_ZONE = re.compile(r"[A-Za-z]{3,}|<[+-]?\w+>[+-]?\d+.*|[A-Za-z]{3,}[+-]?\d.*")


@dataclass(frozen=True)
class Host:
    """The machine or container. Sizes are in bytes; None = not told here.

    Attributes:
        libc: "glibc" and its version, or another libc's name; None where Python does not tell.
        cpu_vector: vector instructions that matter.
        cores: this process may use.
        core_quota: processor time that the container may use, in cores; None without such a limit.
        memory_limit: of the container; None without.
        shm: size of /dev/shm.
        disk_free: where the working folder is; temp_free: where temporary files go.
        open_files, locked_memory: soft limits; -1 = unlimited.
        now_s: the clock, seconds since 1970.
        file_clock_s: time of a file written just now, minus the clock.
        time_zone: TZ where it is set, and whether it is a known zone.
        ports: port -> it is free.
        container: docker, podman, kubernetes, or another container's name; None on a host.
        threads: what OMP_NUM_THREADS and its like are set to.
    """

    machine: str
    libc: tuple[str, str] | None
    cpu_name: str
    cpu_vector: tuple[str, ...]
    cores: int
    core_quota: float | None
    memory: int
    memory_available: int | None
    memory_limit: int | None
    shm: int | None
    folder: str
    folder_writable: bool
    disk_free: int
    temp: str
    temp_free: int | None
    open_files: int
    locked_memory: int
    now_s: float
    file_clock_s: float | None
    time_zone: str | None
    time_zone_known: bool
    ports: Mapping[int, bool]
    container: str | None
    threads: Mapping[str, str]


def host(
    folder: Path | None = None, root: Path = Path("/"), variables: Mapping[str, str] = os.environ, ports: tuple[int, ...] = PORTS
) -> Host:
    """Measure it.

    Args:
        folder: where work is to be done; by default the current one.
        root: of the file system.
        variables: of the process.
        ports: to try.
    """
    work, processor, zone = folder or Path.cwd(), cpu(), variables.get("TZ")
    skew, temp = _file_clock(work), _temp()
    return Host(
        machine=os.uname().machine,
        libc=_libc(),
        cpu_name=str(processor["name"]),
        cpu_vector=tuple(str(flag) for flag in processor["vector"]) if isinstance(processor["vector"], list) else (),
        cores=int(str(processor["cores"])),
        core_quota=_core_quota(root),
        memory=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        memory_available=_memory_available(root / "proc/meminfo"),
        memory_limit=_memory_limit(root),
        shm=_size(root / "dev/shm"),
        folder=str(work),
        folder_writable=skew is not None,
        disk_free=shutil.disk_usage(work).free,
        temp=temp or "no folder for temporary files can be written",
        temp_free=shutil.disk_usage(temp).free if temp else None,
        open_files=_limit(resource.RLIMIT_NOFILE),
        locked_memory=_limit(resource.RLIMIT_MEMLOCK),
        now_s=time.time(),
        file_clock_s=skew,
        time_zone=zone,
        time_zone_known=not zone or _known_zone(zone),
        ports={port: _free(port) for port in ports},
        container=_container(root, variables),
        threads={name: variables[name] for name in THREAD_VARIABLES if name in variables},
    )


def _libc() -> tuple[str, str] | None:
    """Glibc tells its version; musl, which wheels of torch do not run on, leaves its loader in /lib."""
    try:
        told = os.confstr("CS_GNU_LIBC_VERSION")
    except (ValueError, OSError, AttributeError):
        told = None
    if told:
        name, _, version = told.partition(" ")
        return name, version
    return ("musl", "") if any(Path("/lib").glob("ld-musl-*")) else None


def _groups(root: Path, controller: str) -> list[Path]:
    """Return the folders of a control group, of version 2 and version 1, from this process up to the root."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        lines = []
    base, found = root / "sys/fs/cgroup", []
    for line in lines:
        number, names, path = [*line.split(":", 2), "", ""][:3]
        if number == "0" or controller in names.split(","):
            top = base if number == "0" else base / controller
            parts = [part for part in path.split("/") if part]
            found += [top.joinpath(*parts[:length]) for length in range(len(parts), -1, -1)]
    return [*found, base, base / controller]


def _numbers(file: Path) -> list[int | None]:
    """Return the numbers of a control file, None for "max"; nothing where there is no such file."""
    try:
        words = file.read_text().split()
    except OSError:
        return []
    return [int(word) if word.lstrip("-").isdigit() else None for word in words]


def _memory_limit(root: Path) -> int | None:
    limits = [
        limit
        for group in _groups(root, "memory")
        for name in ("memory.max", "memory.limit_in_bytes")
        for limit in _numbers(group / name)[:1]
    ]
    return min((limit for limit in limits if limit is not None and limit < _UNLIMITED), default=None)


def _core_quota(root: Path) -> float | None:
    quotas = []
    for group in _groups(root, "cpu"):
        both = _numbers(group / "cpu.max") or _numbers(group / "cpu.cfs_quota_us") + _numbers(group / "cpu.cfs_period_us")
        if len(both) == 2 and both[0] is not None and both[1] and both[0] > 0:
            quotas.append(both[0] / both[1])
    return min(quotas, default=None)


def _memory_available(file: Path) -> int | None:
    try:
        match = re.search(r"^MemAvailable:\s+(\d+) kB", file.read_text(), re.MULTILINE)
    except OSError:
        return None
    return int(match[1]) * 1024 if match else None


def _size(folder: Path) -> int | None:
    try:
        seen = os.statvfs(folder)
    except OSError:
        return None
    return seen.f_frsize * seen.f_blocks


def _temp() -> str | None:
    try:
        return tempfile.gettempdir()
    except FileNotFoundError:
        return None


def _file_clock(folder: Path) -> float | None:
    """Return by how many seconds the time of a new file is off the clock; None where no file can be written."""
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".aisle-doctor-") as file:
            return os.fstat(file.fileno()).st_mtime - time.time()
    except OSError:
        return None


def _limit(which: int) -> int:
    soft = resource.getrlimit(which)[0]
    return -1 if soft == resource.RLIM_INFINITY else soft


def _known_zone(zone: str) -> bool:
    """Say whether TZ names a zone: the C library takes UTC for an unknown one and says nothing."""
    name = zone.removeprefix(":")
    if name.startswith("/"):
        return Path(name).is_file()
    if any((Path(folder) / name).is_file() for folder in zoneinfo.TZPATH):
        return True
    return name in ("UTC", "GMT") or ("/" not in name and _POSIX_ZONE.fullmatch(name) is not None and any(map(str.isdigit, name)))


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _container(root: Path, variables: Mapping[str, str]) -> str | None:
    if "KUBERNETES_SERVICE_HOST" in variables:
        return "kubernetes"
    if (root / "run/.containerenv").exists():
        return "podman"
    if (root / ".dockerenv").exists():
        return "docker"
    return variables.get("container") or None
