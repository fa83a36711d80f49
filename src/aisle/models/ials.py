"""iALS: shoppers and items as vectors whose product is near 1 where they met and near 0 everywhere else; solved, not trained."""

# B shoppers   U users of the dataset   V items of the catalogue   N items a shopper, or of one history   D dimensions

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import blas, lapack

from aisle.errors import AisleError
from aisle.features.histories import Histories
from aisle.features.interactions import event_weights, interactions

Matrix = NDArray[np.float32]


@dataclass(frozen=True)
class IALSConfig:
    """How much the empty cells say, and how far vectors are held back.

    Attributes:
        dimensions: width of the vectors.
        iterations: how often all users and then all items are solved for.
        empty_weight: what one pair that never met says, where one that met says 1 (alpha0 of the paper).
        regularisation: holds vectors near 0; multiplied by the size of each row's own problem to the power below.
        regularisation_power: 1 holds popular items and busy shoppers back as much as their data push, 0 all the same (nu).
        init_scale: standard deviation of the first item vectors, times the square root of the width.
        event_weights: pairs such as ["view", 0.3]: what a meeting by such an event says; kinds not named say 1.
        repeat_power: n events of a shopper with an item say n to this power as much as one; 0 counts them once.
    """

    dimensions: int = 64
    iterations: int = 16
    empty_weight: float = 0.1
    regularisation: float = 0.003
    regularisation_power: float = 1.0
    init_scale: float = 0.1
    event_weights: tuple[tuple[str, float], ...] = ()
    repeat_power: float = 0.0

    def __post_init__(self) -> None:
        pairs = tuple((str(name), float(weight)) for name, weight in self.event_weights)
        object.__setattr__(self, "event_weights", pairs)  # TOML and JSON have lists only
        event_weights(pairs)
        positive = (self.dimensions, self.iterations, self.empty_weight, self.regularisation, self.init_scale)
        if not min(positive) > 0 or min(self.regularisation_power, self.repeat_power) < 0:
            raise AisleError(
                f"iALS needs every number above 0, the two powers 0 or more; seen {self}",
                hint="start from dimensions=64, iterations=16, empty_weight=0.1, regularisation=0.003",
                code="E321",
            )


class IALS:
    """Score an item by the product of its vector with one that is solved for from what the shopper knows.

    Only item vectors are kept: a shopper's own is the answer to a small linear system over the items known, the same whether
    the shopper was there in training or came today.

    Args:
        config: how it was solved.
        item_VD: (V, D) float32, rows of zeros for items without training events.
        trained_V: (V,) bool, the items with training events; the others cannot be scored.

    Source: Hu et al. (2008), Collaborative Filtering for Implicit Feedback Datasets, with the regularisation and the
    initialisation of Rendle et al. (2021), Revisiting the Performance of iALS on Item Recommendation Benchmarks.
    """

    def __init__(self, config: IALSConfig, item_VD: Matrix, trained_V: NDArray[np.bool_]) -> None:
        self.config = config
        self.item_VD = np.ascontiguousarray(item_VD, np.float32)
        self.trained_V = trained_V

    @classmethod
    def fit(cls, config: IALSConfig, train: Histories, n_items: int, *, seed: int = 1) -> IALS:
        """Solve for users and items in turn.

        Args:
            config: how.
            train: one history a user.
            n_items: items in the catalogue.
            seed: fixes the first item vectors.

        Raises:
            AisleError: E322 when a system cannot be solved in float32: the regularisation is too small.
        """
        trained_V = np.bincount(train.item, minlength=n_items) > 0
        met_UV = _interactions(config, train, n_items)[:, np.flatnonzero(trained_V)]
        met_UV = sparse.csr_array(met_UV[met_UV.sum(axis=1) > 0])
        met_VU = sparse.csr_array(met_UV.T)
        scale = config.init_scale / np.sqrt(config.dimensions)
        shape = (met_UV.shape[1], config.dimensions)
        item_VD = (np.random.default_rng(seed).standard_normal(shape) * scale).astype(np.float32)
        for _ in range(config.iterations):
            user_UD = _solve(met_UV, item_VD, config)
            item_VD = _solve(met_VU, user_UD, config)
        every_VD = np.zeros((n_items, config.dimensions), np.float32)
        every_VD[trained_V] = item_VD
        return cls(config, every_VD, trained_V)

    @classmethod
    def from_state(cls, config: IALSConfig, state: Mapping[str, NDArray[Any]]) -> IALS:
        """Rebuild from what `state` returned."""
        return cls(config, np.asarray(state["item"], np.float32), np.asarray(state["trained"], np.bool_))

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the arrays that make this model."""
        return {"item": self.item_VD, "trained": self.trained_V}

    def user_vectors(self, known: Histories) -> Matrix:
        """Return the vector of each history: (B,) -> (B, D), zeros where no item with training events is known."""
        met_BV = _interactions(self.config, known, len(self.trained_V))[:, np.flatnonzero(self.trained_V)]
        return _solve(sparse.csr_array(met_BV), self.item_VD[self.trained_V], self.config)

    def knows(self, user_B: NDArray[np.int64], known: Histories) -> NDArray[np.bool_]:
        """Return who has at least one item that was in the training part: (B,)."""
        hits = np.bincount(known.rows[self.trained_V[known.item]], minlength=len(known))
        return hits > 0

    def score(self, user_B: NDArray[np.int64], known: Histories) -> Matrix:
        """Score the whole catalogue: (B, V)."""
        score_BV: Matrix = self.user_vectors(known) @ self.item_VD.T
        score_BV[:, ~self.trained_V] = -np.inf
        return score_BV

    def score_items(self, user_B: NDArray[np.int64], known: Histories, item_BN: NDArray[np.int64]) -> Matrix:
        """Score given items: (B, N)."""
        score_BN: Matrix = np.empty(item_BN.shape, np.float32)
        for row, user_D in enumerate(self.user_vectors(known)):  # a row at a time: (B, N, D) at once may not fit
            score_BN[row] = self.item_VD[item_BN[row]] @ user_D
        return np.where(self.trained_V[item_BN], score_BN, np.float32(-np.inf))

    def similar(self, item_B: NDArray[np.int64]) -> Matrix:
        """Return the cosine between the items' vectors: (B, V)."""
        length_V = np.linalg.norm(self.item_VD, axis=1, keepdims=True)
        unit_VD = self.item_VD / np.maximum(length_V, np.float32(1e-12))
        score_BV: Matrix = unit_VD[item_B] @ unit_VD.T
        score_BV[:, ~self.trained_V] = -np.inf
        score_BV[np.arange(len(item_B)), item_B] = -np.inf
        return score_BV


