"""MF: matrix factorisation by a dot product with biases, trained on sampled negatives."""

# B shoppers   N items a shopper, the positive first   U users of the dataset   V items of the catalogue   D dimensions

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from aisle.errors import AisleError, did_you_mean
from aisle.features.histories import Histories

LOSSES = ("logistic", "bpr", "softmax")


@dataclass(frozen=True)
class MFConfig:
    """How wide, what is minimised, and what holds the vectors back.

    Attributes:
        factors: width of the vectors.
        loss: "logistic" tells each positive and each negative from the other kind, "bpr" a positive from each of its
            negatives, "softmax" a positive from all its negatives together.
        regularisation: L2 on the vectors and biases of a batch, so that it holds a row back as often as the row is drawn.
        dropout: share of the entries of the users' vectors that is zeroed in training.
        init_std: standard deviation of the vectors before training.
    """

    factors: int = 64
    loss: Literal["logistic", "bpr", "softmax"] = "logistic"
    regularisation: float = 0.005
    dropout: float = 0.0
    init_std: float = 0.1

    def __post_init__(self) -> None:
        if self.loss not in LOSSES:
            raise AisleError(f"MF's loss is {self.loss!r}", hint=did_you_mean(str(self.loss), LOSSES), code="E326")
        if self.factors < 1 or not self.init_std > 0 or not self.regularisation >= 0 or not 0 <= self.dropout < 1:
            raise AisleError(
                f"MF needs factors of at least 1, init_std above 0, regularisation of 0 or more, 0 <= dropout < 1; seen {self}",
                hint="start from factors=64, regularisation=0.005, dropout=0.0, init_std=0.1",
                code="E326",
            )


