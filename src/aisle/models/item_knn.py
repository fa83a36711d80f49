"""Item-kNN: recommend what is bought by the same shoppers as the items that this one knows. No training, hard to beat."""

# B shoppers   U users of the dataset   V items of the catalogue   K neighbours kept   N candidates a shopper   R rows a block

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from aisle.errors import AisleError, did_you_mean
from aisle.features.histories import Histories

WEIGHTINGS = ("none", "tfidf")
_BLOCK_CELLS = 4_000_000  # cells of similarity held at once while fitting: 32 MB as float64


@dataclass(frozen=True)
class ItemKNNConfig:
    """How alikeness is measured.

    Attributes:
        neighbours: how many most similar items are kept for each item.
        shrink: added to the denominator of the cosine; the larger, the less a similarity from few shoppers counts.
        weighting: "none" counts every shopper the same, "tfidf" lets shoppers with long histories count less. (BM25 adds a
            factor an item, which the cosine divides out again.)
    """

    neighbours: int = 100
    shrink: float = 10.0
    weighting: Literal["none", "tfidf"] = "tfidf"

    def __post_init__(self) -> None:
        if self.weighting not in WEIGHTINGS:
            raise AisleError(
                f"item-kNN weighting is {self.weighting!r}", hint=did_you_mean(str(self.weighting), WEIGHTINGS), code="E302"
            )
        if self.neighbours < 1 or not self.shrink >= 0:
            raise AisleError(
                f"item-kNN needs neighbours >= 1 and shrink >= 0; seen {self.neighbours} and {self.shrink}",
                hint="set neighbours to a number such as 100, shrink to one such as 10",
                code="E302",
            )


