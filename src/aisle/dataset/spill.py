"""Columns of rows put aside on disk, so that a log larger than the memory can be gone over again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Columns = dict[str, NDArray[Any]]


class Spill:
    """Rows appended in pieces, read back piece by piece or whole, then removed.

    Args:
        path: the file.
        dtypes: column -> type, the same in every piece.
    """

    def __init__(self, path: Path, dtypes: dict[str, np.dtype[Any]]) -> None:
        self.dtypes = dtypes
        self.rows = 0
        self._path = path
        self._pieces: list[int] = []
        self._file = path.open("wb")

    def append(self, columns: Columns) -> None:
        """Append N rows: column -> (N,)."""
        rows = len(next(iter(columns.values())))
        for name, dtype in self.dtypes.items():
            self._file.write(np.ascontiguousarray(columns[name], dtype=dtype).data)
        self._pieces.append(rows)
        self.rows += rows

    def close(self) -> None:
        """End writing; a full disk is found out here at the latest."""
        self._file.close()

    def pieces(self) -> Iterator[Columns]:
        """Read the pieces back, in the order written."""
        with self._path.open("rb") as file:
            for rows in self._pieces:
                yield {name: np.fromfile(file, dtype, rows) for name, dtype in self.dtypes.items()}

    def load(self) -> Columns:
        """Read everything back as one piece."""
        whole = {name: np.empty(self.rows, dtype) for name, dtype in self.dtypes.items()}
        at = 0
        for piece in self.pieces():
            rows = len(next(iter(piece.values())))
            for name, values in piece.items():
                whole[name][at : at + rows] = values
            at += rows
        return whole

    def remove(self) -> None:
        """Close and delete the file; that a full disk cannot take its last bytes does not matter any more."""
        with suppress(OSError):
            self._file.close()
        self._path.unlink(missing_ok=True)
