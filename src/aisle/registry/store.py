"""Files at an address: a folder of this machine, or whatever fsspec opens (s3://, gs://, memory://, ...).

On this machine a file appears whole or not at all, and `create` lets exactly one of two writers win. Elsewhere that is as
good as the file system behind fsspec: object stores put whole objects, and `create` is fsspec's `mode="create"`, which is a
conditional put where the implementation knows one (s3fs, gcsfs) and a look before the put where it does not.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from fsspec.core import url_to_fs

from aisle.errors import AisleError
from aisle.storage.atomic import storage_errors, sync_folder


class Store:
    """The files below one address.

    Args:
        url: a folder of this machine, or an address that fsspec knows.

    Raises:
        AisleError: E040 when nothing installed here opens such an address, or it cannot be reached; so does every method.

    Example:
        >>> store = Store("memory://shop")
        >>> store.create("a.json", b"{}"), store.create("a.json", b"other")
        (True, False)
    """

    def __init__(self, url: str) -> None:
        self.url = url
        with self._reached("open"):
            # What a listing says must be what is there now: others write here too.
            self._files, root = url_to_fs(url, use_listings_cache=False)
        self._root = root.rstrip("/")
        self._is_local = "file" in _protocols(self._files)

    def read(self, path: str) -> bytes | None:
        """Return a file's bytes, None when there is no such file."""
        with self._reached(path):
            try:
                content: bytes = self._files.cat_file(self._place(path))
            except (FileNotFoundError, NotADirectoryError):
                return None
            return content

    def names(self, folder: str) -> list[str]:
        """Return the sorted names in a folder, without hidden ones; none when there is no such folder."""
        with self._reached(folder):
            try:
                entries = self._files.ls(self._place(folder), detail=False)
            except (FileNotFoundError, NotADirectoryError):
                return []
            names = {str(entry).rstrip("/").rsplit("/", 1)[-1] for entry in entries}
            return sorted(name for name in names if not name.startswith("."))

    def put(self, source: Path, path: str) -> None:
        """Copy a file of this machine to a path, replacing what is there."""
        with self._reached(path):
            if self._is_local:
                with self._partial(path) as partial:
                    shutil.copyfile(source, partial)
                    _sync_file(partial)
                    partial.replace(self._place(path))
                    sync_folder(partial.parent)
            else:
                self._files.put_file(str(source), self._place(path))

    def get(self, path: str, target: Path) -> bool:
        """Copy a file to this machine, making its folder; False when there is no such file."""
        target.parent.mkdir(parents=True, exist_ok=True)
        with self._reached(path):
            try:
                self._files.get_file(self._place(path), str(target))
            except (FileNotFoundError, NotADirectoryError):
                target.unlink(missing_ok=True)
                return False
            except OSError as error:
                if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                    raise
                with storage_errors(target):  # this machine's disk, not the registry
                    raise
            return True

    def create(self, path: str, content: bytes) -> bool:
        """Write a file that must not be there yet; False when it is there already."""
        with self._reached(path):
            if self._is_local:
                return self._create_here(path, content)
            try:
                self._files.pipe_file(self._place(path), content, mode="create")
            except FileExistsError:
                return False
            return True

    def _create_here(self, path: str, content: bytes) -> bool:
        """Link a finished file to its name: the operating system lets one of two win, and nobody ever reads half of it."""
        with self._partial(path) as partial:
            partial.write_bytes(content)
            _sync_file(partial)
            try:
                os.link(partial, self._place(path))
            except FileExistsError:
                return False
            sync_folder(partial.parent)
            return True

    @contextmanager
    def _partial(self, path: str) -> Iterator[Path]:
        """Yield a hidden name beside a path, of our own; what is left there is removed."""
        place = Path(self._place(path))
        place.parent.mkdir(parents=True, exist_ok=True)
        partial = place.with_name(f".{place.name}.{uuid4().hex}.partial")
        try:
            yield partial
        finally:
            partial.unlink(missing_ok=True)

    def _place(self, path: str) -> str:
        return f"{self._root}/{path}"

    @contextmanager
    def _reached(self, path: str) -> Iterator[None]:
        """Name the registry in what the network, the disk or a missing package says; each driver has its own exceptions."""
        try:
            yield
        except AisleError:
            raise
        except Exception as error:
            raise AisleError(
                f"the registry {self.url} cannot be used ({path}): {type(error).__name__}: {error}",
                hint="check the address, the rights and the network; addresses such as s3:// need their own package (s3fs)",
                code="E040",
            ) from error


def _protocols(files: Any) -> tuple[str, ...]:
    protocol: str | tuple[str, ...] = files.protocol
    return (protocol,) if isinstance(protocol, str) else tuple(protocol)


def _sync_file(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
