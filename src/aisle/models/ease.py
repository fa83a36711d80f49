"""EASE: an item is foretold from all other items known, by one linear regression solved in closed form."""

# B shoppers   U users with training events   V items of the catalogue   N items with training events   M items a shopper

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import lapack

from aisle.errors import AisleError
from aisle.features.histories import Histories
from aisle.features.interactions import event_weights, interactions

Matrix = NDArray[np.float32]
_BLOCK_CELLS = 8_000_000  # cells of a temporary array: 32 MB as float32


@dataclass(frozen=True)
class EASEConfig:
    """How far the regression is held back.

    Attributes:
        regularisation: added to the diagonal of the items' co-occurrences; the larger, the less two shoppers count.
        dropout: learn as if this share of each shopper's items were hidden at random, worked out exactly; 0 is plain EASE.
        event_weights: pairs such as ["view", 0.3]: what a meeting by such an event says; kinds not named say 1.
        repeat_power: n events of a shopper with an item say n to this power as much as one; 0 counts them once.
        max_size: refuse to fit when users and items are both more than this: memory is 8 bytes x the smaller number squared.
    """

    regularisation: float = 500.0
    dropout: float = 0.0
    event_weights: tuple[tuple[str, float], ...] = ()
    repeat_power: float = 0.0
    max_size: int = 30_000

    def __post_init__(self) -> None:
        pairs = tuple((str(name), float(weight)) for name, weight in self.event_weights)
        object.__setattr__(self, "event_weights", pairs)  # TOML and JSON have lists only
        event_weights(pairs)
        if not self.regularisation > 0 or not 0 <= self.dropout < 1 or self.max_size < 1 or self.repeat_power < 0:
            raise AisleError(
                f"EASE needs regularisation and max_size above 0, 0 <= dropout < 1, repeat_power of 0 or more; seen {self}",
                hint="start from regularisation=500, dropout=0, max_size=30000",
                code="E323",
            )


