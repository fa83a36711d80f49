"""What stands on each side of a factorisation machine: users, items, circumstances, and what a user has rated."""

# N rows of a side   F features of a row, or columns of a context   B questions   K factors   E items of all histories

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from aisle.features.fields import ContextTable, Fields
from aisle.features.histories import Histories

_USER_STRIDE = 1 << 32  # more than there are context values
_GOLDEN = 0x9E3779B97F4A7C15 - (1 << 64)  # 2^64 / the golden ratio (Knuth), as a signed number


class Side(nn.Module):
    """One side of the machine: N users or N items, each the sum of the vectors of its features.

    Args:
        fields: the side features; codes are rows of the tables after the N ids.
        trained_N: (N,) bool. The id of a row without training events takes no part: nothing was learned about it.
        factors: width of a vector.
    """

    code: Tensor
    weight: Tensor
    trained: Tensor

    def __init__(self, fields: Fields, trained_N: NDArray[np.bool_], factors: int) -> None:
        super().__init__()
        n_rows = len(trained_N)
        id_N1 = np.arange(n_rows)[:, None]
        code_NF = np.concatenate([id_N1, fields.code + n_rows], axis=1)
        weight_NF = np.concatenate([trained_N[:, None], fields.weight], axis=1)
        self.register_buffer("code", torch.tensor(code_NF, dtype=torch.int64))
        self.register_buffer("weight", torch.tensor(weight_NF, dtype=torch.float32))
        self.register_buffer("trained", torch.tensor(trained_N))
        self.vector = nn.Embedding(n_rows + fields.size, factors)
        self.bias = nn.Embedding(n_rows + fields.size, 1)

    @classmethod
    def empty(cls, state: Mapping[str, NDArray[Any]], name: str, factors: int) -> Side:
        """Make a side of the right shapes, to be filled from a state."""
        trained_N = np.asarray(state[f"{name}.trained"], np.bool_)
        n_rows, n_features = state[f"{name}.code"].shape
        shape = (n_rows, n_features - 1)
        size = len(state[f"{name}.vector.weight"]) - n_rows
        return cls(Fields((), size, np.zeros(shape, np.int32), np.zeros(shape, np.float32)), trained_N, factors)

    @property
    def known(self) -> Tensor:
        """Which rows have anything learned about them, id or side feature: (N,) bool."""
        known: Tensor = (self.weight > 0).any(dim=1)
        return known

    def forward(self, row: Tensor) -> tuple[Tensor, Tensor]:
        """Return the summed vector and the bias of each row, -1 giving zeros: (...,) int64 -> (..., K) and (...,).

        The bias holds the linear terms and the pairwise terms inside this side: half of |sum|^2 - sum of |.|^2.
        """
        place, known = row.clamp(min=0), row >= 0
        if self.code.shape[1] == 1:  # ids only: no pairs inside this side
            weight = self.weight[place, 0] * known
            return self.vector(place) * weight.unsqueeze(-1), self.bias(place).squeeze(-1) * weight
        if row.numel() <= len(self.code):
            sum_K, bias = self._sum(self.code[place], self.weight[place])
        else:  # more rows asked for than there are: sum each once, then look it up
            sum_NK, bias_N = self._sum(self.code, self.weight)
            sum_K, bias = functional.embedding(place, sum_NK), functional.embedding(place, bias_N.unsqueeze(-1)).squeeze(-1)
        return sum_K * known.unsqueeze(-1), bias * known

    def _sum(self, code_F: Tensor, weight_F: Tensor) -> tuple[Tensor, Tensor]:
        """Sum the features of rows: (..., F) codes and values -> (..., K) and (...,)."""
        return _sum_features(self.vector, self.bias, code_F, weight_F)


