"""The machine around the GPUs: C library, processor, memory, disks, limits, clock, ports. D140 to D156."""

from __future__ import annotations

import datetime
from collections.abc import Iterator

from aisle.doctor.finding import Finding, Severity
from aisle.environment.compat import Compat
from aisle.environment.machine import Machine
from aisle.environment.versions import at_least

_MIB, _GIB = 1 << 20, 1 << 30
_GLIBC_MIN = "2.28"  # the published wheels of torch 2.7 to 2.13 are manylinux_2_28
_MEMORY_ERROR, _MEMORY_WARNING = 1 * _GIB, 4 * _GIB
_DISK_ERROR, _DISK_WARNING = 1 * _GIB, 10 * _GIB
_SHM_WARNING = 1 * _GIB  # docker gives 64 MiB where nothing is said
_OPEN_FILES_WARNING, _OPEN_FILES_NOTE = 512, 4096
_LOCKED_NOTE = 64 * _MIB
_SKEW_WARNING_S = 2.0


def libc(machine: Machine, compat: Compat) -> Iterator[Finding]:
    """D140: glibc 2.28 or later."""
    seen, expected = machine.host.libc, f"glibc >= {_GLIBC_MIN}"
    source = "measured: names of the published wheels, manylinux_2_28"
    image = "another base image or system, such as Debian 12, Ubuntu 22.04, RHEL 9"
    if seen is None:
        yield Finding("D140", "C library", "warning", "not told", expected, "ldd --version")
    elif seen[0] != "glibc":
        yield Finding("D140", "C library", "error", seen[0], expected, f"{image}; not Alpine", source)
    elif not at_least(seen[1], _GLIBC_MIN):
        yield Finding("D140", "C library", "error", f"glibc {seen[1]}", expected, image, source)
    else:
        yield Finding("D140", "C library", "ok", f"glibc {seen[1]}", expected, "", source)


def instructions(machine: Machine, compat: Compat) -> Iterator[Finding]:
    """D141: the processor has wide vectors."""
    seen = f"{machine.host.cpu_name}: {', '.join(machine.host.cpu_vector) or 'no wide vectors'}"
    if machine.host.machine == "x86_64" and "avx2" not in machine.host.cpu_vector:
        fix = "another machine; in a virtual one, hand the processor through (`-cpu host`)"
        yield Finding("D141", "processor", "warning", seen, "AVX2", fix)
    else:
        yield Finding("D141", "processor", "ok", seen, "AVX2, or an Arm processor")


def quota(machine: Machine, compat: Compat) -> Iterator[Finding]:
    """D142: the container's share of processor time is what its processes count on."""
    cores, share = machine.host.cores, machine.host.core_quota
    threads = machine.host.threads.get("OMP_NUM_THREADS", "")
    if share is None or share >= cores:
        yield Finding("D142", "processors", "ok", f"{cores}", "no smaller share")
    elif threads.isdigit() and int(threads) <= max(1, share):
        yield Finding(
            "D142", "processors", "ok", f"{cores}, of which {share:g} may be used", f"OMP_NUM_THREADS={threads}, to match"
        )
    else:
        fix = f"export OMP_NUM_THREADS={max(1, int(share))}, or give the container --cpus {cores}"
        yield Finding("D142", "processors", "warning", f"{cores}, of which {share:g} may be used", "threads to match", fix)


def threads(machine: Machine, compat: Compat) -> Iterator[Finding]:
    """D143: thread settings are numbers from 1 to the processors that may be used."""
    cores = machine.host.cores
    wrong = {name: value for name, value in machine.host.threads.items() if not _counts(value, cores)}
    for name, value in wrong.items():
        fix = f"unset {name}, or export {name}={cores}"
        yield Finding("D143", "threads", "warning", f"{name}={value}", f"1 to {cores}", fix)
    if not wrong:
        seen = ", ".join(f"{name}={value}" for name, value in machine.host.threads.items())
        yield Finding("D143", "threads", "ok", seen or "not set", f"not set, or 1 to {cores}")