class EASE:
    """Score an item by the weights of the items known on it: x B, where B = argmin |X - X B|^2 + penalty, diagonal 0.

    With P = (X'X + D)^-1, D the penalty on the diagonal, B[i, j] = -P[i, j] / P[j, j]. With more users than items B itself is
    kept. With fewer, P is never made: P = S (I - Y' K Y) S for S = D^-1/2, Y = X S and K = (I + Y Y')^-1, one row a user.

    Args:
        config: how it was fitted.
        trained_V: (V,) bool, the items with training events; the others cannot be scored.
        parts: "weight" (N, N), or "inverse" K (U, U), "met" Y (U, N) as "met_offsets", "met_item" and "met_value", "scale"
            S (N,) and "own" (N,), the diagonal of I - Y' K Y.

    Source: Steck (2019), Embarrassingly Shallow Autoencoders for Sparse Data; dropout as in Steck (2020), Autoencoders that
    don't overfit towards the Identity. The form for few users is the matrix inversion lemma, ours.
    """

    def __init__(self, config: EASEConfig, trained_V: NDArray[np.bool_], parts: Mapping[str, NDArray[Any]]) -> None:
        self.config = config
        self.trained_V = trained_V
        self._parts = dict(parts)
        self._column_N = np.flatnonzero(trained_V)
        if "met_value" in parts:
            shape = (len(parts["inverse"]), len(self._column_N))
            self._met_UN = sparse.csr_array((parts["met_value"], parts["met_item"], parts["met_offsets"]), shape=shape)

    @classmethod
    def fit(cls, config: EASEConfig, train: Histories, n_items: int) -> EASE:
        """Solve the regression.

        Args:
            config: how.
            train: one history a user.
            n_items: items in the catalogue.

        Raises:
            AisleError: E324 when it would need too much memory, E325 when float32 cannot solve it.
        """
        trained_V = np.bincount(train.item, minlength=n_items) > 0
        met_UN = _interactions(config, train, n_items)[:, np.flatnonzero(trained_V)]
        met_UN = sparse.csr_array(met_UN[np.diff(met_UN.indptr) > 0])
        _check_size(config, *met_UN.shape)
        often_N = np.asarray(met_UN.multiply(met_UN).sum(axis=0), np.float32)
        penalty_N = config.regularisation + config.dropout / (1 - config.dropout) * often_N
        solve = _by_items if met_UN.shape[0] >= met_UN.shape[1] else _by_users
        return cls(config, trained_V, solve(met_UN, penalty_N.astype(np.float32)))

    @classmethod
    def from_state(cls, config: EASEConfig, state: Mapping[str, NDArray[Any]]) -> EASE:
        """Rebuild from what `state` returned."""
        parts = {name: array for name, array in state.items() if name != "trained"}
        return cls(config, np.asarray(state["trained"], np.bool_), parts)

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the arrays that make this model."""
        return {"trained": self.trained_V, **self._parts}

    def knows(self, user_B: NDArray[np.int64], known: Histories) -> NDArray[np.bool_]:
        """Return who has at least one item that was in the training part: (B,)."""
        hits = np.bincount(known.rows[self.trained_V[known.item]], minlength=len(known))
        return hits > 0

    def score(self, user_B: NDArray[np.int64], known: Histories) -> Matrix:
        """Score the whole catalogue: (B, V)."""
        met_BN = _interactions(self.config, known, len(self.trained_V))[:, self._column_N]
        return self._everywhere(self._through(sparse.csr_array(met_BN)))

    def score_items(self, user_B: NDArray[np.int64], known: Histories, item_BM: NDArray[np.int64]) -> Matrix:
        """Return the entries of `score` asked for, computed in blocks of shoppers: (B, M)."""
        score_BM: Matrix = np.empty(item_BM.shape, np.float32)
        block = max(1, _BLOCK_CELLS // max(len(self.trained_V), 1))
        for start in range(0, len(user_B), block):
            rows = np.arange(start, min(start + block, len(user_B)))
            score_BM[rows] = np.take_along_axis(self.score(user_B[rows], known.take(rows)), item_BM[rows], axis=1)
        return score_BM

    def similar(self, item_B: NDArray[np.int64]) -> Matrix:
        """Return what knowing each given item adds to the score of every other: (B, V)."""
        one_BV = sparse.csr_array(sparse.eye_array(len(self.trained_V), dtype=np.float32, format="csr")[item_B])
        score_BV = self._everywhere(self._through(sparse.csr_array(one_BV[:, self._column_N])))
        score_BV[np.arange(len(item_B)), item_B] = -np.inf
        return score_BV

    def _through(self, met_BN: sparse.csr_array) -> Matrix:
        """Return x B for some rows x: (B, N) -> (B, N)."""
        if "weight" in self._parts:
            return np.asarray(met_BN @ self._parts["weight"], np.float32)
        # x B = x - (x P) / diag(P): with P as above, x S (I - Y' K Y) S / (own S^2), and the I cancels all but a part of x
        scaled_BN = sparse.csr_array(met_BN.multiply(self._parts["scale"]))
        foretold_BN = np.asarray(((scaled_BN @ self._met_UN.T).toarray() @ self._parts["inverse"]) @ self._met_UN)
        foretold_BN -= (scaled_BN.multiply(1 - self._parts["own"])).toarray()
        score_BN: Matrix = foretold_BN / (self._parts["own"] * self._parts["scale"])
        return score_BN

    def _everywhere(self, score_BN: Matrix) -> Matrix:
        score_BV = np.full((len(score_BN), len(self.trained_V)), -np.inf, np.float32)
        score_BV[:, self._column_N] = score_BN
        return score_BV


def _interactions(config: EASEConfig, histories: Histories, n_items: int) -> sparse.csr_array:
    return interactions(histories, n_items, event_weights(config.event_weights), repeat_power=config.repeat_power)


def _check_size(config: EASEConfig, n_users: int, n_items: int) -> None:
    size = min(n_users, n_items)
    if size > config.max_size:
        raise AisleError(
            f"EASE needs {8 * size**2 / 1e9:.0f} GB for {n_users:,} users and {n_items:,} items with training events; "
            f"parameters.max_size allows {config.max_size:,} of one of them",
            hint="raise split.min_item_events to leave rare items out, raise parameters.max_size, or use ials",
            code="E324",
        )


def _by_items(met_UN: sparse.csr_array, penalty_N: Matrix) -> dict[str, NDArray[Any]]:
    """Return B (N, N), from the inverse over items."""
    together_NN = np.asfortranarray((met_UN.T @ met_UN).toarray())
    together_NN[np.diag_indices(len(together_NN))] += penalty_N
    weight_NN = _inverted(together_NN)
    weight_NN /= -np.diagonal(weight_NN).copy()
    weight_NN[np.diag_indices(len(weight_NN))] = 0
    return {"weight": np.ascontiguousarray(weight_NN)}


def _by_users(met_UN: sparse.csr_array, penalty_N: Matrix) -> dict[str, NDArray[Any]]:
    """Return K, Y, S and the diagonal, from the inverse over users."""
    scale_N = 1 / np.sqrt(penalty_N)
    scaled_UN = sparse.csr_array(met_UN.multiply(scale_N))
    alike_UU = np.asfortranarray((scaled_UN @ scaled_UN.T).toarray())
    alike_UU[np.diag_indices(len(alike_UU))] += 1
    inverse_UU = np.ascontiguousarray(_inverted(alike_UU))
    own_N = np.ones(scaled_UN.shape[1], np.float32)
    by_item_NU = sparse.csr_array(scaled_UN.T)
    step = max(1, _BLOCK_CELLS // max(len(inverse_UU), 1))
    for start in range(0, len(own_N), step):
        rows = by_item_NU[start : start + step]
        own_N[start : start + step] -= rows.multiply(rows @ inverse_UU).sum(axis=1)
    return {
        "inverse": inverse_UU,
        "met_offsets": scaled_UN.indptr.astype(np.int64),
        "met_item": scaled_UN.indices.astype(np.int32),
        "met_value": scaled_UN.data.astype(np.float32),
        "scale": scale_N,
        "own": own_N,
    }


def _inverted(matrix_NN: Matrix) -> Matrix:
    """Invert a symmetric positive definite matrix in Fortran order, in place.

    Raises:
        AisleError: E325.
    """
    factor_NN, failed = lapack.spotrf(matrix_NN, lower=1, clean=0, overwrite_a=1)
    inverse_NN, failed_too = lapack.spotri(factor_NN, lower=1, overwrite_c=1) if not failed else (factor_NN, 0)
    if failed or failed_too:
        raise AisleError(
            f"EASE cannot invert a matrix of {len(matrix_NN):,} rows in float32",
            hint="set parameters.regularisation higher",
            code="E325",
        )
    for column in range(len(inverse_NN)):  # LAPACK fills the lower triangle only
        inverse_NN[column, column + 1 :] = inverse_NN[column + 1 :, column]
    result: Matrix = inverse_NN
    return result
