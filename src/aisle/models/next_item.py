"""What LSTM, SASRec and LiGR share: items and histories go in, every position learns to say what comes next."""

# B shoppers   L events of a history, padded on the right   T = L + 1   D width   V items of the catalogue   N items a shopper
# E kinds of event   K negatives, the same for the whole batch   P targets that count   C width of the items' content

from __future__ import annotations

from abc import ABC, abstractmethod
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
from aisle.features.padded import GAP_BUCKETS, padded
from aisle.models.next_item_loss import gbce_loss, sampled_softmax_loss, softmax_loss

LOSSES = ("softmax", "sampled-softmax", "gbce")
KINDS_OF_EVENT = 16  # rows of the table: room for every code of schema.events.Event
_SCORED_AT_ONCE = 128


@dataclass(frozen=True)
class NextItemConfig(ABC):
    """What the sequence models have in common.

    Attributes:
        width: of the embeddings and of the state.
        length: events of a history that are read, the latest; training cuts longer histories into windows.
        dropout: share of the embeddings and of each layer's output that is zeroed in training.
        loss: "softmax" over the whole catalogue, "sampled-softmax" or "gbce" over the target and `loss_negatives` items.
        loss_negatives: items drawn evenly, once a batch, for the sampled losses.
        calibration: of gBCE: 0 is plain binary cross-entropy, 1 undoes the overconfidence that sampling brings.
        tied: score with the embeddings that are read; False learns a table of its own for the output.
        temperature: divides the scores in the loss; 0 takes them as they are and never normalises. Above 0 the states and the
            items are scaled to length 1 first.
        event_types: also read what kind each event was.
        time_gaps: also read how long before an event the one before it was.
        target_events: kinds of event that it learns to foresee; empty means all. It reads the others all the same.
        event_weights: pairs such as ["view", 0.3]: how much such an event counts as a target; kinds not named count 1.
        content: width of what the catalogue says of an item, texts and categories (see `features.text`), that is read beside its
            id; 0 reads ids alone.
        init_std: standard deviation of the embeddings before training. Small lets content speak for rare items; where ids are all
            there is, 0.1 learns in fewer epochs.
    """

    width: int = 64
    length: int = 50
    dropout: float = 0.2
    loss: Literal["softmax", "sampled-softmax", "gbce"] = "softmax"
    loss_negatives: int = 256
    calibration: float = 0.75
    tied: bool = True
    temperature: float = 0.0
    event_types: bool = False
    time_gaps: bool = False
    target_events: tuple[str, ...] = ()
    event_weights: tuple[tuple[str, float], ...] = ()
    content: int = 0
    init_std: float = 0.02

    def __post_init__(self) -> None:
        pairs = tuple((str(name), float(weight)) for name, weight in self.event_weights)
        object.__setattr__(self, "event_weights", pairs)  # TOML and JSON have lists only
        object.__setattr__(self, "target_events", tuple(self.target_events))
        if self.loss not in LOSSES:
            raise AisleError(f"the loss is {self.loss!r}", hint=did_you_mean(str(self.loss), LOSSES), code="E360")
        sizes = (self.width, self.length, self.loss_negatives)
        shares_fit = 0 <= self.dropout < 1 and 0 <= self.calibration <= 1 and self.temperature >= 0 and self.content >= 0
        shares_fit = shares_fit and self.init_std > 0
        if min(sizes) < 1 or not shares_fit:
            raise AisleError(
                f"a sequence model needs width, length and loss_negatives of at least 1, 0 <= dropout < 1, 0 <= calibration <= "
                f"1, temperature >= 0, content >= 0 and init_std > 0; seen {self}",
                hint='start from width=64, length=50, dropout=0.2, loss="softmax"',
                code="E360",
            )

    @abstractmethod
    def encoder(self) -> nn.Module:
        """Return the untrained network between embeddings and state: (B, L, D) -> (B, L, D), a step sees no later one."""


