"""NCF: neural collaborative filtering in its three forms, GMF, MLP and NeuMF."""

# B shoppers   N items a shopper   U users of the dataset   V items of the catalogue   R users in a block
# F factors of GMF   M width of the MLP's embeddings   H width of the first hidden layer   D width of a later one

from __future__ import annotations

import math
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

HEADS = ("neumf", "gmf", "mlp")
_INIT_STD = 0.01  # He et al. draw embeddings from N(0, 0.01)
_BLOCK_CELLS = 512 * 1024  # hidden cells at once: 2 MB as float32, about what two cores keep in their L2 caches
_CUDA_BLOCK_CELLS = 64 * 1024 * 1024


@dataclass(frozen=True)
class NCFConfig:
    """Which network, and how wide.

    Attributes:
        head: "gmf" multiplies a user and an item embedding, "mlp" sends them through hidden layers, "neumf" does both.
        factors: width of GMF's embeddings.
        mlp_factors: width of the MLP's user embedding and of its item embedding.
        hidden: widths of the MLP's hidden layers; the first reads both embeddings.
        dropout: share of the inputs of every hidden layer that is zeroed in training.
        regularisation: L2 on the embeddings of a batch, so that it holds a row back as often as the row is drawn.
        pretrain_epochs: for "neumf": train GMF and the MLP alone for so many epochs each, and start from both; 0 starts from
            random weights.
    """

    head: Literal["neumf", "gmf", "mlp"] = "neumf"
    factors: int = 8
    mlp_factors: int = 32
    hidden: tuple[int, ...] = (32, 16, 8)
    dropout: float = 0.0
    regularisation: float = 0.0
    pretrain_epochs: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "hidden", tuple(self.hidden))  # TOML and JSON have lists only
        if self.head not in HEADS:
            raise AisleError(f"NCF head is {self.head!r}", hint=did_you_mean(str(self.head), HEADS), code="E303")
        if min(self.factors, self.mlp_factors, len(self.hidden), *self.hidden) < 1 or not 0 <= self.dropout < 1:
            raise AisleError(
                f"NCF needs widths of at least 1, one or more hidden layers and 0 <= dropout < 1; seen {self}",
                hint="start from factors=8, mlp_factors=32, hidden=[32, 16, 8], dropout=0.0",
                code="E303",
            )
        if not self.regularisation >= 0 or self.pretrain_epochs < 0 or (self.pretrain_epochs and self.head != "neumf"):
            raise AisleError(
                f"NCF needs regularisation and pretrain_epochs of 0 or more, the latter 0 unless head is neumf; seen {self}",
                hint="leave them out, or set regularisation to one such as 1e-4 and pretrain_epochs to one such as 10",
                code="E303",
            )