def _interactions(config: IALSConfig, histories: Histories, n_items: int) -> sparse.csr_array:
    return interactions(histories, n_items, event_weights(config.event_weights), repeat_power=config.repeat_power)


def _solve(met_RN: sparse.csr_array, other_ND: Matrix, config: IALSConfig) -> Matrix:
    """Return the best vector of every row given the vectors of the columns: (R, N) and (N, D) -> (R, D).

    For a row with weights c over its columns: (a G + H' diag(c) H + r I) x = H' c, with G = H' H over all columns, a the
    empty weight and r = regularisation * (sum(c) + a N) ** power. It is solved in the basis of G's eigenvectors, where what
    all rows share is a diagonal p = a e + r: a row of fewer columns than dimensions then needs no D x D system, but
    x = H' y / p with (1 / c + H diag(1 / p) H') y = 1, one equation a column.

    Raises:
        AisleError: E322.
    """
    n_rows, n_columns = met_RN.shape
    eigen_D, basis_DD = np.linalg.eigh(other_ND.T.astype(np.float64) @ other_ND)
    basis_DD = basis_DD.astype(np.float32)
    turned_ND = other_ND @ basis_DD
    shared_D = (config.empty_weight * np.maximum(eigen_D, 0)).astype(np.float32)
    size_R = np.asarray(met_RN.sum(axis=1), np.float64) + config.empty_weight * n_columns
    hold_R = (config.regularisation * size_R**config.regularisation_power).astype(np.float32)
    solved_RD = np.zeros((n_rows, other_ND.shape[1]), np.float32)
    offsets, column, weight = met_RN.indptr, met_RN.indices, met_RN.data
    for row in np.flatnonzero(np.diff(offsets)):
        here = slice(offsets[row], offsets[row + 1])
        solve = _by_column if here.stop - here.start < len(shared_D) else _by_dimension
        solved_RD[row] = solve(turned_ND[column[here]], weight[here], shared_D + hold_R[row])
    if not np.isfinite(solved_RD).all():
        raise AisleError(
            f"iALS cannot solve a system of {len(shared_D)} dimensions in float32 (regularisation {config.regularisation})",
            hint="set parameters.regularisation higher, or dimensions lower",
            code="E322",
        )
    result: Matrix = solved_RD @ basis_DD.T
    return result


def _by_column(met_ND: Matrix, weight_N: Matrix, diagonal_D: Matrix) -> Matrix:
    """Solve one equation a column; NaN where float32 cannot."""
    if not diagonal_D.min() > 0:
        return np.full_like(diagonal_D, np.nan)
    # sqrt(c) on both sides keeps the system symmetric and its pivots at 1 or above
    root_N = np.sqrt(weight_N)
    scaled_ND = met_ND * root_N[:, None] / np.sqrt(diagonal_D)
    system_NN = blas.ssyrk(1.0, scaled_ND.T, trans=1, lower=1)
    system_NN.reshape(-1, order="F")[:: len(root_N) + 1] += 1
    _, share_N, failed = lapack.sposv(system_NN, root_N, lower=1, overwrite_a=1)
    return (share_N @ scaled_ND) / np.sqrt(diagonal_D) if not failed else np.full_like(diagonal_D, np.nan)


def _by_dimension(met_ND: Matrix, weight_N: Matrix, diagonal_D: Matrix) -> Matrix:
    """Solve one equation a dimension; NaN where float32 cannot."""
    wanted_D = weight_N @ met_ND
    met_ND *= np.sqrt(weight_N)[:, None]
    system_DD = blas.ssyrk(1.0, met_ND.T, lower=1)
    system_DD.reshape(-1, order="F")[:: len(wanted_D) + 1] += diagonal_D
    _, solved_D, failed = lapack.sposv(system_DD, wanted_D, lower=1, overwrite_a=1, overwrite_b=1)
    return solved_D if not failed else np.full_like(diagonal_D, np.nan)
