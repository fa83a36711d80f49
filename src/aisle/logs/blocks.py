"""Text files as blocks of whole lines, decompressed on the way: memory is bounded whatever the file's size."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from typing import IO

import zstandard

from aisle.logs.sources import Source, reading

BLOCK_BYTES = 16 << 20
# Longer lines are rejected: no log has them, and one missing line break must not fill the memory.
MAX_LINE_BYTES = 1 << 20

_BOM = b"\xef\xbb\xbf"


def read_blocks(source: Source, encoding: str = "utf-8") -> Iterator[bytes]:
    """Yield blocks of whole lines, each ending in a line feed; carriage returns before it and a byte-order mark are taken off.

    A line over MAX_LINE_BYTES is cut to one byte more than that, so that it can be told and counted.
    """
    carry, first = b"", True
    for chunk in _chunks(source):
        data = carry + (chunk.removeprefix(_BOM) if first else chunk)
        first = False
        end = data.rfind(b"\n") + 1
        carry = data[end:]
        if len(carry) > MAX_LINE_BYTES:
            carry = carry[: MAX_LINE_BYTES + 1]
        if end:
            yield _clean(data[:end], encoding)
    if carry.strip(b"\r"):
        yield _clean(carry + b"\n", encoding)


def _clean(block: bytes, encoding: str) -> bytes:
    if b"\r\n" in block:
        block = block.replace(b"\r\n", b"\n")
    return block if encoding == "utf-8" else block.decode(encoding).encode()


def _chunks(source: Source) -> Iterator[bytes]:
    with reading(source.path), source.path.open("rb") as raw, _decompressed(raw, source) as file:
        while chunk := file.read(BLOCK_BYTES):
            yield chunk


def _decompressed(raw: IO[bytes], source: Source) -> IO[bytes] | gzip.GzipFile | _WholeZstd:
    if source.compression == "gz":
        return gzip.GzipFile(fileobj=raw)
    if source.compression == "zst":
        return _WholeZstd(raw)
    return raw


class _WholeZstd:
    """A zstd stream that refuses to end inside a frame, as zstandard's own reader silently does."""

    def __init__(self, raw: IO[bytes]) -> None:
        self._raw = raw
        self._decoder = zstandard.ZstdDecompressor().decompressobj()
        self._started = False

    def read(self, size: int) -> bytes:
        """Return at least `size` decompressed bytes, fewer at the end: a log of many small frames still comes in blocks."""
        parts: list[bytes] = []
        while sum(map(len, parts)) < size:
            rest = self._decoder.unused_data if self._decoder.eof else b""
            data = rest or self._raw.read(size // 16)
            if not data:
                if self._started and not self._decoder.eof:
                    raise EOFError("the zstd stream ends in the middle of a frame")
                break
            if self._decoder.eof:
                self._decoder = zstandard.ZstdDecompressor().decompressobj()
            self._started = True
            parts.append(self._decoder.decompress(data))
        return b"".join(parts)

    def __enter__(self) -> _WholeZstd:
        return self

    def __exit__(self, *_: object) -> None:
        self._raw.close()