class NextItem(nn.Module):
    """Read a history, expect the next item.

    Padding is on the right and every encoder is causal, so a padded step comes after everything that is used.

    Args:
        config: of one of the models; its `encoder` is what they differ in.
        trained_V: (V,) bool, items with training events. The others are read and scored only by their content.
        weight_E: (E,) float32, how much an event of each kind counts as a target.
        content_VC: (V, C) float32, what the catalogue says; rows of zeros have nothing. None reads ids alone.
    """

    trained: Tensor
    weight: Tensor
    content: Tensor

    def __init__(
        self,
        config: NextItemConfig,
        trained_V: NDArray[np.bool_],
        weight_E: NDArray[np.float32],
        content_VC: NDArray[np.float32] | None = None,
    ) -> None:
        super().__init__()
        self.config = config
        n_items = len(trained_V)
        self.register_buffer("trained", torch.tensor(trained_V))
        self.register_buffer("weight", torch.tensor(weight_E))
        self.register_buffer("content", torch.zeros(n_items, 0) if content_VC is None else torch.tensor(content_VC))
        self.item = nn.Embedding(n_items, config.width)
        if not config.tied:
            self.output = nn.Embedding(n_items, config.width)
        if config.event_types:
            self.event = nn.Embedding(KINDS_OF_EVENT, config.width)
        if config.time_gaps:
            self.gap = nn.Embedding(GAP_BUCKETS, config.width)
        if self.content.shape[1]:
            self.read_content = nn.Linear(self.content.shape[1], config.width, bias=False)
        self.encoder = config.encoder()

    @classmethod
    def untrained(
        cls,
        config: NextItemConfig,
        trained_V: NDArray[np.bool_],
        *,
        seed: int,
        weight_E: NDArray[np.float32] | None = None,
        content_VC: NDArray[np.float32] | None = None,
    ) -> NextItem:
        """Make a network with random weights.

        Args:
            config: which network.
            trained_V: (V,) bool, items with training events.
            seed: fixes the weights.
            weight_E: (E,) how much an event of each kind counts as a target; all alike by default.
            content_VC: (V, C) what the catalogue says of the items.
        """
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            weight_E = np.ones(256, np.float32) if weight_E is None else weight_E
            model = cls(config, trained_V, weight_E, content_VC)
            for module in model.modules():
                if isinstance(module, nn.Embedding):
                    nn.init.normal_(module.weight, std=config.init_std)
        return model

    @classmethod
    def from_state(cls, config: NextItemConfig, state: Mapping[str, NDArray[Any]]) -> NextItem:
        """Rebuild from what `state` returned."""
        content = np.asarray(state["content"], np.float32)
        model = cls(config, np.asarray(state["trained"], np.bool_), np.asarray(state["weight"], np.float32), content)
        model.load_state_dict({name: torch.tensor(array) for name, array in state.items()})
        return model.eval()

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the arrays that make this model."""
        return {name: tensor.detach().cpu().numpy().copy() for name, tensor in self.state_dict().items()}

    def forward(self, item_BL: Tensor, event_BL: Tensor, gap_BL: Tensor) -> Tensor:
        """Return the state after each event.

        Args:
            item_BL: (B, L) int64 item codes, -1 padded on the right.
            event_BL: (B, L) int64 kinds of event.
            gap_BL: (B, L) int64 buckets of the time since the event before.
        """
        place_BL = item_BL.clamp(min=0)
        x_BLD = self.item(place_BL) * self.trained[place_BL].unsqueeze(-1)
        if self.content.shape[1]:
            x_BLD = x_BLD + self.read_content(self.content[place_BL])
        if self.config.event_types:
            x_BLD = x_BLD + self.event(event_BL)
        if self.config.time_gaps:
            x_BLD = x_BLD + self.gap(gap_BL)
        x_BLD = functional.dropout(x_BLD, self.config.dropout, self.training)
        state_BLD = self._encode(x_BLD)
        return unit(state_BLD) if self.config.temperature else state_BLD

    def loss(self, item_BT: Tensor, event_BT: Tensor, gap_BT: Tensor) -> Tensor:
        """Return the mean loss over every event but the first of its row, weighted by its kind.

        Args:
            item_BT: (B, T) int64 item codes, -1 padded on the right.
            event_BT: (B, T) int64 kinds of event.
            gap_BT: (B, T) int64 buckets of the time since the event before.
        """
        state_BLD = self(item_BT[:, :-1], event_BT[:, :-1], gap_BT[:, :-1])
        target_BL = item_BT[:, 1:]
        weight_BL = self.weight[event_BT[:, 1:]] * (target_BL >= 0)
        counts = weight_BL > 0
        state_PD, target_P, weight_P = state_BLD[counts], target_BL[counts], weight_BL[counts]
        if not len(target_P):  # a batch of views where purchases alone are targets
            nothing: Tensor = state_BLD.sum() * 0.0
            return nothing
        state_PD = state_PD / (self.config.temperature or 1.0)
        if self.config.loss == "softmax":
            return softmax_loss(state_PD, self._outputs(), target_P, weight_P)
        right_P, wrong_PK = self._sampled(state_PD, target_P)
        if self.config.loss == "sampled-softmax":
            return sampled_softmax_loss(right_P, wrong_PK, weight_P)
        n_items = int(self.trained.sum())
        return gbce_loss(right_P, wrong_PK, weight_P, n_items=n_items, calibration=self.config.calibration)

    def _encode(self, x_BLD: Tensor) -> Tensor:
        state_BLD: Tensor = self.encoder(x_BLD)
        return state_BLD

    def _sampled(self, state_PD: Tensor, target_P: Tensor) -> tuple[Tensor, Tensor]:
        """Score the targets, and trained items drawn evenly: (P,), (P, K), -inf where a drawn item is the target."""
        trained = self.trained.nonzero().squeeze(1)
        drawn_K = trained[torch.randint(len(trained), (self.config.loss_negatives,), device=trained.device)]
        right_P = (state_PD * self._outputs(target_P)).sum(dim=1).float()
        wrong_PK = (state_PD @ self._outputs(drawn_K).T).float()
        return right_P, wrong_PK.masked_fill(drawn_K == target_P[:, None], -torch.inf)

    def knows(self, user_B: NDArray[np.int64], known: Histories) -> NDArray[np.bool_]:
        """Return whose history has an item that was learned about: (B,). Who the shopper is does not matter."""
        readable_V = self._known_items().cpu().numpy()
        return np.asarray(np.bincount(known.rows[readable_V[known.item]], minlength=len(known)) > 0)

    @torch.inference_mode()
    def score(self, user_B: NDArray[np.int64], known: Histories) -> NDArray[np.float32]:
        """Score the whole catalogue: (B, V)."""
        item_VD = self._outputs()
        score_BV = self.states(known) @ item_VD.T
        array: NDArray[np.float32] = score_BV.masked_fill_(~self._known_items(), -torch.inf).cpu().numpy()
        return array

    @torch.inference_mode()
    def score_items(self, user_B: NDArray[np.int64], known: Histories, item_BN: NDArray[np.int64]) -> NDArray[np.float32]:
        """Score given items: (B, N)."""
        item = torch.tensor(item_BN, dtype=torch.int64, device=self.trained.device)
        state_BD, item_VD = self.states(known), self._outputs()
        score_BN = state_BD.new_empty(item.shape)
        for start in range(0, len(item), _SCORED_AT_ONCE):
            rows = slice(start, start + _SCORED_AT_ONCE)
            score_BN[rows] = torch.matmul(item_VD[item[rows]], state_BD[rows].unsqueeze(2)).squeeze(2)
        array: NDArray[np.float32] = score_BN.masked_fill_(~self._known_items()[item], -torch.inf).cpu().numpy()
        return array

    @torch.inference_mode()
    def similar(self, item_B: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the cosine between what the items are scored with: (B, V)."""
        item = torch.tensor(item_B, dtype=torch.int64, device=self.trained.device)
        item_VD = unit(self._outputs())
        score_BV = (item_VD[item] @ item_VD.T).masked_fill_(~self._known_items(), -torch.inf)
        score_BV[torch.arange(len(item)), item] = -torch.inf
        array: NDArray[np.float32] = score_BV.cpu().numpy()
        return array

    @torch.inference_mode()
    def states(self, known: Histories) -> Tensor:
        """Return what the model expects after each history, zeros after an empty one: (B, D) float32."""
        was_training = self.training
        self.eval()
        readable = known.where(self._known_items().cpu().numpy()[known.item]).last(self.config.length)
        device = self.trained.device
        state_BD = torch.zeros(len(readable), self.config.width, device=device)
        # Histories of like length together: a padded step costs as much as a real one.
        order = np.argsort(readable.lengths, kind="stable")
        for rows in np.array_split(order, max(1, -(-len(order) // _SCORED_AT_ONCE))):
            part = readable.take(rows)
            filled = np.flatnonzero(part.lengths)
            if not len(filled):
                continue
            part = part.take(filled)
            batch = (torch.from_numpy(array).to(device) for array in padded(part, int(part.lengths.max())))
            state_BLD = self(*batch)
            last = torch.from_numpy(part.lengths - 1).to(device)
            state_BD[torch.from_numpy(rows[filled]).to(device)] = state_BLD[torch.arange(len(last), device=device), last].float()
        self.train(was_training)
        return state_BD

    def _outputs(self, item_N: Tensor | None = None) -> Tensor:
        """Return what some items (all of them by default) are scored with: (N,) -> (N, D)."""
        table = (self.item if self.config.tied else self.output).weight
        trained, content = self.trained, self.content
        if item_N is not None:
            table, trained, content = functional.embedding(item_N, table), trained[item_N], content[item_N]
        item_ND = table * trained.unsqueeze(1)
        if content.shape[1]:
            item_ND = item_ND + self.read_content(content)
        return unit(item_ND) if self.config.temperature else item_ND

    def _known_items(self) -> Tensor:
        """Say which items are known by their id or their content: (V,) bool."""
        return self.trained | (self.content != 0).any(dim=1) if self.content.shape[1] else self.trained


def unit(vector: Tensor) -> Tensor:
    """Scale vectors to length 1 along the last axis; zeros stay zeros."""
    scaled: Tensor = functional.normalize(vector, dim=-1)
    return scaled
