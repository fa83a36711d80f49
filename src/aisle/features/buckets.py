"""Numbers as codes: cut at quantiles that were learned once, one table row for each bucket of each feature. NumPy only."""

# F features   T buckets of all features together   ... any leading shape

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Buckets:
    """Where each feature is cut.

    Attributes:
        edges: the cuts of all features, feature by feature, ascending within one.
        offsets: (F + 1,) int64 into edges.
    """

    edges: NDArray[np.float32]
    offsets: NDArray[np.int64]

    @classmethod
    def learn(cls, value: NDArray[np.float32], count: int) -> Buckets:
        """Cut (..., F) values at quantiles, with narrow buckets at both ends and wide ones between; NaN is missing.

        The best few of some hundred candidates are at an end of what tells them apart. Of `count` buckets the outermost hold
        a share of about 2.5 / count**2 each, the widest one of 1.6 / count. A feature with few distinct values gets one
        bucket for each.
        """
        edges = []
        share = np.sin(np.pi / 2 * np.arange(count) / count) ** 2
        for column in value.reshape(-1, value.shape[-1]).T:
            present = column[~np.isnan(column)]
            distinct = np.unique(present)
            if len(distinct) > count:
                distinct = np.unique(np.quantile(present, share, method="higher"))
            edges.append(distinct[1:].astype(np.float32))  # everything below the second value is the first bucket
        offsets = np.concatenate([[0], np.cumsum([len(part) for part in edges])]).astype(np.int64)
        return cls(np.concatenate([np.zeros(0, np.float32), *edges]), offsets)

    @property
    def size(self) -> int:
        """T: for each feature its buckets and one for missing."""
        return len(self.edges) + 2 * (len(self.offsets) - 1)

    def code(self, value: NDArray[np.float32]) -> NDArray[np.int32]:
        """Return the table row of each value: (..., F) -> (..., F) int32.

        Example:
            >>> Buckets(np.array([1.0, 5.0], np.float32), np.array([0, 2])).code(np.array([[0.5], [1], [9], [np.nan]])).ravel()
            array([1, 2, 3, 0], dtype=int32)
        """
        code = np.empty(value.shape, np.int32)
        for feature, (start, end) in enumerate(zip(self.offsets[:-1], self.offsets[1:], strict=True)):
            column = value[..., feature]
            place = np.searchsorted(self.edges[start:end], column, side="right") + 1
            code[..., feature] = np.where(np.isnan(column), 0, place) + start + 2 * feature
        return code

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the arrays by name."""
        return {"edges": self.edges, "offsets": self.offsets}

    @classmethod
    def from_state(cls, state: Mapping[str, NDArray[Any]]) -> Buckets:
        """Rebuild from what `state` returned."""
        return cls(state["edges"], state["offsets"])
