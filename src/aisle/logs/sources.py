"""Which files to read: a path, a list, a folder or a glob becomes a sorted list of files with their formats."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import polars as pl

from aisle.errors import AisleError
from aisle.logs.recipe import FORMATS, FileRecipe

Compression = Literal["none", "gz", "zst"]

SUFFIXES = {
    ".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet", ".pq": "parquet", ".xlsx": "xlsx",
}  # fmt: skip
_MAGIC = {b"PAR1": "Parquet", b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"PK\x03\x04": "xlsx or zip"}


@dataclass(frozen=True)
class Source:
    """One file to read.

    Attributes:
        path: the file.
        format: csv, tsv, jsonl, parquet or xlsx.
        compression: of a text file.
    """

    path: Path
    format: str
    compression: Compression = "none"


def find_sources(paths: Iterable[Path | str], recipe: FileRecipe) -> list[Source]:
    """Expand files, folders and globs, in the order given; a folder's or a glob's files are sorted by path.

    Raises:
        AisleError: E101 nothing there, E102 unknown format or one that the file's first bytes belie, E103 an empty file.
    """
    return [_source(path, recipe) for given in paths for path in _expand(Path(given), recipe)]


def _expand(given: Path, recipe: FileRecipe) -> list[Path]:
    if given.is_file():
        return [given]
    if given.is_dir():
        return _files_of(given, recipe)
    if glob.has_magic(str(given)):
        matches = sorted(Path(name) for name in glob.glob(str(given), recursive=True))
        files = [path for match in matches for path in ([match] if match.is_file() else _files_of(match, recipe))]
        if files:
            return files
        raise AisleError(f"no file matches {given}", hint="quote the glob and check the folder's name", code="E101")
    raise AisleError(f"no file or folder at {given}", hint="check the path", code="E101")


def _files_of(folder: Path, recipe: FileRecipe) -> list[Path]:
    visible = [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not any(part.startswith((".", "_")) for part in path.relative_to(folder).parts)
    ]
    logs = [path for path in visible if recipe.format != "auto" or _by_suffix(path)[0] is not None]
    if not logs:
        seen = ", ".join(path.name for path in visible[:5]) or "nothing"
        raise AisleError(
            f"folder {folder} holds no log: seen {seen}; expected files ending in {', '.join(SUFFIXES)}",
            hint="name the files themselves, or give the recipe's format",
            code="E101",
        )
    return logs


def _by_suffix(path: Path) -> tuple[str | None, Compression]:
    suffix, compression = path.suffix.lower(), "none"
    if suffix in (".gz", ".zst"):
        compression, suffix = suffix[1:], Path(path.stem).suffix.lower()
    return SUFFIXES.get(suffix), compression  # type: ignore[return-value]


def _source(path: Path, recipe: FileRecipe) -> Source:
    by_suffix, compression = _by_suffix(path)
    file_format = recipe.format if recipe.format != "auto" else by_suffix
    if file_format is None:
        raise AisleError(
            f"{path} has a suffix that names no format; expected one of {', '.join(SUFFIXES)}",
            hint=f"say which with format = one of {', '.join(FORMATS)} in a log recipe",
            code="E102",
        )
    _check_magic(path, file_format, compression)
    return Source(path, file_format, compression)


def _check_magic(path: Path, file_format: str, compression: Compression) -> None:
    """Say what a file is when it is not what its name says; parsers would answer with riddles."""
    with reading(path), path.open("rb") as file:
        head = file.read(4)
    if not head:
        raise AisleError(f"{path} is empty (0 bytes)", hint="export it again, or leave it out", code="E103")
    seen = next((name for magic, name in _MAGIC.items() if head.startswith(magic)), "text or unknown")
    wanted = {"gz": "gzip", "zst": "zstd"}.get(compression) or {"parquet": "Parquet", "xlsx": "xlsx or zip"}.get(file_format)
    if wanted is None and seen != "text or unknown":
        raise AisleError(f"{path} is read as {file_format}, but it is {seen}", hint="give it its right suffix", code="E102")
    if wanted is not None and seen != wanted:
        shown = head.decode("latin-1")
        raise AisleError(
            f"{path} is no {wanted} file: it begins with {shown!r}, not as {wanted} does",
            hint="give it its right suffix, or export it again",
            code="E102",
        )


@contextmanager
def reading(path: Path | str) -> Iterator[None]:
    """Turn what readers raise, panics of Polars among it, into an error that names the file.

    Raises:
        AisleError: E104.
    """
    try:
        yield
    except AisleError:
        raise
    except (pl.exceptions.PolarsError, OSError, EOFError, ValueError, ArithmeticError, LookupError) as error:
        raise _unreadable(path, error) from error
    except BaseException as error:
        # pyo3's PanicException is no Exception, and zlib's and zstd's errors share no base.
        if type(error).__name__ in ("PanicException", "ZstdError", "error", "CalamineError"):
            raise _unreadable(path, error) from error
        raise


def _unreadable(path: Path | str, error: BaseException) -> AisleError:
    first_line = (str(error).strip() or type(error).__name__).splitlines()[0][:300]
    return AisleError(
        f"{path} cannot be read: {first_line}", hint="it may be cut short or damaged; copy or export it again", code="E104"
    )
