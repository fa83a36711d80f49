"""DeepFM: a factorisation machine and a network over the same vectors; the network finds what pairs cannot say."""

# B questions   N items a question, or shared by all   U users   V items of the catalogue   F features of a row
# M columns of a side   K factors   D inputs of a question (M K)   E inputs of an item   H hidden units

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from aisle.errors import AisleError
from aisle.features.fields import ContextTable, Fields
from aisle.features.histories import Histories
from aisle.models.fm import FM, FMConfig
from aisle.models.sides import Circumstances, Side

_BLOCK_CELLS = 4 * 1024 * 1024


@dataclass(frozen=True)
class DeepFMConfig:
    """The machine and the network beside it.

    Attributes:
        head: "deep" sends all columns' vectors through hidden layers; "cross" multiplies them with their own mixtures, layer
            by layer (DCN v2).
        factors: width of the vector of each feature.
        hidden: widths of the hidden layers of "deep".
        cross_layers: how often "cross" multiplies.
        init_std: standard deviation of the vectors before training.
        own_negatives: negatives may be the user's own items too, for questions in which these compete (`split.repeats`).
        dropout: share of the inputs of every layer that is zeroed in training.
        side: read the side features of users and items.
        context: read the log's context columns, or the names of those to read.
        hash_size: a side feature or context column of more distinct values shares so many rows, by hash; None gives every
            value its own.
    """

    head: Literal["deep", "cross"] = "deep"
    factors: int = 16
    hidden: tuple[int, ...] = (64, 32)
    cross_layers: int = 2
    init_std: float = 0.05
    own_negatives: bool = False
    dropout: float = 0.0
    side: bool = True
    context: bool | tuple[str, ...] = True
    hash_size: int | None = None

    def __post_init__(self) -> None:
        if not self.hidden or min(self.hidden) < 1 or self.cross_layers < 1:
            raise AisleError(
                f"DeepFM needs hidden widths and cross_layers of 1 or more; seen {self}",
                hint="start from hidden=[64, 32], cross_layers=2",
                code="E313",
            )
        self.machine()

    def machine(self) -> FMConfig:
        """Return the config of the factorisation machine.

        Raises:
            AisleError: E304.
        """
        return FMConfig(self.factors, self.init_std, self.dropout, self.side, self.context, self.hash_size)


class Deep(nn.Module):
    """Hidden layers over a question's and an item's inputs side by side.

    The first layer is kept as two halves, since W [q; i] = W_q q + W_i i: each is computed once a question and an item.
    """

    def __init__(self, question_width: int, item_width: int, config: DeepFMConfig) -> None:
        super().__init__()
        self.dropout = config.dropout
        self.question = nn.Linear(question_width, config.hidden[0])
        self.item = nn.Linear(item_width, config.hidden[0], bias=False)
        pairs = zip(config.hidden[:-1], config.hidden[1:], strict=True)
        self.deeper = nn.ModuleList(nn.Linear(wide, narrow) for wide, narrow in pairs)
        self.out = nn.Linear(config.hidden[-1], 1)

    def forward(self, question_BD: Tensor, item_BNE: Tensor) -> Tensor:
        """Return the logit of every pair: (B, D) and (B, N, E), or (1, N, E) for shared items -> (B, N)."""
        hidden_BNH = functional.relu(self.question(question_BD).unsqueeze(1) + self.item(item_BNE))
        for layer in self.deeper:
            hidden_BNH = functional.relu(layer(_drop(hidden_BNH, self)))
        logit_BN: Tensor = self.out(_drop(hidden_BNH, self)).squeeze(2)
        return logit_BN


class Cross(nn.Module):
    """x_(l + 1) = x_0 * (W_l x_l + b_l) + x_l, then one output; x_0 is a question's and an item's inputs side by side.

    Source: Wang et al. (2021), DCN V2.
    """

    def __init__(self, question_width: int, item_width: int, config: DeepFMConfig) -> None:
        super().__init__()
        self.dropout = config.dropout
        width = question_width + item_width
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(config.cross_layers))
        self.out = nn.Linear(width, 1)

    def forward(self, question_BD: Tensor, item_BNE: Tensor) -> Tensor:
        """Return the logit of every pair, as `Deep` does."""
        shape = (len(question_BD), item_BNE.shape[1], -1)
        first = torch.cat([question_BD.unsqueeze(1).expand(shape), item_BNE.expand(shape)], dim=2)
        x = first
        for layer in self.layers:
            x = first * layer(_drop(x, self)) + x
        logit_BN: Tensor = self.out(_drop(x, self)).squeeze(2)
        return logit_BN


