"""Simulated item and shopper vectors: clusters of unequal size, and lengths that grow with popularity as trained ones do."""

# V items   Q shoppers   D width   C clusters

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CATEGORIES = 20  # of about 5% of the items each
_BLOCK = 500_000


@dataclass(frozen=True)
class SimulatedVectors:
    """A simulated catalogue.

    Attributes:
        centre_CD: (C, D) float32, what the items of a cluster have in common.
        cluster_V: (V,) int32.
        item_VD: (V, D) float32.
    """

    centre_CD: NDArray[np.float32]  # noqa: N815
    cluster_V: NDArray[np.int32]  # noqa: N815 - shape letters
    item_VD: NDArray[np.float32]  # noqa: N815

    @property
    def category_V(self) -> NDArray[np.int32]:  # noqa: N802 - shape letter
        """(V,) int32: clusters belong to categories."""
        return self.cluster_V % CATEGORIES


def simulate_vectors(n_items: int, dim: int, seed: int = 0, into: NDArray[np.float32] | None = None) -> SimulatedVectors:
    """Draw items: cluster sizes fall off as in a shop, directions spread around the cluster's, lengths are log-normal.

    Args:
        n_items: V.
        dim: D.
        seed: of everything drawn.
        into: where to write the vectors, such as a memory-mapped file.
    """
    random = np.random.default_rng(seed)
    n_clusters = max(CATEGORIES, int(n_items**0.5))
    # Clusters lie in larger families, so that the neighbours of a shopper are in several of them.
    family_FD = random.standard_normal((max(1, n_clusters // 20), dim), np.float32)
    centre_CD = family_FD[random.integers(len(family_FD), size=n_clusters)] + random.standard_normal(
        (n_clusters, dim), np.float32
    )
    share_C = 1 / (np.arange(n_clusters) + 20) ** 0.7
    cluster_V = random.choice(n_clusters, n_items, p=share_C / share_C.sum()).astype(np.int32)
    item_VD = np.empty((n_items, dim), np.float32) if into is None else into
    for start in range(0, n_items, _BLOCK):
        cluster = cluster_V[start : start + _BLOCK]
        some_VD = centre_CD[cluster] + random.standard_normal((len(cluster), dim), np.float32)
        length_V1 = np.exp(0.2 * random.standard_normal((len(cluster), 1), np.float32))
        item_VD[start : start + _BLOCK] = length_V1 * some_VD / np.linalg.norm(some_VD, axis=1, keepdims=True)
    return SimulatedVectors(centre_CD, cluster_V, item_VD)


def simulate_shoppers(items: SimulatedVectors, n_shoppers: int, seed: int = 1) -> NDArray[np.float32]:
    """Draw shoppers who want what one to three clusters have in common, and something of their own: (Q, D) float32."""
    random = np.random.default_rng(seed)
    dim = items.centre_CD.shape[1]
    weight_Q3 = random.random((n_shoppers, 3), np.float32) * (np.arange(3) < random.integers(1, 4, (n_shoppers, 1)))
    wanted_Q3 = items.cluster_V[random.integers(len(items.cluster_V), size=(n_shoppers, 3))]
    vector_QD: NDArray[np.float32] = np.einsum("qc,qcd->qd", weight_Q3, items.centre_CD[wanted_Q3])
    vector_QD /= np.maximum(np.linalg.norm(vector_QD, axis=1, keepdims=True), 1e-6)
    own_QD = random.standard_normal((n_shoppers, dim), np.float32) / np.float32(dim**0.5)
    return np.asarray(vector_QD + 0.5 * own_QD, np.float32)
