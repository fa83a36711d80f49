"""The context columns of a log and their words: how a question that is asked now says in which circumstances."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aisle.errors import AisleError, did_you_mean
from aisle.features.vocabulary import Vocabulary, vocabulary_arrays, vocabulary_of

_PREFIX, _SUFFIX = "context.", ".offsets"


@dataclass(frozen=True)
class ContextWords:
    """What the codes of a context mean.

    Attributes:
        vocabularies: context column -> its words, in the order of the columns of `Histories.context`.
    """

    vocabularies: Mapping[str, Vocabulary]

    def encode(self, context: Mapping[str, Any], rows: int) -> NDArray[np.int32]:
        """Return the codes of circumstances that are the same for so many questions: (rows, F).

        Args:
            context: column -> raw value as in the log. A value that the log does not have says nothing, nor does a column
                that is not given.
            rows: questions.

        Raises:
            AisleError: E312 for a column that the log does not have.
        """
        for name in context:
            if name not in self.vocabularies:
                raise AisleError(
                    f"'{name}' is no context column of the log that this model was trained on",
                    hint=did_you_mean(name, self.vocabularies) if self.vocabularies else "it has none: ask without a context",
                    code="E312",
                )
        code_F = [
            vocabulary.encode([str(context[name])])[0] if name in context else -1
            for name, vocabulary in self.vocabularies.items()
        ]
        return np.tile(np.array(code_F, np.int32), (rows, 1))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the words as arrays to save."""
        saved: dict[str, NDArray[Any]] = {}
        for place, (name, vocabulary) in enumerate(self.vocabularies.items()):
            saved |= vocabulary_arrays(f"{_PREFIX}{place:03}.{name}", vocabulary)
        return saved

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> ContextWords:
        """Return what `arrays` took apart."""
        keys = sorted(key.removesuffix(_SUFFIX) for key in arrays if key.startswith(_PREFIX) and key.endswith(_SUFFIX))
        return cls({key.split(".", 2)[2]: vocabulary_of(key, arrays) for key in keys})