def _drop(x: Tensor, head: Deep | Cross) -> Tensor:
    return functional.dropout(x, head.dropout, head.training) if head.dropout else x


class DeepFM(nn.Module):
    """What the machine says about a pair and what the network says about it, added up.

    Args:
        config: machine and head.
        fm: the machine; its vectors are the network's inputs.
        user_column: (F,) int64, which column each feature of a user belongs to, the id being column 0.
        item_column: the same for items.

    Source: Guo et al. (2017), DeepFM. We depart in the loss: implicit ranking with sampled negatives.
    """

    user_column: Tensor
    item_column: Tensor

    def __init__(self, config: DeepFMConfig, fm: FM, user_column: NDArray[np.int64], item_column: NDArray[np.int64]) -> None:
        super().__init__()
        self.config = config
        self.fm = fm
        self.register_buffer("user_column", torch.tensor(user_column))
        self.register_buffer("item_column", torch.tensor(item_column))
        context_columns = 0 if fm.context is None else len(fm.context.start)
        widths = (int(user_column.max()) + 1 + context_columns, int(item_column.max()) + 1)
        head = Deep if config.head == "deep" else Cross
        self.head = head(widths[0] * config.factors, widths[1] * config.factors, config)

    @classmethod
    def untrained(  # noqa: PLR0913 - everything that it may read, named
        cls,
        config: DeepFMConfig,
        train: Histories,
        n_items: int,
        *,
        seed: int,
        item_fields: Fields | None = None,
        user_fields: Fields | None = None,
        context: ContextTable | None = None,
    ) -> DeepFM:
        """Make a model with random weights, see `FM.untrained`."""
        fm = FM.untrained(
            config.machine(), train, n_items, seed=seed, item_fields=item_fields, user_fields=user_fields, context=context
        )
        model = cls(config, fm, _columns(user_fields), _columns(item_fields))
        generator = torch.Generator().manual_seed(seed + 1)
        for layer in model.head.modules():
            if isinstance(layer, nn.Linear):
                bound = math.sqrt(6 / (layer.in_features + layer.out_features))
                nn.init.uniform_(layer.weight, -bound, bound, generator=generator)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
        return model

    @classmethod
    def from_state(cls, config: DeepFMConfig, state: Mapping[str, NDArray[Any]]) -> DeepFM:
        """Rebuild from what `state` returned."""
        machine = {name.removeprefix("fm."): array for name, array in state.items() if name.startswith("fm.")}
        fm = FM.from_state(config.machine(), machine)
        model = cls(config, fm, state["user_column"], state["item_column"])
        model.load_state_dict({name: torch.tensor(array) for name, array in state.items()})
        return model.eval()

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the arrays that make this model."""
        return {name: tensor.detach().cpu().numpy().copy() for name, tensor in self.state_dict().items()}

    def forward(self, user_B: Tensor, item_BN: Tensor, context_BF: Tensor | None = None) -> Tensor:
        """Return the logit of every pair: (B,) and (B, N) int64 -> (B, N)."""
        machine_BN = self.fm(user_B, item_BN, context_BF)
        logit_BN: Tensor = machine_BN + self.head(self._question(user_B, context_BF), self._items(item_BN))
        return logit_BN

    def loss(self, user_B: Tensor, item_BN: Tensor, context_BF: Tensor | None = None) -> Tensor:
        """Return the mean logistic loss; column 0 of item_BN holds the positives, the others negatives."""
        logit_BN = self(user_B, item_BN, context_BF).float()
        wrong_BN = torch.cat([-logit_BN[:, :1], logit_BN[:, 1:]], dim=1)
        return functional.softplus(wrong_BN).mean()

    def knows(self, user_B: NDArray[np.int64], known: Histories) -> NDArray[np.bool_]:
        """Return whom the machine knows: (B,)."""
        return self.fm.knows(user_B, known)

    def score(self, user_B: NDArray[np.int64], known: Histories) -> NDArray[np.float32]:
        """Score the whole catalogue: (B, V)."""
        return self.score_shared(user_B, known, np.arange(len(self.fm.item.trained)))

    @torch.inference_mode()
    def score_shared(self, user_B: NDArray[np.int64], known: Histories, item_N: NDArray[np.int64]) -> NDArray[np.float32]:
        """Score the same items for every question: (B,) and (N,) -> (B, N)."""
        with _evaluating(self):
            score_BN = self.fm.score(user_B, known)[:, item_N]
            item_1NE = self._items(self._codes(item_N).unsqueeze(0))
            for rows in self._blocks(len(user_B), len(item_N)):
                question_BD = self._question(self._codes(user_B[rows]), self._context(known.take(rows)))
                score_BN[rows] += self.head(question_BD, item_1NE).cpu().numpy()
        return score_BN

    @torch.inference_mode()
    def score_items(self, user_B: NDArray[np.int64], known: Histories, item_BN: NDArray[np.int64]) -> NDArray[np.float32]:
        """Score given items: (B, N)."""
        with _evaluating(self):
            score_BN = self.fm.score_items(user_B, known, item_BN)
            for rows in self._blocks(len(user_B), item_BN.shape[1]):
                question_BD = self._question(self._codes(user_B[rows]), self._context(known.take(rows)))
                score_BN[rows] += self.head(question_BD, self._items(self._codes(item_BN[rows]))).cpu().numpy()
        return score_BN

    def similar(self, item_B: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the cosine between the items' summed vectors: (B, V)."""
        return self.fm.similar(item_B)

    def _question(self, user_B: Tensor, context_BF: Tensor | None) -> Tensor:
        """Return the vectors of a user's columns and of the circumstances, side by side: (B, D)."""
        parts_BMK = _columns_of(self.fm.user, user_B, self.user_column)
        if self.fm.context is not None:
            parts_BMK = torch.cat([parts_BMK, _vectors_of(self.fm.context, context_BF, len(user_B))], dim=1)
        return parts_BMK.flatten(1)

    def _items(self, item_BN: Tensor) -> Tensor:
        """Return the vectors of items' columns side by side: (B, N) -> (B, N, E)."""
        return _columns_of(self.fm.item, item_BN, self.item_column).flatten(2)

    def _context(self, known: Histories) -> Tensor | None:
        return None if known.context is None else self._codes(known.context)

    def _codes(self, codes: NDArray[np.integer]) -> Tensor:
        return torch.tensor(codes, dtype=torch.int64, device=self.fm.offset.device)

    def _blocks(self, n_rows: int, n_items: int) -> list[NDArray[np.int64]]:
        """Cut rows so that a block's widest layer stays within bounds."""
        width = max(self.config.hidden) if isinstance(self.head, Deep) else 2 * self.head.out.in_features
        size = max(1, _BLOCK_CELLS // max(n_items * width, 1))
        return [np.arange(start, min(start + size, n_rows)) for start in range(0, n_rows, size)]


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Take dropout out for a while, and leave the mode as it was."""
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)


def _columns(fields: Fields | None) -> NDArray[np.int64]:
    """Return which column each feature belongs to; the id is column 0."""
    widths = () if fields is None else fields.widths
    return np.repeat(np.arange(len(widths) + 1), (1, *widths)).astype(np.int64)


def _columns_of(side: Side, row: Tensor, column_F: Tensor) -> Tensor:
    """Sum the features of each column: (...,) rows, -1 giving zeros -> (..., M, K)."""
    place = row.clamp(min=0)
    weight_F = side.weight[place] * (row >= 0).unsqueeze(-1)
    part_FK: Tensor = side.vector(side.code[place]) * weight_F.unsqueeze(-1)
    if part_FK.shape[-2] == int(column_F[-1]) + 1:  # one value a column: nothing to sum
        return part_FK
    belongs_MF = functional.one_hot(column_F).T.to(part_FK.dtype)
    return torch.matmul(belongs_MF, part_FK)


def _vectors_of(context: Circumstances, context_BF: Tensor | None, n_rows: int) -> Tensor:
    """Return the vector of each context column, zeros where it says nothing: (B, F, K)."""
    if context_BF is None:
        return context.vector.weight.new_zeros(n_rows, len(context.start), context.vector.embedding_dim)
    row_BF = context.rows(context_BF)
    vectors_BFK: Tensor = context.vector(row_BF.clamp(min=0)) * (row_BF >= 0).unsqueeze(-1)
    return vectors_BFK
