"""Content: items of the same category and brand as what the shopper met last. It knows new items, and needs no other shoppers."""

# B shoppers   V items of the catalogue   N candidates a shopper   L latest events of a history   C codes of one column

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aisle.errors import AisleError
from aisle.features.histories import Histories

_BLOCK_CELLS = 4_000_000
_TIE = 0.001  # popularity orders items of about equal likeness


@dataclass(frozen=True)
class ContentConfig:
    """What counts as alike.

    Attributes:
        latest: events at the end of a history that are looked at; the n-th last counts 1 / n.
        brand: how much the same brand counts beside the same category, which counts 1.
    """

    latest: int = 20
    brand: float = 0.5

    def __post_init__(self) -> None:
        if self.latest < 1 or not self.brand >= 0:
            raise AisleError(
                f"content needs latest >= 1 and brand >= 0; seen {self}", hint="start from latest=20, brand=0.5", code="E374"
            )


class Content:
    """Likeness by category and brand; the best known of those that are equally alike stand first.

    Args:
        config: what counts as alike.
        category_V: (V,) int32 codes, -1 missing.
        brand_V: (V,) int32 codes, -1 missing.
        events_V: (V,) float32 training events.
    """

    def __init__(
        self,
        config: ContentConfig,
        category_V: NDArray[np.int32],
        brand_V: NDArray[np.int32],
        events_V: NDArray[np.float32],
    ) -> None:
        self.config = config
        self.category_V, self.brand_V, self.events_V = category_V, brand_V, events_V
        self._columns = ((category_V, 1.0), (brand_V, config.brand))
        self._tie_V = (_TIE * np.log1p(events_V) / np.log1p(max(float(events_V.max(initial=0)), 1))).astype(np.float32)

    @classmethod
    def from_state(cls, config: ContentConfig, state: Mapping[str, NDArray[Any]]) -> Content:
        """Rebuild from what `state` returned."""
        return cls(config, state["category"], state["brand"], state["events"])

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the arrays that make this model."""
        return {"category": self.category_V, "brand": self.brand_V, "events": self.events_V}

    def knows(self, user_B: NDArray[np.int64], known: Histories) -> NDArray[np.bool_]:
        """Return who has an item with a category or a brand among the latest: (B,)."""
        item, _, row = self._latest(known)
        said = (self.category_V[item] >= 0) | ((self.brand_V[item] >= 0) & (self.config.brand > 0))
        return np.bincount(row[said], minlength=len(known)) > 0

    def score(self, user_B: NDArray[np.int64], known: Histories) -> NDArray[np.float32]:
        """Return the likeness to the latest items: (B, V), -inf for what is like none of them."""
        item, weight, row = self._latest(known)
        return self._alike(item, weight, row, len(known))

    def score_items(self, user_B: NDArray[np.int64], known: Histories, item_BN: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the entries of `score` asked for, computed in blocks of shoppers: (B, N)."""
        score_BN = np.empty(item_BN.shape, np.float32)
        block = max(1, _BLOCK_CELLS // max(len(self.events_V), 1))
        for start in range(0, len(user_B), block):
            rows = np.arange(start, min(start + block, len(user_B)))
            score_BN[rows] = np.take_along_axis(self.score(user_B[rows], known.take(rows)), item_BN[rows], axis=1)
        return score_BN

    def similar(self, item_B: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the likeness to each given item: (B, V), -inf for its own entry and for what is not like it."""
        score_BV = self._alike(item_B, np.ones(len(item_B)), np.arange(len(item_B)), len(item_B))
        score_BV[np.arange(len(item_B)), item_B] = -np.inf
        return score_BV

    def _latest(self, known: Histories) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
        """Return the latest events of all histories: item, weight and row of each."""
        row = known.rows
        ago = known.offsets[1:][row] - np.arange(len(row))  # 1 for the last event of a history
        keep = ago <= self.config.latest
        return known.item[keep].astype(np.int64), 1 / ago[keep], row[keep]

    def _alike(
        self, item: NDArray[np.int64], weight: NDArray[np.float64], row: NDArray[np.int64], n_rows: int
    ) -> NDArray[np.float32]:
        """Add up what each row's weighted items have in common with every item: (n_rows, V)."""
        total = np.maximum(np.bincount(row, weight, minlength=n_rows), 1e-9)
        score_BV = np.zeros((n_rows, len(self.events_V)), np.float32)
        for code_V, factor in self._columns:
            size = int(code_V.max(initial=-1)) + 1
            if not size or not factor:
                continue
            code = code_V[item]
            has = code >= 0
            profile = np.bincount(row[has] * size + code[has], weight[has], minlength=n_rows * size).reshape(n_rows, size)
            profile_BC = (factor * profile / total[:, None]).astype(np.float32)
            score_BV += np.where(code_V >= 0, profile_BC[:, np.maximum(code_V, 0)], 0)
        return np.where(score_BV > 0, score_BV + self._tie_V, -np.inf).astype(np.float32)
