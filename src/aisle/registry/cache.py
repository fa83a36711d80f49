"""Copies of bundles on this machine: a few, whole, checked, and shared by the processes that run here."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aisle.bundle.check import check_bundle, check_seals
from aisle.bundle.manifest import DIGEST_NAME, MANIFEST_NAME, SIGNATURE_NAME, Manifest
from aisle.errors import AisleError
from aisle.registry.store import Store
from aisle.storage.atomic import atomic_folder, remove, storage_errors

# What is served, what was before it (a rollback finds it here), and what comes next.
KEEP = 3
_LOCK_NAME = ".lock"


def fetch_bundle(store: Store, source: str, manifest: Manifest, target: Path, *, public_key: Path | None, keep: int) -> Path:
    """Copy a bundle from a store to `target`, unless it is there already, and remove the copies that were not used for longest.

    A copy that is there is checked like a new one, key included, which reads and hashes all of it (about a second for each GB
    where the processor hashes in hardware); one that does not hold is fetched again.

    Raises:
        AisleError: E0xx when a file is missing or altered (see `check_bundle`), E040 when the store cannot be read, E046 when its
            manifest is another one by now, E601 when the disk is full.
    """
    with _locked(target.parent):
        if not _holds(target, manifest, public_key):
            with atomic_folder(target, overwrite=True) as partial:
                # What is not there is named by the checks; the signature is the one file that need not be.
                for path in (DIGEST_NAME, SIGNATURE_NAME, MANIFEST_NAME):
                    store.get(f"{source}/{path}", partial / path)
                if check_seals(partial, public_key) != manifest:  # before the long way
                    raise AisleError(
                        f"the manifest of {source} in {store.url} was replaced while it was fetched",
                        hint="find out who writes there, and publish that bundle again",
                        code="E046",
                    )
                for path in manifest.files:
                    store.get(f"{source}/{path}", partial / path)
                check_bundle(partial, public_key)
        os.utime(target)
        _forget(target, keep)
    return target


def _holds(copy: Path, manifest: Manifest, public_key: Path | None) -> bool:
    """Whether a copy is there, is this very bundle, and is signed as it must be."""
    if not copy.exists():
        return False
    try:
        return check_bundle(copy, public_key) == manifest
    except AisleError as error:
        if error.code == "E012":  # the key is at fault: another copy would not help
            raise
        return False


def _forget(used: Path, keep: int) -> None:
    copies = [path for path in used.parent.iterdir() if not path.name.startswith(".") and (path / MANIFEST_NAME).is_file()]
    for path in sorted(copies, key=lambda path: path.stat().st_mtime_ns, reverse=True)[max(keep, 1) :]:
        remove(path)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Let one process of this machine at a time change the copies; the others wait."""
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / _LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