class Circumstances(nn.Module):
    """The side of the context: when and where a question is asked, the sum of the vectors of its columns' values.

    Args:
        table: which row each value has.
        factors: width of a vector.
    """

    start: Tensor
    row: Tensor

    def __init__(self, table: ContextTable, factors: int) -> None:
        super().__init__()
        self.register_buffer("start", torch.tensor(table.start))
        self.register_buffer("row", torch.tensor(table.row))
        self.vector = nn.Embedding(table.size, factors)
        self.bias = nn.Embedding(table.size, 1)

    @classmethod
    def empty(cls, state: Mapping[str, NDArray[Any]], name: str, factors: int) -> Circumstances | None:
        """Make it of the right shapes, to be filled from a state; None for a state without it."""
        if f"{name}.row" not in state:
            return None
        table = ContextTable(state[f"{name}.start"], state[f"{name}.row"], len(state[f"{name}.vector.weight"]))
        return cls(table, factors)

    def rows(self, context_BF: Tensor) -> Tensor:
        """Return the row of each value, -1 for one that is missing or that nothing was learned about: (B, F) -> (B, F)."""
        place_BF = torch.where(context_BF >= 0, context_BF + self.start, len(self.row) - 1)
        row_BF: Tensor = self.row[place_BF]
        return row_BF

    def learned(self, context_BF: Tensor) -> Tensor:
        """Return the values that something was learned about, -1 for the others: (B, F) -> (B, F)."""
        return torch.where(self.rows(context_BF) >= 0, context_BF, -1)

    def forward(self, context_BF: Tensor) -> tuple[Tensor, Tensor]:
        """Return the summed vector, and the linear and pairwise terms inside: (B, F) -> (B, K) and (B,)."""
        row_BF = self.rows(context_BF)
        return _sum_features(self.vector, self.bias, row_BF.clamp(min=0), (row_BF >= 0).float())


class Crosses(nn.Module):
    """What one user does in one of a context's values, such as on Mondays: a vector for each such pair, by hash.

    Args:
        start: (F,) where each context column's values begin when all are numbered through.
        rows: of the table; pairs share them.
        factors: width of a vector.
    """

    start: Tensor

    def __init__(self, start: Tensor, rows: int, factors: int) -> None:
        super().__init__()
        self.register_buffer("start", start.clone())
        self.vector = nn.Embedding(rows, factors)

    def forward(self, user_B: Tensor, context_BF: Tensor) -> Tensor:
        """Sum the vectors of a user's pairs, zeros where user or value is missing: (B,) and (B, F) -> (B, K)."""
        known_BF = (context_BF >= 0) & (user_B >= 0).unsqueeze(1)
        # The product wraps around at 2^64, as it should; the upper bits are the well mixed ones.
        mixed_BF = (user_B.unsqueeze(1) * _USER_STRIDE + context_BF + self.start) * _GOLDEN
        row_BF = (mixed_BF >> 33).remainder(len(self.vector.weight))
        sum_BK: Tensor = (self.vector(row_BF) * known_BF.unsqueeze(2)).sum(dim=1)
        return sum_BK


def _sum_features(vector: nn.Embedding, bias: nn.Embedding, code_F: Tensor, weight_F: Tensor) -> tuple[Tensor, Tensor]:
    """Sum the features of rows in linear time: (..., F) codes and values -> (..., K) and (...,)."""
    part_FK = vector(code_F) * weight_F.unsqueeze(-1)
    sum_K = part_FK.sum(dim=-2)
    pairs = (sum_K.square().sum(dim=-1) - part_FK.square().sum(dim=(-1, -2))) / 2
    return sum_K, (bias(code_F).squeeze(-1) * weight_F).sum(dim=-1) + pairs


class Rated(nn.Module):
    """What a user has rated, whatever the rating: |N|^-1/2 times the sum of one more vector an item.

    Args:
        n_items: items of the catalogue.
        factors: width of a vector.

    Source: Koren (2008), Factorization meets the neighborhood (SVD++).
    """

    def __init__(self, n_items: int, factors: int) -> None:
        super().__init__()
        self.vector = nn.Embedding(n_items, factors)

    def forward(self, item_E: Tensor, offset_B: Tensor) -> Tensor:
        """Sum histories one after another, each from its offset to the next: (E,) and (B,) int64 -> (B, K)."""
        sum_BK = functional.embedding_bag(item_E, self.vector.weight, offset_B, mode="sum")
        end = torch.tensor([len(item_E)], device=offset_B.device)
        length_B = torch.diff(offset_B, append=end).clamp(min=1)
        return sum_BK * torch.rsqrt(length_B).unsqueeze(1)

    def of(self, known: Histories) -> Tensor:
        """Sum the histories of B users: (B, K)."""
        device = self.vector.weight.device
        item_E = torch.tensor(known.item, dtype=torch.int64, device=device)
        rated_BK: Tensor = self(item_E, torch.tensor(known.offsets[:-1], device=device))
        return rated_BK
