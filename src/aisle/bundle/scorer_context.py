"""The circumstances of a question as vectors: what `models.sides` sums up with torch, in NumPy."""

# B questions   F columns of the context   P their values and one more   K factors   R rows of a hashed table

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aisle.bundle.scorer_files import ScorerFiles

Floats = NDArray[np.float32]
_USER_STRIDE = np.int64(1 << 32)  # as in `models.sides.Crosses`
_GOLDEN = np.int64(0x9E3779B97F4A7C15 - (1 << 64))


@dataclass(frozen=True)
class Context:
    """The tables of the context columns' values.

    Attributes:
        start: (F,) int64: column f's code c is place start[f] + c of `row`.
        row: (P,) int64 rows of the tables, -1 for a value that nothing was learned about; the last stands for a missing one.
        vector: (T, K).
        bias: (T,).
    """

    start: NDArray[np.int64]
    row: NDArray[np.int64]
    vector: Floats
    bias: Floats

    @classmethod
    def of(cls, files: ScorerFiles) -> Context | None:
        """Open the tables; None for a model that reads no context."""
        if not files.has("context_row"):
            return None
        vector = files.shaped("context_vector", None, int(files.more["factors"]))
        bias = files.shaped("context_bias", len(vector))
        return cls(files.shaped("context_start", None), files.shaped("context_row", None), vector, bias)

    def rows(self, context_BF: NDArray[np.int32]) -> NDArray[np.int64]:
        """Return the row of each value, -1 for one that is missing or unknown: (B, F)."""
        return self.row[np.where(context_BF >= 0, context_BF + self.start, len(self.row) - 1)]

    def vectors(self, row_BF: NDArray[np.int64]) -> Floats:
        """Return the vector of each value, zeros for none: (B, F, K)."""
        part_BFK: Floats = self.vector[np.maximum(row_BF, 0)]
        part_BFK[row_BF < 0] = 0
        return part_BFK

    def terms(self, row_BF: NDArray[np.int64], part_BFK: Floats) -> Floats:
        """Return the linear and pairwise terms among the values: (B,)."""
        pairs_B = (np.square(part_BFK.sum(axis=1)).sum(axis=1) - np.square(part_BFK).sum(axis=(1, 2))) / 2
        terms_B: Floats = np.where(row_BF >= 0, self.bias[np.maximum(row_BF, 0)], np.float32(0)).sum(axis=1) + pairs_B
        return terms_B


def crossed(table_RK: Floats, start_F: NDArray[np.int64], user_B: NDArray[np.int64], learned_BF: NDArray[np.int64]) -> Floats:
    """Sum the vectors of what a user does in each value of the context, by hash: (B,) and (B, F), -1 for none -> (B, K)."""
    # The product wraps around at 2^64, as it does in training.
    mixed_BF = (user_B[:, None] * _USER_STRIDE + learned_BF + start_F) * _GOLDEN
    part_BFK = table_RK[(mixed_BF >> 33) % len(table_RK)]
    part_BFK[(learned_BF < 0) | (user_B < 0)[:, None]] = 0
    sum_BK: Floats = part_BFK.sum(axis=1)
    return sum_BK
