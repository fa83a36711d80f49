"""A block of text as lines: where each begins and ends, and which ones no parser should see."""

from __future__ import annotations

import codecs
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aisle.logs.batch import BadLine, shorten
from aisle.logs.blocks import MAX_LINE_BYTES


@dataclass(frozen=True)
class Lines:
    """L lines of one block.

    Attributes:
        block: the bytes, ending in a line feed.
        start, end: (L,) int64; line i is block[start[i]:end[i]], its line feed left out.
        first: the 1-based line number of line 0.
    """

    block: bytes
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    first: int

    @classmethod
    def of(cls, block: bytes, first: int) -> Lines:
        """Find the lines of a block."""
        end = np.flatnonzero(np.frombuffer(block, np.uint8) == ord("\n"))
        start = np.concatenate([[0], end[:-1] + 1]).astype(np.int64)
        return cls(block, start, end, first)

    def __len__(self) -> int:
        return len(self.start)

    def __getitem__(self, index: int) -> bytes:
        return self.block[self.start[index] : self.end[index]]

    def count(self, byte: bytes) -> NDArray[np.int64]:
        """Return how often a byte stands in each line: (L,)."""
        if byte not in self.block:
            return np.zeros(len(self), np.int64)
        place = np.flatnonzero(np.frombuffer(self.block, np.uint8) == ord(byte))
        return np.searchsorted(place, self.end) - np.searchsorted(place, self.start)

    def joined(self, keep: NDArray[np.bool_]) -> bytes:
        """Return the kept lines as one block."""
        if keep.all():
            return self.block
        return b"".join(self.block[self.start[index] : self.end[index] + 1] for index in np.flatnonzero(keep))

    def unreadable(self) -> tuple[NDArray[np.bool_], list[BadLine]]:
        """Find lines that are too long, hold NUL bytes or are no UTF-8: an (L,) mask, and each with its reason."""
        length = self.end - self.start
        reasons: dict[int, str] = dict.fromkeys(np.flatnonzero(length > MAX_LINE_BYTES).tolist(), "line over 1 MiB")
        for index in np.flatnonzero(self.count(b"\0")).tolist():
            reasons.setdefault(index, "NUL byte")
        for index in self._broken_utf8():
            reasons.setdefault(index, "broken UTF-8")
        mask = np.zeros(len(self), np.bool_)
        mask[list(reasons)] = True
        return mask, [self.bad(index, reasons[index]) for index in sorted(reasons)]

    def bad(self, index: int, reason: str) -> BadLine:
        """Describe a line that is no row."""
        return BadLine(self.first + index, reason, shorten(self[index]))

    def _broken_utf8(self) -> list[int]:
        broken, at, view = [], 0, memoryview(self.block)
        while at < len(view):
            try:
                codecs.utf_8_decode(view[at:], "strict", True)
            except UnicodeDecodeError as error:
                index = int(np.searchsorted(self.end, at + error.start))
                broken.append(index)
                at = int(self.end[index]) + 1
            else:
                break
        return broken