def memory(machine: Machine, compat: Compat) -> Iterator[Finding]:
    """D144: memory that this process may use: the machine's, or the container's limit."""
    limit, total = machine.host.memory_limit, machine.host.memory
    usable = min(total, limit) if limit else total
    seen = _size(usable) + (f", limit of the container on a machine of {_size(total)}" if limit and limit < total else "")
    if machine.host.memory_available is not None:
        seen += f", {_size(min(usable, machine.host.memory_available))} free"
    grave = _grave(usable, _MEMORY_ERROR, _MEMORY_WARNING)
    fix = "docker run --memory 8g ..., or a machine with more" if grave != "ok" else ""
    yield Finding("D144", "memory", grave, seen, f">= {_size(_MEMORY_WARNING)}", fix)


def shm(machine: Machine, compat: Compat) -> Iterator[Finding]:
    """D145: /dev/shm has room for what workers hand to each other; only training uses it."""
    size = machine.host.shm
    if machine.environment.torch is None:
        return
    seen, expected = "no /dev/shm" if size is None else f"{_size(size)} in /dev/shm", f">= {_size(_SHM_WARNING)}"
    if size is None or size < _SHM_WARNING:
        fix = "docker run --shm-size 8g ..." if machine.host.container else "sudo mount -o remount,size=8G /dev/shm"
        yield Finding("D145", "shared memory", "warning", seen, expected, fix)
    else:
        yield Finding("D145", "shared memory", "ok", seen, expected)


def disk(machine: Machine, compat: Compat) -> Iterator[Finding]:
    """D146: free space where the working folder is."""
    grave = _grave(machine.host.disk_free, _DISK_ERROR, _DISK_WARNING)
    fix = f"du -xh --max-depth 2 {machine.host.folder} | sort -h | tail  # and delete what is not needed" if grave != "ok" else ""
    seen = f"{_size(machine.host.disk_free)} free in {machine.host.folder}"
    yield Finding("D146", "disk", grave, seen, f">= {_size(_DISK_WARNING)}", fix)


def open_files(machine: Machine, compat: Compat) -> Iterator[Finding]:
    """D147: enough files may be open."""
    seen, fix = machine.host.open_files, "ulimit -n 65536, or docker run --ulimit nofile=65536:65536 ..."
    expected = f">= {_OPEN_FILES_NOTE}"
    if seen == -1 or seen >= _OPEN_FILES_NOTE:
        yield Finding("D147", "open files", "ok", "unlimited" if seen == -1 else str(seen), expected)
    else:
        grave: Severity = "warning" if seen < _OPEN_FILES_WARNING else "note"
        yield Finding("D147", "open files", grave, str(seen), expected, fix)


def locked_memory(machine: Machine, compat: Compat) -> Iterator[Finding]:
    """D148: memory may be locked, where there are several GPUs."""
    seen = machine.host.locked_memory
    if len(machine.environment.gpus) < 2:
        return
    if seen == -1 or seen >= _LOCKED_NOTE:
        yield Finding("D148", "locked memory", "ok", "unlimited" if seen == -1 else _size(seen), "unlimited")
    else:
        fix = "ulimit -l unlimited, or docker run --ulimit memlock=-1 ..."
        yield Finding("D148", "locked memory", "note", _size(seen), "unlimited", fix)


def clock(machine: Machine, compat: Compat) -> Iterator[Finding]:
    """D149: the clock is not before our own data, and files get the same time."""
    now = datetime.datetime.fromtimestamp(machine.host.now_s, datetime.UTC)
    skew, earliest = machine.host.file_clock_s, datetime.datetime.fromisoformat(f"{compat.as_of}-01T00:00:00+00:00")
    seen, fix = f"{now:%Y-%m-%d %H:%M} UTC", "sudo timedatectl set-ntp true"
    if now < earliest:
        yield Finding("D149", "clock", "error", seen, f"after {earliest:%Y-%m-%d}, when our data was gathered", fix)
    elif skew is not None and abs(skew) > _SKEW_WARNING_S:
        here = f"files in {machine.host.folder} are stamped {abs(skew):.0f} s {'ahead' if skew > 0 else 'behind'}"
        yield Finding("D149", "clock", "warning", here, f"within {_SKEW_WARNING_S:g} s", f"{fix}, here and on the file server")
    else:
        yield Finding("D149", "clock", "ok", seen, f"after {earliest:%Y-%m-%d}, files within {_SKEW_WARNING_S:g} s")