class NCF(nn.Module):
    """Score a pair by its two ids alone.

    The network is the paper's; its first hidden layer is kept as two halves, since W [u; i] = W_user u + W_item i: in
    training the user half is computed once for a positive and its negatives, in scoring each half once a user and an item.

    Args:
        config: which network.
        trained_U: (U,) bool, the users with training events. The others have no embedding of their own: zeros.
        trained_V: (V,) bool, the items with training events. The others cannot be scored: -inf.

    Source: He et al. (2017), Neural Collaborative Filtering. The regularisation of sampled rows is Rendle et al.'s (2020).
    """

    trained_users: Tensor
    trained_items: Tensor

    def __init__(self, config: NCFConfig, trained_U: NDArray[np.bool_], trained_V: NDArray[np.bool_]) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("trained_users", torch.tensor(trained_U))
        self.register_buffer("trained_items", torch.tensor(trained_V))
        n_users, n_items, width = len(trained_U), len(trained_V), 0
        if config.head != "mlp":
            self.user_gmf = nn.Embedding(n_users, config.factors)
            self.item_gmf = nn.Embedding(n_items, config.factors)
            width += config.factors
        if config.head != "gmf":
            self.user_mlp = nn.Embedding(n_users, config.mlp_factors)
            self.item_mlp = nn.Embedding(n_items, config.mlp_factors)
            self.first_user = nn.Linear(config.mlp_factors, config.hidden[0])
            self.first_item = nn.Linear(config.mlp_factors, config.hidden[0], bias=False)
            pairs = zip(config.hidden[:-1], config.hidden[1:], strict=True)
            self.deeper = nn.ModuleList(nn.Linear(wide, narrow) for wide, narrow in pairs)
            width += config.hidden[-1]
        self.out = nn.Linear(width, 1)

    @classmethod
    def untrained(cls, config: NCFConfig, train: Histories, n_items: int, *, seed: int) -> NCF:
        """Make a network with random weights for the users and items of a training part.

        Args:
            config: which network.
            train: one history a user.
            n_items: items in the catalogue.
            seed: fixes the weights.
        """
        model = cls(config, train.lengths > 0, np.bincount(train.item, minlength=n_items) > 0)
        model._draw_weights(torch.Generator().manual_seed(seed))
        return model

    @classmethod
    def from_state(cls, config: NCFConfig, state: Mapping[str, NDArray[Any]]) -> NCF:
        """Rebuild from what `state` returned."""
        model = cls(config, state["trained_users"], state["trained_items"])
        model.load_state_dict({name: torch.tensor(array) for name, array in state.items()})
        return model.eval()

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the arrays that make this model."""
        return {name: tensor.detach().cpu().numpy().copy() for name, tensor in self.state_dict().items()}

    def forward(self, user_B: Tensor, item_BN: Tensor) -> Tensor:
        """Return the logit of every pair: (B,) and (B, N) int64 -> (B, N)."""
        gmf_F, mlp_D = self._out_halves()
        logit_BN = self.out.bias.expand(item_BN.shape)
        if gmf_F is not None:
            user_BF = self._rows(self.user_gmf, user_B) * gmf_F
            logit_BN = logit_BN + torch.matmul(self.item_gmf(item_BN), user_BF.unsqueeze(2)).squeeze(2)
        if mlp_D is not None:
            user_BH = self.first_user(self._drop(self._rows(self.user_mlp, user_B)))
            item_BNH = self.first_item(self._drop(self.item_mlp(item_BN)))
            hidden_BND = functional.relu(user_BH.unsqueeze(1) + item_BNH)
            for layer in self.deeper:
                hidden_BND = functional.relu(layer(self._drop(hidden_BND)))
            logit_BN = logit_BN + torch.matmul(hidden_BND, mlp_D)
        return logit_BN

    def loss(self, user_B: Tensor, item_BN: Tensor) -> Tensor:
        """Return the mean logistic loss; column 0 of item_BN holds the positives, the others negatives."""
        logit_BN = self(user_B, item_BN).float()
        wrong_BN = torch.cat([-logit_BN[:, :1], logit_BN[:, 1:]], dim=1)
        loss = functional.softplus(wrong_BN).mean()
        return loss + self.config.regularisation * self._drawn_size(user_B, item_BN) if self.config.regularisation else loss

    @torch.no_grad()
    def start_from(self, gmf: NCF, mlp: NCF, gmf_share: float = 0.5) -> None:
        """Take over trained halves.

        Args:
            gmf: a network of the head "gmf" with the same widths.
            mlp: one of the head "mlp".
            gmf_share: weight of GMF's output beside the MLP's, alpha of the paper.
        """
        for half in (gmf, mlp):
            taken = {name: tensor for name, tensor in half.state_dict().items() if not name.startswith("out.")}
            self.load_state_dict(taken, strict=False)
        self.out.weight.copy_(torch.cat([gmf_share * gmf.out.weight, (1 - gmf_share) * mlp.out.weight], dim=1))
        self.out.bias.copy_(gmf_share * gmf.out.bias + (1 - gmf_share) * mlp.out.bias)

    def knows(self, user_B: NDArray[np.int64], known: Histories) -> NDArray[np.bool_]:
        """Return who was there in training: (B,). This network reads ids, no histories."""
        trained_U = self.trained_users.cpu().numpy()
        return (user_B >= 0) & trained_U[np.maximum(user_B, 0)] if len(trained_U) else np.zeros(len(user_B), np.bool_)

    def score(self, user_B: NDArray[np.int64], known: Histories) -> NDArray[np.float32]:
        """Score the whole catalogue: (B, V)."""
        return self.score_shared(user_B, known, np.arange(len(self.trained_items)))

    @torch.inference_mode()
    def score_shared(self, user_B: NDArray[np.int64], known: Histories, item_N: NDArray[np.int64]) -> NDArray[np.float32]:
        """Score the same items for every shopper: (B,) and (N,) -> (B, N)."""
        user, item = self._to_device(user_B), self._to_device(item_N)
        gmf_F, mlp_D = self._out_halves()
        score_BN = self.out.bias.expand(len(user), len(item)).clone()
        if gmf_F is not None:
            score_BN.addmm_(self._rows(self.user_gmf, user) * gmf_F, self.item_gmf(item).T)
        if mlp_D is not None:
            self._add_mlp(score_BN, self.first_user(self._rows(self.user_mlp, user)), self.first_item(self.item_mlp(item)), mlp_D)
        return self._scorable(score_BN, ~self.trained_items[item])

    @torch.inference_mode()
    def score_items(self, user_B: NDArray[np.int64], known: Histories, item_BN: NDArray[np.int64]) -> NDArray[np.float32]:
        """Score given items: (B, N)."""
        user, item = self._to_device(user_B), self._to_device(item_BN)
        was_training = self.training
        self.eval()
        block = max(1, self._block_cells() // max(item.shape[1] * max(self.config.hidden), 1))
        parts = [self(user[start : start + block], item[start : start + block]) for start in range(0, len(user), block)]
        self.train(was_training)
        score_BN = torch.cat(parts) if parts else self.out.weight.new_empty(item.shape)
        return self._scorable(score_BN, ~self.trained_items[item])

    @torch.inference_mode()
    def similar(self, item_B: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the cosine between the items' embeddings, GMF's and the MLP's side by side: (B, V)."""
        tables: list[Tensor] = [self.get_parameter(f"{name}.weight") for name in ("item_gmf", "item_mlp") if hasattr(self, name)]
        item_VF = functional.normalize(torch.cat(tables, dim=1), dim=1)
        item = self._to_device(item_B)
        score_BV = item_VF[item] @ item_VF.T
        score_BV[torch.arange(len(item)), item] = -torch.inf
        return self._scorable(score_BV, ~self.trained_items)

    def _add_mlp(self, score_BN: Tensor, user_BH: Tensor, item_NH: Tensor, mlp_D: Tensor) -> None:
        """Add the MLP's part of the score of every pair, one cache-sized block of pairs after another."""
        # relu(u + i) = max(u, -i) + i, and what the next layer makes of the lone i is the same for every user: one pass
        # over the widest block instead of two, the rest are big matrix products written in place.
        layers: list[tuple[Tensor, Tensor]] = [
            (layer.get_parameter("weight"), layer.get_parameter("bias")) for layer in self.deeper
        ]
        layers.append((mlp_D.unsqueeze(0), mlp_D.new_zeros(1)))
        all_base_ND = functional.linear(item_NH, *layers[0])
        all_minus_NH = -item_NH
        widths = [item_NH.shape[1], *(len(weight) for weight, _ in layers)]
        items = max(1, min(score_BN.shape[1], self._block_cells() // widths[0]))
        users = max(1, self._block_cells() // (widths[0] * items))
        buffers = [score_BN.new_empty(users * items * width) for width in widths]
        for part in map(slice, range(0, score_BN.shape[1], items), range(items, score_BN.shape[1] + items, items)):
            minus_NH, base_ND = all_minus_NH[part], all_base_ND[part]
            block: list[Tensor] = []
            for first_user in range(0, len(score_BN), users):
                target = score_BN[first_user : first_user + users, part]
                # The views are made once for all blocks but the last: at a block a user they would cost as much as a layer.
                if not block or block[0].shape[:2] != target.shape:
                    block = [
                        buffer[: target.numel() * width].view(*target.shape, width)
                        for buffer, width in zip(buffers, widths, strict=True)
                    ]
                    flat, scores = [rows.view(-1, rows.shape[-1]) for rows in block], block[-1].squeeze(-1)
                torch.maximum(user_BH[first_user : first_user + users].unsqueeze(1), minus_NH, out=block[0])
                block[1].copy_(base_ND)
                _through(layers, flat)
                target.add_(scores)

    def _draw_weights(self, generator: torch.Generator) -> None:
        """Draw embeddings as He et al. do, layers by Glorot's formula."""
        halves = (getattr(self, "first_user", None), getattr(self, "first_item", None))
        for module in self.modules():
            if isinstance(module, nn.Embedding):
                nn.init.normal_(module.weight, std=_INIT_STD, generator=generator)
            elif isinstance(module, nn.Linear):
                fan_in = module.in_features * (2 if module in halves else 1)
                bound = math.sqrt(6 / (fan_in + module.out_features))
                nn.init.uniform_(module.weight, -bound, bound, generator=generator)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def _drawn_size(self, user_B: Tensor, item_BN: Tensor) -> Tensor:
        """Return the mean squared length of the embeddings drawn; counting rows is quicker than squaring every copy of them."""
        size = self.out.weight.new_zeros(())
        for name, code in (("user", user_B), ("item", item_BN)):
            tables = [self.get_parameter(f"{name}_{half}.weight") for half in ("gmf", "mlp") if hasattr(self, f"{name}_{half}")]
            share_R = torch.bincount(code.flatten(), minlength=len(tables[0])) / code.numel()
            size = size + sum(share_R @ table.square().sum(dim=1) for table in tables)
        return size

    def _out_halves(self) -> tuple[Tensor | None, Tensor | None]:
        """Return the output weights of GMF's products and of the MLP's last layer, None for the half that is not there."""
        weight = self.out.weight[0]
        factors = 0 if self.config.head == "mlp" else self.config.factors
        return (weight[:factors] if factors else None), (weight[factors:] if self.config.head != "gmf" else None)

    def _rows(self, table: nn.Embedding, user_B: Tensor) -> Tensor:
        """Look users up; zeros for those of whom nothing was learned."""
        row_B = user_B.clamp(min=0)
        known_B = (user_B >= 0) & self.trained_users[row_B]
        looked_up: Tensor = table(row_B) * known_B.unsqueeze(1)
        return looked_up

    def _drop(self, x: Tensor) -> Tensor:
        return functional.dropout(x, self.config.dropout, self.training) if self.config.dropout else x

    def _to_device(self, codes: NDArray[np.int64]) -> Tensor:
        return torch.tensor(codes, dtype=torch.int64, device=self.out.weight.device)

    def _scorable(self, score: Tensor, unknown: Tensor) -> NDArray[np.float32]:
        array: NDArray[np.float32] = score.masked_fill_(unknown, -torch.inf).cpu().numpy()
        return array

    def _block_cells(self) -> int:
        return _CUDA_BLOCK_CELLS if self.out.weight.is_cuda else _BLOCK_CELLS


def _through(layers: list[tuple[Tensor, Tensor]], rows: list[Tensor]) -> None:
    """Send rows[0] through the layers, each written into the next rows; rows[1] holds what the first adds to."""
    rows[1].addmm_(rows[0], layers[0][0].T)
    for (weight, bias), before, after in zip(layers[1:], rows[1:-1], rows[2:], strict=True):
        torch.addmm(bias, before.relu_(), weight.T, out=after)
