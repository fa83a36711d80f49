"""FM: a factorisation machine over user, item, side features and context; new items are scored by what they are."""

# B questions   N items a question   U users of the dataset   V items of the catalogue   F features or columns   K factors
# S histories of a batch   E items of all of them

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from aisle.errors import AisleError
from aisle.features.fields import ContextTable, Fields, join
from aisle.features.histories import Histories
from aisle.models.sides import Circumstances, Crosses, Rated, Side

_BLOCK_CELLS = 1024 * 1024


@dataclass(frozen=True)
class FMConfig:
    """How wide, what it reads, and what it learns to say.

    Attributes:
        factors: width of the vector of each feature.
        init_std: standard deviation of the vectors before training.
        dropout: share of the entries of the summed vectors that is zeroed in training.
        side: read the side features of users and items.
        context: read the log's context columns: the circumstances of an event, and of a question. Or the names of those to read.
        hash_size: a side feature or context column of more distinct values shares so many rows, by hash; None gives every
            value its own.
        crosses: rows of a table of vectors for what one user does in one context value, such as on Mondays, by hash; 0 has none.
        own_negatives: negatives may be the user's own items too, for questions in which these compete (`split.repeats`).
        loss: "logistic" tells events from drawn negatives; "softmax" each event from the whole catalogue, for catalogues of
            some thousand items. "squared" predicts the ratings in the column `weight`.
        implicit: also read which items a user has rated, whatever the rating (SVD++); for "squared".
    """

    factors: int = 32
    init_std: float = 0.05
    dropout: float = 0.0
    side: bool = True
    context: bool | tuple[str, ...] = True
    hash_size: int | None = None
    crosses: int = 0
    own_negatives: bool = False
    loss: Literal["logistic", "softmax", "squared"] = "logistic"
    implicit: bool = False

    def __post_init__(self) -> None:
        if self.factors < 1 or not self.init_std > 0 or not 0 <= self.dropout < 1:
            raise AisleError(
                f"FM needs factors >= 1, init_std > 0 and 0 <= dropout < 1; seen {self}",
                hint="start from factors=32, init_std=0.05, dropout=0.0",
                code="E304",
            )
        if (self.hash_size is not None and self.hash_size < 1) or self.crosses < 0:
            raise AisleError(
                f"FM's hash_size is {self.hash_size} and crosses {self.crosses}; expected 1 and 0 or more",
                hint="leave them out to hash and cross nothing",
                code="E304",
            )
        if self.implicit and self.loss != "squared":
            raise AisleError(
                "FM's implicit = true reads the item that is to be ranked among the user's own: its event would give it away",
                hint='use it with loss = "squared", where the rating is what is not known',
                code="E304",
            )


