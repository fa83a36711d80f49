"""NumPy arrays on disk: appended in pieces while a hash is taken, read back memory-mapped, never pickled."""

from __future__ import annotations

import hashlib
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from aisle.errors import AisleError
from aisle.schema.manifest import ArrayInfo

_HEADER_BYTES = 128
_HASH_CHUNK_BYTES = 8 << 20


def _header(dtype: np.dtype[Any], shape: tuple[int, ...]) -> bytes:
    """Return a version-1 .npy header padded to exactly 128 bytes, so that it can be rewritten when the length is known."""
    buffer = BytesIO()
    npy.write_array_header_1_0(buffer, {"descr": npy.dtype_to_descr(dtype), "fortran_order": False, "shape": shape})
    text = buffer.getvalue()[10:].rstrip()
    padded = text.ljust(_HEADER_BYTES - 11) + b"\n"
    return npy.magic(1, 0) + len(padded).to_bytes(2, "little") + padded


class ArrayWriter:
    """Append rows to a .npy file whose length is not known in advance.

    Args:
        path: the file, by convention `<name>.npy`.
        dtype: little-endian dtype of the elements.
        columns: row width for a two-dimensional array; None for one dimension.

    Example:
        >>> with ArrayWriter(Path("/tmp/x.npy"), np.dtype("int32")) as writer:
        ...     writer.append(np.arange(3, dtype=np.int32))
        >>> writer.info.shape
        (3,)
    """

    def __init__(self, path: Path, dtype: np.dtype[Any], columns: int | None = None) -> None:
        self._path, self._dtype, self._columns = path, np.dtype(dtype).newbyteorder("<"), columns
        self._rows = 0
        self._hash = hashlib.sha256()
        self._file = path.open("wb")
        self._file.write(_header(self._dtype, self._shape()))

    def _shape(self) -> tuple[int, ...]:
        return (self._rows,) if self._columns is None else (self._rows, self._columns)

    def append(self, values: NDArray[Any]) -> None:
        """Append values: (rows,) or (rows, columns)."""
        data = np.ascontiguousarray(values, dtype=self._dtype)
        assert data.shape[1:] == self._shape()[1:], (data.shape, self._shape())
        self._file.write(data.data)
        self._hash.update(data.data)
        self._rows += len(data)

    @property
    def info(self) -> ArrayInfo:
        """What the file holds; final after the `with` block."""
        return ArrayInfo(dtype=self._dtype.str, shape=self._shape(), sha256=self._hash.hexdigest())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if kind is None:
                self._file.seek(0)
                self._file.write(_header(self._dtype, self._shape()))
        finally:
            self._file.close()


def write_array(path: Path, values: NDArray[Any]) -> ArrayInfo:
    """Write one whole array and return what was written."""
    with ArrayWriter(path, values.dtype, values.shape[1] if values.ndim == 2 else None) as writer:
        writer.append(values)
    return writer.info


def read_array(path: Path, info: ArrayInfo | None = None, *, verify: bool = False) -> NDArray[Any]:
    """Open a .npy file memory-mapped and read-only.

    Args:
        path: the file.
        info: what the manifest says it holds; checked against the header when given.
        verify: also check the SHA-256 of the data.

    Raises:
        AisleError: E203 when the file is missing, cut short, of another shape or dtype, or altered.
    """
    hint = "run `aisle prepare` again, or restore the folder from a copy"
    try:
        # A zero-length file cannot be mapped.
        empty = info is not None and 0 in info.shape
        array: NDArray[Any] = np.load(path, mmap_mode=None if empty else "r", allow_pickle=False)
    except Exception as error:  # NumPy parses a header as Python: damage raises whatever Python's parser raises
        raise AisleError(f"array {path} cannot be read: {error}", hint=hint, code="E203") from error
    if info is not None and (array.dtype.str != info.dtype or array.shape != info.shape):
        seen, expected = f"{array.dtype.str}{array.shape}", f"{info.dtype}{info.shape}"
        raise AisleError(f"array {path} holds {seen}; its manifest says {expected}", hint=hint, code="E203")
    if info is not None and verify and array_sha256(array) != info.sha256:
        raise AisleError(f"array {path} was altered: its SHA-256 is not the manifest's", hint=hint, code="E203")
    return array


def array_sha256(array: NDArray[Any]) -> str:
    """Return the SHA-256 of an array's data bytes."""
    digest = hashlib.sha256()
    flat = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    for start in range(0, len(flat), _HASH_CHUNK_BYTES):
        digest.update(flat[start : start + _HASH_CHUNK_BYTES].data)
    return digest.hexdigest()


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
