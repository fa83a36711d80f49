"""Atomic files and folders: a reader sees the old one or the new one, never half of either.

A folder is built beside its final place as `.<name>.partial`, flushed to disk, then renamed. The builder holds a lock on
the partial folder, so what a killed process left behind is told from what a live one is writing, and is cleaned up by
the next run.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aisle.errors import AisleError

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
def atomic_folder(path: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Yield an empty folder to fill; on success it becomes `path`, on any exception it is removed.

    Args:
        path: the final place. Its parent is made when missing.
        overwrite: replace an existing folder; it stays in place until the new one is whole.

    Raises:
        AisleError: E602 when `path` exists and overwrite is false, E603 when another process is building it, E601 when
            the disk is full or the place cannot be written.
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
        partial.mkdir(exist_ok=True)
    lock = os.open(partial, os.O_RDONLY)
    try:
        _take(lock, path)
        with storage_errors(path):
            empty_folder(partial)
            yield partial
            sync_tree(partial)
            if path.exists():
                path.rename(old)
            partial.rename(path)
            sync_folder(path.parent)
            remove(old)
    except BaseException:
        # Only the holder of the lock may clean up: the other builder's work is not ours to remove.
        if _holds(lock):
            remove(partial)
        raise
    finally:
        os.close(lock)


def _take(lock: int, path: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise AisleError(
            f"another process is writing {path}", hint="wait for it to end, or choose another --out", code="E603"
        ) from error


def _holds(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _recover(path: Path, old: Path) -> None:
    """Undo or finish a replacement that was killed between its two renames."""
    if not old.exists():
        return
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
