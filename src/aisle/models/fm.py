"""FM: a factorisation machine over user, item and their side features; new items are scored by what they are."""

# B shoppers   N items a shopper   U users of the dataset   V items of the catalogue   F features of a row   K factors

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from aisle.errors import AisleError
from aisle.features.fields import Fields, join
from aisle.features.histories import Histories

_BLOCK_CELLS = 1024 * 1024


@dataclass(frozen=True)
class FMConfig:
    """How wide, and how it starts.

    Attributes:
        factors: width of the vector of each feature.
        init_std: standard deviation of the vectors before training.
        dropout: share of the entries of the summed vectors that is zeroed in training.
    """

    factors: int = 32
    init_std: float = 0.05
    dropout: float = 0.0

    def __post_init__(self) -> None:
        if self.factors < 1 or not self.init_std > 0 or not 0 <= self.dropout < 1:
            raise AisleError(
                f"FM needs factors >= 1, init_std > 0 and 0 <= dropout < 1; seen {self}",
                hint="start from factors=32, init_std=0.05, dropout=0.0",
                code="E304",
            )


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
        part_FK = self.vector(code_F) * weight_F.unsqueeze(-1)
        sum_K = part_FK.sum(dim=-2)
        pairs = (sum_K.square().sum(dim=-1) - part_FK.square().sum(dim=(-1, -2))) / 2
        return sum_K, (self.bias(code_F).squeeze(-1) * weight_F).sum(dim=-1) + pairs