class FM(nn.Module):
    """Every pair of features meets in the dot product of their vectors, in linear time.

    All pairs of user and item features together are the dot product of the two summed vectors, so a full-catalogue score
    is one matrix product.

    Who asks and in which circumstances is one sum of vectors, the item another; all pairs across are their dot product.

    Args:
        config: how wide.
        user: the users' side.
        item: the items' side; an item with nothing learned about it cannot be scored: -inf.
        context: the side of the circumstances; None for a machine that reads none.

    Source: Rendle (2010), Factorization Machines. We depart in the loss: implicit ranking with sampled negatives; and in
    `implicit` and `crosses`, whose vectors meet those of the item alone, the first as in SVD++.
    """

    def __init__(self, config: FMConfig, user: Side, item: Side, context: Circumstances | None = None) -> None:
        super().__init__()
        self.config = config
        self.user = user
        self.item = item
        self.context = context
        self.crosses = None
        if config.crosses and context is not None:
            self.crosses = Crosses(context.start, config.crosses, config.factors)
        self.rated = Rated(len(item.trained), config.factors) if config.implicit else None
        self.offset = nn.Parameter(torch.zeros(()))

    @classmethod
    def untrained(  # noqa: PLR0913 - everything that it may read, named
        cls,
        config: FMConfig,
        train: Histories,
        n_items: int,
        *,
        seed: int,
        item_fields: Fields | None = None,
        user_fields: Fields | None = None,
        context: ContextTable | None = None,
        mean: float = 0.0,
    ) -> FM:
        """Make a machine with random vectors for the users and items of a training part.

        Args:
            config: how wide.
            train: one history a user.
            n_items: items in the catalogue.
            seed: fixes the vectors.
            item_fields: side features of the items, (V, F).
            user_fields: side features of the users, (U, F).
            context: the values of the context columns; None for a log without.
            mean: what is said before anything is learned, such as the mean rating.
        """
        trained_U, trained_V = train.lengths > 0, np.bincount(train.item, minlength=n_items) > 0
        user = Side(user_fields or join([], trained_U), trained_U, config.factors)
        item = Side(item_fields or join([], trained_V), trained_V, config.factors)
        model = cls(config, user, item, None if context is None else Circumstances(context, config.factors))
        generator = torch.Generator().manual_seed(seed)
        for part in (model.user, model.item, model.context, model.rated):
            if part is not None:
                nn.init.normal_(part.vector.weight, std=config.init_std, generator=generator)
            if isinstance(part, Side | Circumstances):
                nn.init.zeros_(part.bias.weight)
        if model.crosses is not None:  # a pair that was never seen adds nothing, but for those it shares a row with
            nn.init.zeros_(model.crosses.vector.weight)
        nn.init.constant_(model.offset, mean)
        return model

    @classmethod
    def from_state(cls, config: FMConfig, state: Mapping[str, NDArray[Any]]) -> FM:
        """Rebuild from what `state` returned."""
        user, item = (Side.empty(state, name, config.factors) for name in ("user", "item"))
        model = cls(config, user, item, Circumstances.empty(state, "context", config.factors))
        model.load_state_dict({name: torch.tensor(array) for name, array in state.items()})
        return model.eval()

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the arrays that make this model."""
        return {name: tensor.detach().cpu().numpy().copy() for name, tensor in self.state_dict().items()}

    def forward(
        self, user_B: Tensor, item_BN: Tensor, context_BF: Tensor | None = None, rated_BK: Tensor | None = None
    ) -> Tensor:
        """Return the logit, or the rating, of every pair: (B,) and (B, N) int64 -> (B, N)."""
        question_BK, bias_B = self.ask(user_B, context_BF, rated_BK)
        item_BNK, item_bias_BN = self.item(item_BN)
        dot_BN = torch.matmul(self._drop(item_BNK), self._drop(question_BK).unsqueeze(2)).squeeze(2)
        said_BN: Tensor = dot_BN + item_bias_BN + bias_B.unsqueeze(1) + self.offset
        return said_BN

    def ask(self, user_B: Tensor, context_BF: Tensor | None = None, rated_BK: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Sum up who asks, in which circumstances, having rated what: (B, K) and the terms without an item (B,)."""
        question_BK, bias_B = self.user(user_B)
        if self.context is not None and context_BF is not None:
            context_BK, context_bias_B = self.context(context_BF)
            bias_B = bias_B + context_bias_B + (question_BK * context_BK).sum(dim=1)
            question_BK = question_BK + context_BK
        if self.crosses is not None and self.context is not None and context_BF is not None:
            question_BK = question_BK + self.crosses(user_B, self.context.learned(context_BF))
        return question_BK if rated_BK is None else question_BK + rated_BK, bias_B

    def loss(self, user_B: Tensor, item_BN: Tensor, *more: Tensor) -> Tensor:
        """Return the mean loss of a batch, as `train.sampler` or `train.ratings` makes it for this machine's loss."""
        if self.config.loss == "squared":
            return self._squared_loss(user_B, item_BN, *more)
        if self.config.loss == "softmax":
            return self._softmax_loss(user_B, item_BN[:, 0], *more)
        return self._logistic_loss(user_B, item_BN, *more)

    def _softmax_loss(self, user_B: Tensor, item_B: Tensor, context_BF: Tensor | None = None) -> Tensor:
        """Return the mean cross-entropy of each event's item against every item that something is known about."""
        question_BK, _ = self.ask(user_B, context_BF)
        item_VK, item_bias_V = self._items()
        logit_BV = torch.addmm(item_bias_V, self._drop(question_BK), self._drop(item_VK).T).float()
        return functional.cross_entropy(logit_BV.masked_fill(~self.item.known, -torch.inf), item_B)

    def _logistic_loss(self, user_B: Tensor, item_BN: Tensor, context_BF: Tensor | None = None) -> Tensor:
        """Return the mean logistic loss; column 0 of item_BN holds the positives, the others negatives."""
        logit_BN = self(user_B, item_BN, context_BF).float()
        wrong_BN = torch.cat([-logit_BN[:, :1], logit_BN[:, 1:]], dim=1)
        return functional.softplus(wrong_BN).mean()

    def _squared_loss(self, user_B: Tensor, item_B1: Tensor, rating_B: Tensor, context_BF: Tensor, *rated: Tensor) -> Tensor:
        """Return the mean squared error; `rated` says which of the S histories of a batch is whose, and holds them."""
        rated_BK = None
        if self.rated is not None:
            row_B, item_E, offset_S = rated
            rated_BK = functional.embedding(row_B, self.rated(item_E, offset_S))
        said_B = self(user_B, item_B1, context_BF, rated_BK).squeeze(1).float()
        return functional.mse_loss(said_B, rating_B)

    def knows(self, user_B: NDArray[np.int64], known: Histories) -> NDArray[np.bool_]:
        """Return who was there in training, has a side feature, or asks in circumstances that were: (B,)."""
        known_U = self.user.known.cpu().numpy()
        known_B: NDArray[np.bool_] = (user_B >= 0) & known_U[np.maximum(user_B, 0)]
        if self.context is not None and known.context is not None:
            known_B = known_B | (self.context.rows(self._to_device(known.context)) >= 0).any(dim=1).cpu().numpy()
        return known_B if self.rated is None else known_B | (known.lengths > 0)

    def _question(self, user_B: NDArray[np.int64], known: Histories) -> tuple[Tensor, Tensor]:
        context_BF = None if known.context is None else self._to_device(known.context)
        return self.ask(self._to_device(user_B), context_BF, None if self.rated is None else self.rated.of(known))

    @torch.inference_mode()
    def score(self, user_B: NDArray[np.int64], known: Histories) -> NDArray[np.float32]:
        """Score the whole catalogue: (B, V)."""
        question_BK, bias_B = self._question(user_B, known)
        item_VK, item_bias_V = self._items()
        score_BV = torch.addmm(item_bias_V + self.offset, question_BK, item_VK.T).add_(bias_B.unsqueeze(1))
        return self._scorable(score_BV, ~self.item.known)

    @torch.inference_mode()
    def score_items(self, user_B: NDArray[np.int64], known: Histories, item_BN: NDArray[np.int64]) -> NDArray[np.float32]:
        """Score given items: (B, N)."""
        question_BK, bias_B = self._question(user_B, known)
        item = self._to_device(item_BN)
        item_VK, item_bias_V = self._items()
        score_BN = item_bias_V[item] + self.offset + bias_B.unsqueeze(1)
        block = max(1, _BLOCK_CELLS // max(item.shape[1] * self.config.factors, 1))
        for start in range(0, len(item), block):
            rows = slice(start, start + block)
            score_BN[rows] += torch.matmul(item_VK[item[rows]], question_BK[rows].unsqueeze(2)).squeeze(2)
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

    def _to_device(self, codes: NDArray[np.integer]) -> Tensor:
        return torch.tensor(codes, dtype=torch.int64, device=self.offset.device)

    def _scorable(self, score: Tensor, unknown: Tensor) -> NDArray[np.float32]:
        array: NDArray[np.float32] = score.masked_fill_(unknown, -torch.inf).cpu().numpy()
        return array
