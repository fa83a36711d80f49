"""Raw ids <-> contiguous codes: ids sorted (numbers by value, text by UTF-8 bytes), the code is the place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aisle.storage.strings import Strings

UNKNOWN = -1


@dataclass(frozen=True)
class Vocabulary:
    """N distinct sorted ids.

    Attributes:
        ids: (N,) int64, or `Strings` of N texts.

    Example:
        >>> Vocabulary(Strings.pack(["a", "b"])).encode(["b", "z"]).tolist()
        [1, -1]
    """

    ids: NDArray[np.int64] | Strings

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def kind(self) -> str:
        """Return "int" or "string"."""
        return "string" if isinstance(self.ids, Strings) else "int"

    def encode(self, raw: Sequence[Any] | NDArray[Any]) -> NDArray[np.int64]:
        """Return the code of each raw id, -1 where it is unknown: (B,) -> (B,) int64.

        Text is accepted for number ids ("17" finds 17) and numbers for text ids, since shells and JSON blur the two.
        """
        if isinstance(self.ids, Strings):
            codes = self._code_of_text
            return np.fromiter((codes.get(str(value), UNKNOWN) for value in raw), np.int64, len(raw))
        numbers = np.fromiter((_as_int(value) for value in raw), np.int64, len(raw))
        place = np.minimum(np.searchsorted(self.ids, numbers), max(len(self.ids) - 1, 0))
        if not len(self.ids):
            return np.full(len(numbers), UNKNOWN, np.int64)
        found = (self.ids[place] == numbers) & (numbers != _NO_INT)
        return np.where(found, place, UNKNOWN).astype(np.int64)

    def decode(self, codes: Sequence[int] | NDArray[Any]) -> list[int | str]:
        """Return the raw id of each code."""
        code_N = np.asarray(codes, np.int64)
        if not isinstance(self.ids, Strings):
            ids: list[int | str] = self.ids[code_N].tolist()
            return ids
        texts = self._texts
        return [texts[code] for code in code_N.tolist()]

    def __getitem__(self, code: int) -> int | str:
        if isinstance(self.ids, Strings):
            return self.ids[code]
        return int(self.ids[code])

    @cached_property
    def _texts(self) -> list[str]:
        """Every text as Python has it: 65 bytes an id, of which the codes below hold all but 8; looked up in no time."""
        return self.ids.take(np.arange(len(self.ids))) if isinstance(self.ids, Strings) else []

    @cached_property
    def _code_of_text(self) -> dict[str, int]:
        return {text: code for code, text in enumerate(self._texts)}


def vocabulary_arrays(name: str, vocabulary: Vocabulary) -> dict[str, NDArray[Any]]:
    """Return a vocabulary as arrays to save."""
    if isinstance(vocabulary.ids, Strings):
        return {f"{name}.offsets": vocabulary.ids.offsets, f"{name}.data": vocabulary.ids.data}
    return {f"{name}.id": vocabulary.ids}


def vocabulary_of(name: str, arrays: Mapping[str, NDArray[Any]]) -> Vocabulary:
    """Return the vocabulary that `vocabulary_arrays` took apart."""
    if f"{name}.id" in arrays:
        return Vocabulary(arrays[f"{name}.id"])
    return Vocabulary(Strings(arrays[f"{name}.offsets"], arrays[f"{name}.data"]))


_NO_INT = np.iinfo(np.int64).min


def _as_int(value: object) -> int:
    if isinstance(value, float | np.floating) and not float(value).is_integer():
        return _NO_INT
    try:
        number = int(value)  # type: ignore[call-overload]
    except (TypeError, ValueError):
        return _NO_INT
    return int(number) if -(2**63) < number < 2**63 else _NO_INT