class MF(nn.Module):
    """Score a pair by the product of two vectors plus the item's and the user's bias.

    Args:
        config: how wide, and how it learns.
        trained_U: (U,) bool, the users with training events. The others have no vector of their own: zeros.
        trained_V: (V,) bool, the items with training events. The others cannot be scored: -inf.

    Source: Rendle et al. (2020), Neural Collaborative Filtering vs. Matrix Factorization Revisited (the logistic loss and the
    regularisation of sampled rows); Rendle et al. (2009) for BPR. We take large batches and Adam where they take single steps.
    """

    trained_users: Tensor
    trained_items: Tensor

    def __init__(self, config: MFConfig, trained_U: NDArray[np.bool_], trained_V: NDArray[np.bool_]) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("trained_users", torch.tensor(trained_U))
        self.register_buffer("trained_items", torch.tensor(trained_V))
        self.user = nn.Embedding(len(trained_U), config.factors)
        self.item = nn.Embedding(len(trained_V), config.factors)
        self.user_bias = nn.Embedding(len(trained_U), 1)
        self.item_bias = nn.Embedding(len(trained_V), 1)

    @classmethod
    def untrained(cls, config: MFConfig, train: Histories, n_items: int, *, seed: int) -> MF:
        """Make random vectors, and biases of zero, for the users and items of a training part.

        Args:
            config: how wide.
            train: one history a user.
            n_items: items in the catalogue.
            seed: fixes the vectors.
        """
        model = cls(config, train.lengths > 0, np.bincount(train.item, minlength=n_items) > 0)
        generator = torch.Generator().manual_seed(seed)
        for table in (model.user, model.item):
            nn.init.normal_(table.weight, std=config.init_std, generator=generator)
        for table in (model.user_bias, model.item_bias):
            nn.init.zeros_(table.weight)
        return model

    @classmethod
    def from_state(cls, config: MFConfig, state: Mapping[str, NDArray[Any]]) -> MF:
        """Rebuild from what `state` returned."""
        model = cls(config, state["trained_users"], state["trained_items"])
        model.load_state_dict({name: torch.tensor(array) for name, array in state.items()})
        return model.eval()

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the arrays that make this model."""
        return {name: tensor.detach().cpu().numpy().copy() for name, tensor in self.state_dict().items()}

    def forward(self, user_B: Tensor, item_BN: Tensor) -> Tensor:
        """Return the score of every pair: (B,) and (B, N) int64 -> (B, N)."""
        return self._product(*self._users(user_B), self.item(item_BN), self.item_bias(item_BN).squeeze(2))

    def loss(self, user_B: Tensor, item_BN: Tensor) -> Tensor:
        """Return the mean loss of the configured kind; column 0 of item_BN holds the positives, the others negatives."""
        score_BN = self(user_B, item_BN).float()
        if self.config.loss == "logistic":
            loss = functional.softplus(torch.cat([-score_BN[:, :1], score_BN[:, 1:]], dim=1)).mean()
        elif self.config.loss == "bpr":
            loss = functional.softplus(score_BN[:, 1:] - score_BN[:, :1]).mean()
        else:
            loss = (score_BN.logsumexp(dim=1) - score_BN[:, 0]).mean()
        return loss + self.config.regularisation * self._drawn_size(user_B, item_BN) if self.config.regularisation else loss

    def knows(self, user_B: NDArray[np.int64], known: Histories) -> NDArray[np.bool_]:
        """Return who was there in training: (B,). This model reads ids, no histories."""
        trained_U = self.trained_users.cpu().numpy()
        return (user_B >= 0) & trained_U[np.maximum(user_B, 0)] if len(trained_U) else np.zeros(len(user_B), np.bool_)

    @torch.inference_mode()
    def score(self, user_B: NDArray[np.int64], known: Histories) -> NDArray[np.float32]:
        """Score the whole catalogue: (B, V)."""
        user_BD, bias_B1 = self._users(self._to_device(user_B))
        score_BV = torch.addmm(bias_B1 + self.item_bias.weight.T, user_BD, self.item.weight.T)
        return self._scorable(score_BV, ~self.trained_items)

    @torch.inference_mode()
    def score_items(self, user_B: NDArray[np.int64], known: Histories, item_BN: NDArray[np.int64]) -> NDArray[np.float32]:
        """Score given items: (B, N)."""
        user, item = self._to_device(user_B), self._to_device(item_BN)
        was_training = self.training
        self.eval()
        score_BN = self(user, item)
        self.train(was_training)
        return self._scorable(score_BN, ~self.trained_items[item])

    @torch.inference_mode()
    def similar(self, item_B: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the cosine between the items' vectors: (B, V)."""
        item_VD = functional.normalize(self.item.weight, dim=1)
        item = self._to_device(item_B)
        score_BV = item_VD[item] @ item_VD.T
        score_BV[torch.arange(len(item)), item] = -torch.inf
        return self._scorable(score_BV, ~self.trained_items)

    def _product(self, user_BD: Tensor, user_bias_B1: Tensor, item_BND: Tensor, item_bias_BN: Tensor) -> Tensor:
        if self.config.dropout:
            user_BD = functional.dropout(user_BD, self.config.dropout, self.training)
        return torch.matmul(item_BND, user_BD.unsqueeze(2)).squeeze(2) + item_bias_BN + user_bias_B1

    def _users(self, user_B: Tensor) -> tuple[Tensor, Tensor]:
        """Look vectors and biases up, (B, D) and (B, 1); zeros for those of whom nothing was learned."""
        row_B = user_B.clamp(min=0)
        known_B1 = ((user_B >= 0) & self.trained_users[row_B]).unsqueeze(1)
        return self.user(row_B) * known_B1, self.user_bias(row_B) * known_B1

    def _drawn_size(self, user_B: Tensor, item_BN: Tensor) -> Tensor:
        """Return the mean squared length of the rows drawn; counting rows is quicker than squaring every copy of them."""
        size = self.item.weight.new_zeros(())
        for code, tables in ((user_B, (self.user, self.user_bias)), (item_BN, (self.item, self.item_bias))):
            share_R = torch.bincount(code.flatten(), minlength=len(tables[0].weight)) / code.numel()
            size = size + sum(share_R @ table.weight.square().sum(dim=1) for table in tables)
        return size

    def _to_device(self, codes: NDArray[np.int64]) -> Tensor:
        return torch.tensor(codes, dtype=torch.int64, device=self.item.weight.device)

    def _scorable(self, score: Tensor, unknown: Tensor) -> NDArray[np.float32]:
        array: NDArray[np.float32] = score.masked_fill_(unknown, -torch.inf).cpu().numpy()
        return array
