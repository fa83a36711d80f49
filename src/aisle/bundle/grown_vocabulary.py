"""A vocabulary with names that came later: those of the bundle keep their codes, new ones get the next."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aisle.features.vocabulary import UNKNOWN, Vocabulary


@dataclass(frozen=True)
class GrownVocabulary:
    """N names of a bundle and M later ones, with codes N to N + M - 1.

    Attributes:
        base: of the bundle.
        later: in the order in which they came.
        code_of: the code of each later one, by its text.

    Example:
        >>> from aisle.storage.strings import Strings
        >>> grown = GrownVocabulary(Vocabulary(Strings.pack(["a", "b"]))).grow(["z", "b"])
        >>> grown.encode(["b", "z", "y"]).tolist(), grown[2]
        ([1, 2, -1], 'z')
    """

    base: Vocabulary
    later: tuple[int | str, ...] = ()
    code_of: dict[str, int] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.base) + len(self.later)

    def grow(self, names: Iterable[int | str]) -> GrownVocabulary:
        """Return one that knows these too; those that it knows already keep their codes."""
        wanted = list(dict.fromkeys(names))
        more: dict[str, int | str] = {}
        for place in np.flatnonzero(self.encode(wanted) == UNKNOWN).tolist():
            more.setdefault(str(wanted[place]), wanted[place])
        if not more:
            return self
        code_of = self.code_of | {name: len(self) + place for place, name in enumerate(more)}
        return GrownVocabulary(self.base, (*self.later, *more.values()), code_of)

    def encode(self, raw: Sequence[Any] | NDArray[Any]) -> NDArray[np.int64]:
        """Return the code of each name, -1 where it is unknown: (B,) int64."""
        code_B = self.base.encode(raw)
        for place in np.flatnonzero(code_B == UNKNOWN).tolist() if self.code_of else ():
            code_B[place] = self.code_of.get(str(raw[place]), UNKNOWN)
        return code_B

    def decode(self, codes: Sequence[int] | NDArray[Any]) -> list[int | str]:
        """Return the name of each code."""
        return self.base.decode(codes) if not self.later else [self[int(code)] for code in codes]

    def __getitem__(self, code: int) -> int | str:
        return self.base[code] if code < len(self.base) else self.later[code - len(self.base)]