class ItemKNN:
    """Cosine similarity between items, summed over the distinct items that a shopper knows.

    Args:
        config: how alikeness was measured.
        alike_VV: row j holds the K items most alike to item j, the diagonal empty.
        trained_V: (V,) which items had training events; the others cannot be scored.

    Source: Sarwar et al. (2001), with the shrink term and K of Dacrema et al. (2019): K is kept per recommended item.
    """

    def __init__(self, config: ItemKNNConfig, alike_VV: sparse.csr_array, trained_V: NDArray[np.bool_]) -> None:
        self.config = config
        self.alike_VV = alike_VV
        self.trained_V = trained_V
        self._from_known_VV = sparse.csr_array(alike_VV.T)

    @classmethod
    def fit(cls, config: ItemKNNConfig, train: Histories, n_items: int) -> ItemKNN:
        """Measure the training part in blocks of items, so that memory stays at K similarities an item.

        Args:
            config: how to measure.
            train: what may be learned from.
            n_items: items in the catalogue.
        """
        weight_UV = _weighted(config.weighting, _who_knows(train, n_items))
        return cls(config, _nearest(config, weight_UV), np.bincount(train.item, minlength=n_items) > 0)

    @classmethod
    def from_state(cls, config: ItemKNNConfig, state: Mapping[str, NDArray[Any]]) -> ItemKNN:
        """Rebuild from what `state` returned."""
        n_items = len(state["trained"])
        alike_VV = sparse.csr_array((state["similarity"], state["neighbour"], state["offsets"]), shape=(n_items, n_items))
        return cls(config, alike_VV, np.asarray(state["trained"], np.bool_))

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the arrays that make this model."""
        alike_VV = self.alike_VV
        return {
            "offsets": alike_VV.indptr.astype(np.int64),
            "neighbour": alike_VV.indices.astype(np.int32),
            "similarity": alike_VV.data,
            "trained": self.trained_V,
        }

    def knows(self, user_B: NDArray[np.int64], known: Histories) -> NDArray[np.bool_]:
        """Return who has at least one item that was in the training part: (B,)."""
        hits = np.bincount(known.rows[self.trained_V[known.item]], minlength=len(known))
        return hits > 0

    def score(self, user_B: NDArray[np.int64], known: Histories) -> NDArray[np.float32]:
        """Return the summed similarity to the known items: (B, V), -inf for items that are nobody's neighbour among them.

        A 0 would say that this model has seen and ordered them; it has not, and popularity fills such lists better.
        """
        score_BV: NDArray[np.float32] = (_who_knows(known, len(self.trained_V)) @ self._from_known_VV).toarray()
        score_BV[score_BV == 0] = -np.inf
        return score_BV

    def score_items(self, user_B: NDArray[np.int64], known: Histories, item_BN: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the entries of `score` asked for, computed in blocks of shoppers: (B, N)."""
        score_BN = np.empty(item_BN.shape, np.float32)
        block = max(1, _BLOCK_CELLS // max(len(self.trained_V), 1))
        for start in range(0, len(user_B), block):
            rows = np.arange(start, min(start + block, len(user_B)))
            score_BN[rows] = np.take_along_axis(self.score(user_B[rows], known.take(rows)), item_BN[rows], axis=1)
        return score_BN

    def similar(self, item_B: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the cosine to the K nearest items, -inf for the others, about which it cannot say: (B, V)."""
        score_BV: NDArray[np.float32] = self.alike_VV[item_B].toarray()
        score_BV[score_BV == 0] = -np.inf
        score_BV[np.arange(len(item_B)), item_B] = -np.inf
        return score_BV


def _who_knows(histories: Histories, n_items: int) -> sparse.csr_array:
    """Return one row a history with a 1 at each distinct item: (R, V) float32."""
    pairs = np.unique(histories.rows * n_items + histories.item)
    rows, items = np.divmod(pairs, n_items) if n_items else (pairs, pairs)
    ones = np.ones(len(pairs), np.float32)
    return sparse.csr_array((ones, (rows, items)), shape=(len(histories), n_items))


def _weighted(weighting: str, known_UV: sparse.csr_array) -> sparse.csr_array:
    """Weigh each shopper's row: items are the documents here, shoppers the words."""
    if weighting == "none":
        return known_UV.astype(np.float64)
    n_items = known_UV.shape[1]
    length_U = known_UV.sum(axis=1)
    rarity_U = np.log((n_items + 1) / (length_U + 1))
    return sparse.csr_array(sparse.diags_array(rarity_U) @ known_UV.astype(np.float64))


def _nearest(config: ItemKNNConfig, weight_UV: sparse.csr_array) -> sparse.csr_array:
    """Return the K most similar items of each item: (V, V) float32."""
    n_items = weight_UV.shape[1]
    weight_VU = sparse.csr_array(weight_UV.T)
    norm_V = np.sqrt(weight_UV.multiply(weight_UV).sum(axis=0))
    neighbours, values, lengths = [np.zeros(0, np.int32)], [np.zeros(0, np.float32)], [np.zeros(1, np.int64)]
    step = max(1, _BLOCK_CELLS // max(n_items, 1))
    for start in range(0, n_items, step):
        item_R = np.arange(start, min(start + step, n_items))
        alike_RV = sparse.csr_array(weight_VU[item_R] @ weight_UV)
        item_C = np.repeat(item_R, np.diff(alike_RV.indptr))  # C cells that are not 0
        alike_RV.data /= np.maximum(norm_V[item_C] * norm_V[alike_RV.indices] + config.shrink, 1e-12)
        alike_RV.data[alike_RV.indices == item_C] = 0
        alike_RV.eliminate_zeros()
        kept, length_R = _largest(alike_RV.data, alike_RV.indptr, config.neighbours)
        neighbours.append(alike_RV.indices[kept].astype(np.int32))
        values.append(alike_RV.data[kept].astype(np.float32))
        lengths.append(length_R)
    offsets = np.cumsum(np.concatenate(lengths))
    return sparse.csr_array((np.concatenate(values), np.concatenate(neighbours), offsets), shape=(n_items, n_items))


def _largest(data: NDArray[np.float64], offsets: NDArray[np.integer], count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return where the `count` largest cells of each sparse row lie, and how many there are: (kept,), (R,)."""
    kept = []
    for start, end in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True):
        row = data[start:end]
        kept.append(start + (np.argpartition(-row, count - 1)[:count] if len(row) > count else np.arange(len(row))))
    return np.concatenate(kept).astype(np.int64), np.minimum(np.diff(offsets), count).astype(np.int64)