def time_zone(machine: Machine, compat: Compat) -> Iterator[Finding]:
    """D150: TZ names a zone that is known here."""
    zone = machine.host.time_zone
    if not machine.host.time_zone_known:
        fix = "apt-get install tzdata, or export TZ=UTC"
        yield Finding("D150", "time zone", "warning", f"TZ={zone} is not known here", "a zone of tzdata", fix)
    else:
        yield Finding("D150", "time zone", "ok", f"TZ={zone}" if zone else "the system's", "a zone of tzdata")


def ports(machine: Machine, compat: Compat) -> Iterator[Finding]:
    """D151: the ports of the service, the notebook and SSH are free."""
    taken = [port for port, free in machine.host.ports.items() if not free]
    if taken:
        fix = f"ss -ltnp 'sport = :{taken[0]}'  # says who; or take another: `aisle serve --port`, `docker run -p`"
        yield Finding("D151", "ports", "note", f"{', '.join(map(str, taken))} in use", "free", fix)
    else:
        yield Finding("D151", "ports", "ok", f"{', '.join(map(str, machine.host.ports))} free", "free")


def folder(machine: Machine, compat: Compat) -> Iterator[Finding]:
    """D152: files can be written in the working folder."""
    if machine.host.folder_writable:
        yield Finding("D152", "working folder", "ok", f"{machine.host.folder} can be written", "writable")
    else:
        fix = f"sudo chown -R $(id -u):$(id -g) {machine.host.folder}, or docker run --user $(id -u):$(id -g) ..."
        yield Finding("D152", "working folder", "error", f"{machine.host.folder} cannot be written", "writable", fix)


def temp(machine: Machine, compat: Compat) -> Iterator[Finding]:
    """D153: there is a folder for temporary files, with room."""
    free = machine.host.temp_free
    fix = "export TMPDIR=, with a folder that can be written; docker run --tmpfs /tmp:size=2g where the root is read-only"
    if free is None:
        yield Finding("D153", "temporary files", "error", machine.host.temp, "a folder with 1 GiB free", fix)
    elif free < _DISK_ERROR:
        seen = f"{_size(free)} free in {machine.host.temp}"
        yield Finding("D153", "temporary files", "warning", seen, "1 GiB free", fix)
    else:
        yield Finding("D153", "temporary files", "ok", f"{_size(free)} free in {machine.host.temp}", "1 GiB free")


def own_python(machine: Machine, compat: Compat) -> Iterator[Finding]:
    """D154: packages are installed into an environment of their own; a container is one."""
    seen = machine.interpreter
    if seen.isolated or machine.host.container is not None or not seen.managed:
        yield Finding("D154", "Python environment", "ok", seen.executable, "of its own, or a container")
    else:
        fix = "python3 -m venv .venv && . .venv/bin/activate, and install again"
        yield Finding("D154", "Python environment", "warning", f"the system's: {seen.executable}", "of its own", fix)


def architecture(machine: Machine, compat: Compat) -> Iterator[Finding]:
    """D155: x86_64 or aarch64."""
    known = machine.host.machine in ("x86_64", "aarch64")
    fix = "" if known else "a machine of one of these"
    yield Finding("D155", "architecture", "ok" if known else "error", machine.host.machine, "x86_64 or aarch64", fix)


def container(machine: Machine, compat: Compat) -> Iterator[Finding]:
    """D156: says where this runs; nothing is wrong with either."""
    yield Finding(
        "D156", "where", "ok", f"in a container ({machine.host.container})" if machine.host.container else "a host", "either"
    )


def _counts(value: str, cores: int) -> bool:
    """OMP_NUM_THREADS may be a list, one number a level: "4,1"."""
    numbers = [part.strip() for part in value.split(",")]
    return all(part.isdigit() and 1 <= int(part) <= cores for part in numbers)


def _grave(seen: int, error: int, warning: int) -> Severity:
    return "error" if seen < error else "warning" if seen < warning else "ok"


def _size(size: int) -> str:
    return f"{size / _GIB:.1f} GiB" if size >= _GIB else f"{size / _MIB:.0f} MiB"


RULES = (
    container, architecture, libc, instructions, quota, threads, memory, shm, disk, open_files, locked_memory, clock, time_zone,
    ports, folder, temp, own_python,
)  # fmt: skip