class FM(nn.Module):
    """Every pair of features meets in the dot product of their vectors, in linear time.

    All pairs of user and item features together are the dot product of the two summed vectors, so a full-catalogue score
    is one matrix product.

    Args:
        config: how wide.
        user: the users' side.
        item: the items' side; an item with nothing learned about it cannot be scored: -inf.

    Source: Rendle (2010), Factorization Machines. We depart in the loss: implicit ranking with sampled negatives.
    """

    def __init__(self, config: FMConfig, user: Side, item: Side) -> None:
        super().__init__()
        self.config = config
        self.user = user
        self.item = item
        self.offset = nn.Parameter(torch.zeros(()))

    @classmethod
    def untrained(
        cls,
        config: FMConfig,
        train: Histories,
        n_items: int,
        *,
        seed: int,
        item_fields: Fields | None = None,
        user_fields: Fields | None = None,
    ) -> FM:
        """Make a machine with random vectors for the users and items of a training part.

        Args:
            config: how wide.
            train: one history a user.
            n_items: items in the catalogue.
            seed: fixes the vectors.
            item_fields: side features of the items, (V, F).
            user_fields: side features of the users, (U, F).
        """
        trained_U, trained_V = train.lengths > 0, np.bincount(train.item, minlength=n_items) > 0
        user = Side(user_fields or join([], trained_U), trained_U, config.factors)
        item = Side(item_fields or join([], trained_V), trained_V, config.factors)
        generator = torch.Generator().manual_seed(seed)
        for side in (user, item):
            nn.init.normal_(side.vector.weight, std=config.init_std, generator=generator)
            nn.init.zeros_(side.bias.weight)
        return cls(config, user, item)

    @classmethod
    def from_state(cls, config: FMConfig, state: Mapping[str, NDArray[Any]]) -> FM:
        """Rebuild from what `state` returned."""
        sides = (_empty_side(state, name, config.factors) for name in ("user", "item"))
        model = cls(config, *sides)
        model.load_state_dict({name: torch.tensor(array) for name, array in state.items()})
        return model.eval()

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the arrays that make this model."""
        return {name: tensor.detach().cpu().numpy().copy() for name, tensor in self.state_dict().items()}

    def forward(self, user_B: Tensor, item_BN: Tensor) -> Tensor:
        """Return the logit of every pair: (B,) and (B, N) int64 -> (B, N)."""
        user_BK, user_bias_B = self.user(user_B)
        item_BNK, item_bias_BN = self.item(item_BN)
        dot_BN = torch.matmul(self._drop(item_BNK), self._drop(user_BK).unsqueeze(2)).squeeze(2)
        logit_BN: Tensor = dot_BN + item_bias_BN + user_bias_B.unsqueeze(1) + self.offset
        return logit_BN

    def loss(self, user_B: Tensor, item_BN: Tensor) -> Tensor:
        """Return the mean logistic loss; column 0 of item_BN holds the positives, the others negatives."""
        logit_BN = self(user_B, item_BN).float()
        wrong_BN = torch.cat([-logit_BN[:, :1], logit_BN[:, 1:]], dim=1)
        return functional.softplus(wrong_BN).mean()

    def knows(self, user_B: NDArray[np.int64], known: Histories) -> NDArray[np.bool_]:
        """Return who was there in training or has a side feature: (B,). This machine reads no histories."""
        known_U = self.user.known.cpu().numpy()
        known_B: NDArray[np.bool_] = (user_B >= 0) & known_U[np.maximum(user_B, 0)]
        return known_B

    @torch.inference_mode()
    def score(self, user_B: NDArray[np.int64], known: Histories) -> NDArray[np.float32]:
        """Score the whole catalogue: (B, V)."""
        user_BK, user_bias_B = self.user(self._to_device(user_B))
        item_VK, item_bias_V = self._items()
        score_BV = torch.addmm(item_bias_V + self.offset, user_BK, item_VK.T).add_(user_bias_B.unsqueeze(1))
        return self._scorable(score_BV, ~self.item.known)

    @torch.inference_mode()
    def score_items(self, user_B: NDArray[np.int64], known: Histories, item_BN: NDArray[np.int64]) -> NDArray[np.float32]:
        """Score given items: (B, N)."""
        user, item = self._to_device(user_B), self._to_device(item_BN)
        user_BK, user_bias_B = self.user(user)
        item_VK, item_bias_V = self._items()
        score_BN = item_bias_V[item] + self.offset + user_bias_B.unsqueeze(1)
        block = max(1, _BLOCK_CELLS // max(item.shape[1] * self.config.factors, 1))
        for start in range(0, len(user), block):
            rows = slice(start, start + block)
            score_BN[rows] += torch.matmul(item_VK[item[rows]], user_BK[rows].unsqueeze(2)).squeeze(2)
        return self._scorable(score_BN, ~self.item.known[item])

    @torch.inference_mode()
    def similar(self, item_B: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the cosine between the items' summed vectors: (B, V)."""
        item = self._to_device(item_B)
        item_VK = functional.normalize(self._items()[0], dim=1)
        score_BV = item_VK[item] @ item_VK.T
        score_BV[torch.arange(len(item)), item] = -torch.inf
        return self._scorable(score_BV, ~self.item.known)

    def _items(self) -> tuple[Tensor, Tensor]:
        """Return vectors and biases of the whole catalogue: (V, K), (V,)."""
        vectors: tuple[Tensor, Tensor] = self.item(torch.arange(len(self.item.trained), device=self.offset.device))
        return vectors

    def _drop(self, x: Tensor) -> Tensor:
        return functional.dropout(x, self.config.dropout, self.training) if self.config.dropout else x

    def _to_device(self, codes: NDArray[np.int64]) -> Tensor:
        return torch.tensor(codes, dtype=torch.int64, device=self.offset.device)

    def _scorable(self, score: Tensor, unknown: Tensor) -> NDArray[np.float32]:
        array: NDArray[np.float32] = score.masked_fill_(unknown, -torch.inf).cpu().numpy()
        return array


def _empty_side(state: Mapping[str, NDArray[Any]], name: str, factors: int) -> Side:
    """Make a side of the right shapes, to be filled from a state."""
    trained_N = np.asarray(state[f"{name}.trained"], np.bool_)
    n_rows, n_features = state[f"{name}.code"].shape
    shape = (n_rows, n_features - 1)
    size = len(state[f"{name}.vector.weight"]) - n_rows
    return Side(Fields((), size, np.zeros(shape, np.int32), np.zeros(shape, np.float32)), trained_N, factors)
