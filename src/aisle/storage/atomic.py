"""Atomic files and folders: a reader sees the old one or the new one, never half of either.

A folder is built beside its final place as `.<name>.partial`, flushed to disk, then renamed; where it replaces another,
the two change places in one step of the operating system. The builder holds a lock on the partial folder, so what a killed
process left behind is told from what a live one is writing, and is cleaned up by the next run.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aisle.errors import AisleError

_RENAME_EXCHANGE, _AT_FDCWD = 2, -100  # Linux: linux/fs.h, fcntl.h

# What the place can be blamed for; any other OSError is our own bug and keeps its traceback.
_PLACE_ERRORS = (
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR,
    errno.EEXIST, errno.ENAMETOOLONG, errno.EIO,
)  # fmt: skip


def write_atomic(path: Path, content: str | bytes) -> None:
    """Write one file atomically and durably.

    Raises:
        AisleError: E601 when the disk is full or the place cannot be written.
    """
    data = content.encode() if isinstance(content, str) else content
    partial = path.with_name(f".{path.name}.partial")
    with storage_errors(path):
        with partial.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
        sync_folder(path.parent)


@contextmanager
def atomic_folder(path: Path, *, overwrite: bool = False, marker: str | None = None) -> Iterator[Path]:
    """Yield an empty folder to fill; on success it becomes `path`, on any exception it is removed.

    Args:
        path: the final place. Its parent is made when missing.
        overwrite: replace an existing folder; it stays in place until the new one is whole.
        marker: a file that every folder of this kind holds; an existing folder without it is not ours to replace.

    Raises:
        AisleError: E602 when `path` exists and overwrite is false, E603 when another process is building it, E604 when
            something else than such a folder is there, E601 when the disk is full or the place cannot be written.
    """
    path = Path(os.path.abspath(path))
    partial, old = path.with_name(f".{path.name}.partial"), path.with_name(f".{path.name}.old")
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _recover(path, old)
        if path.exists() and not overwrite:
            raise AisleError(
                f"{path} exists already", hint="choose another --out, or pass --overwrite to replace it", code="E602"
            )
        _check_replaceable(path, marker)
        partial.mkdir(exist_ok=True)
    lock = os.open(partial, os.O_RDONLY)
    try:
        _take(lock, path)
        with storage_errors(path):
            try:
                empty_folder(partial)
                yield partial
                sync_tree(partial)
            except BaseException:
                remove(partial)
                raise
            _publish(partial, path, old)
    finally:
        os.close(lock)


def _take(lock: int, path: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise AisleError(
            f"another process is writing {path}", hint="wait for it to end, or choose another --out", code="E603"
        ) from error


def _check_replaceable(path: Path, marker: str | None) -> None:
    if marker is None or not path.exists() or (path / marker).is_file():
        return
    if not path.is_dir() or any(path.iterdir()):
        raise AisleError(
            f"{path} holds no {marker}, so it was not written by this command and is not replaced",
            hint="choose another --out, or move away what is there",
            code="E604",
        )


def _publish(partial: Path, path: Path, old: Path) -> None:
    """Put the new folder in its place; what was there is removed."""
    if not path.exists():
        partial.rename(path)
        sync_folder(path.parent)
        return
    # The next builder may make its own partial folder from here on; our lock goes with the folder.
    partial.rename(old)
    if not _exchange(old, path):
        # No such system call here: between these two renames a reader finds nothing, and `_recover` puts `old` in place.
        path.rename(partial)
        old.rename(path)
        partial.rename(old)
    sync_folder(path.parent)
    # A builder that starts now may be removing it too.
    shutil.rmtree(old, ignore_errors=True) if old.is_dir() else old.unlink(missing_ok=True)


def _exchange(one: Path, other: Path) -> bool:
    """Let two paths change places in one step; False where the system or its file system cannot."""
    rename = getattr(ctypes.CDLL(None), "renameat2", None)
    if rename is None:
        return False
    return bool(rename(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0)


def _recover(path: Path, old: Path) -> None:
    """Undo or finish a replacement that was killed half-way; one that goes on holds the lock of the folder it moves."""
    if not old.exists():
        return
    lock = os.open(old, os.O_RDONLY)
    try:
        _take(lock, path)
    finally:
        os.close(lock)
    if path.exists():
        remove(old)
    else:
        old.rename(path)


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn an operating-system error while writing into an error the user can mend."""
    try:
        yield
    except OSError as error:
        if error.errno not in _PLACE_ERRORS:
            raise
        free_bytes = _free_bytes(path)
        raise AisleError(
            f"cannot write {path}: {error.strerror or error} ({free_bytes / 1e6:,.0f} MB free there)",
            hint="free disk space or choose another --out; nothing was left half-written",
            code="E601",
        ) from error


def _free_bytes(path: Path) -> int:
    for folder in path.parents:
        if os.path.isdir(folder):
            return shutil.disk_usage(folder).free
    return 0


def empty_folder(folder: Path) -> None:
    """Remove everything inside a folder, keeping the folder itself."""
    for child in folder.iterdir():
        remove(child)


def remove(path: Path) -> None:
    """Remove a file or a folder if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Flush a folder's own entries to disk, so that a rename survives a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_tree(folder: Path) -> None:
    """Flush every file and folder below, and the folder itself, to disk."""
    for child in folder.rglob("*"):
        sync_folder(child)
    sync_folder(folder)
