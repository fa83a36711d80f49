"""Two towers: a vector for what a shopper did, a vector for what an item is; their dot product is the score."""

# B shoppers   L events of a history, the latest first   D width   H heads   N items   R rows of one side
# V items of the catalogue   U users   F features of a row   T width of a text vector   M items drawn evenly

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from aisle.errors import AisleError
from aisle.features.fields import Fields, join
from aisle.features.histories import Histories

_EVENT_KINDS = 16  # the codes of `schema.events.Event` are below; one row each is cheap
_INIT_STD = 0.05
_BLOCK_CELLS = 4 * 1024 * 1024  # numbers of histories or candidates held at once while scoring: 16 MB as float32

Arguments = ParamSpec("Arguments")
ResultT = TypeVar("ResultT")


def _in_use(
    method: Callable[Concatenate[TwoTower, Arguments], ResultT],
) -> Callable[Concatenate[TwoTower, Arguments], ResultT]:
    """Run a method of the model as it is in use: without dropout and without gradients, the mode put back afterwards."""

    @functools.wraps(method)
    def run(self: TwoTower, *args: Arguments.args, **kwargs: Arguments.kwargs) -> ResultT:
        was_training = self.training
        if was_training:
            self.eval()
        try:
            with torch.inference_mode():
                return method(self, *args, **kwargs)
        finally:
            if was_training:
                self.train()

    return run  # type: ignore[return-value]  # mypy's word for what wraps returns has no __get__


@dataclass(frozen=True)
class TwoTowerConfig:
    """How wide the towers are and what they read.

    Attributes:
        width: of the vectors that an index holds.
        history: how many of a shopper's latest events are read, of every kind.
        heads: how many ways of weighing these events there are.
        user_ids: give each user with training events an embedding; without, a user is what was done and the users table.
        item_ids: give each item with training events an embedding; without, an item is the catalogue's columns and text.
        text: width of the vectors made of the catalogue's texts; 0 reads none.
        hashed_words: how many vectors the texts' words share, by hash, trained like the columns; 0 reads no words.
        fields: read the other columns of the catalogue and of the users table.
        id_dropout: share of the ids that a step leaves out, so that what the catalogue says has to do without them.
        dropout: share of the events of the histories that a step leaves out.
        temperature: the scores are divided by it.
        normalise: make every vector of length 1, so that scores are cosines; False leaves lengths to carry popularity.
        uniform_negatives: items a step drawn evenly from the catalogue, besides the other targets of the batch.
        repeats: also learn to foresee items that the shopper already had such an event with.
        target_events: kinds of event to foresee, such as ["purchase"]; none means every kind that is learned from.
    """

    width: int = 64
    history: int = 50
    heads: int = 2
    user_ids: bool = False
    item_ids: bool = True
    text: int = 64
    hashed_words: int = 0
    fields: bool = True
    id_dropout: float = 0.1
    dropout: float = 0.2
    temperature: float = 0.07
    normalise: bool = True
    uniform_negatives: int = 1024
    repeats: bool = False
    target_events: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "target_events", tuple(self.target_events))  # TOML and JSON have lists only
        shares = 0 <= self.id_dropout < 1 and 0 <= self.dropout < 1
        counts = min(self.width, self.history, self.heads) >= 1 and min(self.text, self.hashed_words, self.uniform_negatives) >= 0
        if not shares or not counts or not self.temperature > 0:
            raise AisleError(
                "two towers need width, history and heads of 1 or more, other counts of 0 or more, dropouts from 0 "
                f"to below 1 and a temperature above 0; seen {self}",
                hint="start from width=64, history=50, heads=2, text=64, dropout=0.2, temperature=0.07",
                code="E340",
            )


class Side(nn.Module):
    """What is known about R users or R items before any history: the sum of an id, side features and a text.

    Args:
        fields: the side features.
        text_RT: (R, T) text vectors, zeros where there is no text.
        trained_R: (R,) bool, which ids take part; nothing was learned about the others.
        width: D.
    """

    code: Tensor
    weight: Tensor
    text: Tensor
    trained: Tensor
    present: Tensor  # (R,) bool, which rows anything is known about

    def __init__(self, fields: Fields, text_RT: NDArray[np.float32], trained_R: NDArray[np.bool_], width: int) -> None:
        super().__init__()
        self.register_buffer("code", torch.tensor(fields.code))
        self.register_buffer("weight", torch.tensor(fields.weight))
        self.register_buffer("text", torch.tensor(text_RT))
        self.register_buffer("trained", torch.tensor(trained_R))
        present_R = trained_R | fields.present | (text_RT != 0).any(axis=1)
        self.register_buffer("present", torch.tensor(present_R), persistent=False)
        self.id = nn.Embedding(len(trained_R) if trained_R.any() else 0, width)
        self.feature = nn.Embedding(fields.size, width)
        self.from_text = nn.Linear(text_RT.shape[1], width, bias=False) if text_RT.shape[1] else None

    def forward(self, row: Tensor, id_dropout: float = 0.0) -> Tensor:
        """Add up what is known about some rows: (N,) int64, -1 giving zeros -> (N, D)."""
        known_N, place_N = row >= 0, row.clamp(min=0)
        sum_ND = self.feature.weight.new_zeros(len(row), self.feature.embedding_dim)
        if self.id.num_embeddings:
            kept_N = self.trained[place_N]
            if self.training and id_dropout:
                kept_N = kept_N & (torch.rand(len(row), device=row.device) >= id_dropout)
            sum_ND = sum_ND + self.id(place_N) * kept_N.unsqueeze(1)
        if self.feature.num_embeddings:
            code_NF, weight_NF = self.code[place_N], self.weight[place_N]
            sum_ND = sum_ND + functional.embedding_bag(code_NF, self.feature.weight, per_sample_weights=weight_NF, mode="sum")
        if self.from_text is not None:
            sum_ND = sum_ND + self.from_text(self.text[place_N])
        return sum_ND * known_N.unsqueeze(1)


class TwoTower(nn.Module):
    """Score a pair by the dot product of a user vector and an item vector.

    The item tower reads the id, the catalogue's columns and its text; so an item without training events has a vector too.
    The user tower pools the same items' vectors over the shopper's latest events with attention: how much an event counts
    depends on the item, the kind of event, how many events ago it was, and the latest event. So a shopper who was not there
    in training has a vector as soon as there is one event.

    Args:
        config: how wide, and what is read.
        user: the users' side.
        item: the items' side; an item that nothing is known about cannot be scored: -inf.

    Source: Covington et al. (2016) and Yi et al. (2019), Sampling-Bias-Corrected Neural Modeling; negatives mixed as by Yang
    et al. (2020). We depart in the correction: only negatives are divided by their expected number of draws, as the positive
    is always there, which makes the sum over the sample an unbiased estimate of the sum over the catalogue.
    """

    def __init__(self, config: TwoTowerConfig, user: Side, item: Side) -> None:
        super().__init__()
        self.config = config
        self.user = user
        self.item = item
        width, heads = config.width, config.heads
        self.event = nn.Embedding(_EVENT_KINDS, width)
        self.recency = nn.Parameter(torch.zeros(heads, config.history))
        self.query = nn.Linear(width, heads * width)
        self.pool = nn.Linear(heads * width, width)
        self.user_layer = _Residual(width)
        self.item_layer = _Residual(width)
        self._kept: Tensor | None = None  # see _catalogue

    @classmethod
    def untrained(  # noqa: PLR0913 - the sides of both towers, each by name
        cls,
        config: TwoTowerConfig,
        train: Histories,
        n_items: int,
        *,
        seed: int,
        item_fields: Fields | None = None,
        user_fields: Fields | None = None,
        item_text: NDArray[np.float32] | None = None,
    ) -> TwoTower:
        """Make towers with random weights for the users and items of a training part.

        Args:
            config: how wide, and what is read.
            train: one history a user.
            n_items: items in the catalogue.
            seed: fixes the weights.
            item_fields: side features of the items, (V, F).
            user_fields: side features of the users, (U, F).
            item_text: (V, T) text vectors of the items.

        Raises:
            AisleError: E341 when no item has an id, a side feature or a text.
        """
        trained_U, trained_V = train.lengths > 0, np.bincount(train.item, minlength=n_items) > 0
        no_text_U, no_text_V = np.zeros((len(train), 0), np.float32), np.zeros((n_items, 0), np.float32)
        text_VT = no_text_V if item_text is None else item_text
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            user = Side(user_fields or join([], trained_U), no_text_U, trained_U & config.user_ids, config.width)
            item = Side(item_fields or join([], trained_V), text_VT, trained_V & config.item_ids, config.width)
            model = cls(config, user, item)
            for table in (user.id, user.feature, item.id, item.feature, model.event):
                nn.init.normal_(table.weight, std=_INIT_STD)
        if not item.present.any():
            raise AisleError(
                "nothing tells the items apart: item_ids is false and the catalogue has no text or column that is read",
                hint="set parameters.item_ids = true, or prepare with --items",
                code="E341",
            )
        return model

    @classmethod
    def from_state(cls, config: TwoTowerConfig, state: Mapping[str, NDArray[Any]]) -> TwoTower:
        """Rebuild from what `state` returned."""
        model = cls(config, *(_side_of(state, name, config.width) for name in ("user", "item")))
        model.load_state_dict({name: torch.tensor(array) for name, array in state.items()})
        return model.eval()

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the arrays that make this model."""
        return {name: tensor.detach().cpu().numpy().copy() for name, tensor in self.state_dict().items()}

    def train(self, mode: bool = True) -> Self:
        """Switch between training and use; the item vectors kept for use are forgotten."""
        self._kept = None
        return super().train(mode)

    def forward(self, user_B: Tensor, event_BL: Tensor, item_BLD: Tensor) -> Tensor:
        """Return the user vectors: (B,) codes, (B, L) kinds of event, 0 where there is none, (B, L, D) -> (B, D)."""
        here_BL = event_BL > 0
        if self.training and self.config.dropout:
            here_BL = here_BL & (torch.rand(here_BL.shape, device=here_BL.device) >= self.config.dropout)
        x_BLD = (item_BLD + self.event(event_BL)) * here_BL.unsqueeze(2)
        query_BHD = self.query(x_BLD[:, 0]).view(-1, self.config.heads, self.config.width)
        weight_BHL = query_BHD @ x_BLD.transpose(1, 2) / math.sqrt(self.config.width) + self.recency
        # Not -inf: a history without events would be a row of NaN; its x is zeros, whatever the weights.
        weight_BHL = weight_BHL.masked_fill(~here_BL.unsqueeze(1), -1e4).softmax(dim=2)
        user_BD = self.pool((weight_BHL @ x_BLD).flatten(1))
        return self._finish(self.user_layer(user_BD + self.user(user_B, self.config.id_dropout)))

    def loss(
        self, user_B: Tensor, item_BL: Tensor, event_BL: Tensor, target_B: Tensor, even_M: Tensor, log_draws_N: Tensor
    ) -> Tensor:
        """Return the mean cross-entropy of the target among the other targets of the batch and the evenly drawn items.

        Args:
            user_B: user codes.
            item_BL: the items of the latest events before the target.
            event_BL: their kinds, 0 where a history has fewer.
            target_B: what came next.
            even_M: items drawn evenly from the catalogue.
            log_draws_N: log of how often each of these B + M candidates is expected among them.
        """
        candidate_N = torch.cat([target_B, even_M])
        row_R, place = torch.unique(torch.cat([item_BL.flatten(), candidate_N]), return_inverse=True)
        item_RD = self._items(row_R)
        item_BLD = functional.embedding(place[: item_BL.numel()].view_as(item_BL), item_RD)
        user_BD = self(user_B, self._readable(item_BL, event_BL), item_BLD)
        item_ND = functional.embedding(place[item_BL.numel() :], self._finish(item_RD))
        logit_BN = (user_BD @ item_ND.T).float() / self.config.temperature
        own_B = logit_BN.diagonal()
        wrong_BN = (logit_BN - log_draws_N).masked_fill(target_B.unsqueeze(1) == candidate_N, -torch.inf)
        loss: Tensor = (torch.cat([own_B.unsqueeze(1), wrong_BN], dim=1).logsumexp(dim=1) - own_B).mean()
        return loss

    def knows(self, user_B: NDArray[np.int64], known: Histories) -> NDArray[np.bool_]:
        """Return who has an event with an item that has a vector, or is known by id or side feature: (B,)."""
        present_U, present_V = self.user.present.cpu().numpy(), self.item.present.cpu().numpy()
        row_E = known.rows
        is_read_E = known.offsets[1:][row_E] - np.arange(len(row_E)) <= self.config.history
        by_history_B = np.bincount(row_E[is_read_E & present_V[known.item]], minlength=len(known)) > 0
        known_B: NDArray[np.bool_] = by_history_B | ((user_B >= 0) & present_U[np.maximum(user_B, 0)])
        return known_B

    @_in_use
    def item_vectors(self) -> NDArray[np.float32]:
        """Return a vector for every item of the catalogue: (V, D); zeros for items that nothing is known about."""
        vectors_VD: NDArray[np.float32] = self._finish(self._catalogue()).cpu().numpy().copy()
        return vectors_VD

    @_in_use
    def user_vectors(self, user_B: NDArray[np.int64], known: Histories) -> NDArray[np.float32]:
        """Return a vector for each shopper, to be multiplied with `item_vectors`: (B, D)."""
        vectors_BD: NDArray[np.float32] = self._shoppers(user_B, known).cpu().numpy()
        return vectors_BD

    @_in_use
    def score(self, user_B: NDArray[np.int64], known: Histories) -> NDArray[np.float32]:
        """Score the whole catalogue: (B, V)."""
        score_BV = self._shoppers(user_B, known) @ self._finish(self._catalogue()).T
        return self._scorable(score_BV, ~self.item.present)

    @_in_use
    def score_items(self, user_B: NDArray[np.int64], known: Histories, item_BN: NDArray[np.int64]) -> NDArray[np.float32]:
        """Score given items: (B, N)."""
        item, item_VD = self._to_device(item_BN), self._finish(self._catalogue())
        user_BD = self._shoppers(user_B, known)
        score_BN = user_BD.new_empty(item.shape)
        block = max(1, _BLOCK_CELLS // max(item.shape[1] * self.config.width, 1))
        for start in range(0, len(item), block):
            rows = slice(start, start + block)
            score_BN[rows] = torch.matmul(item_VD[item[rows]], user_BD[rows].unsqueeze(2)).squeeze(2)
        return self._scorable(score_BN, ~self.item.present[item])

    @_in_use
    def similar(self, item_B: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the cosine between item vectors: (B, V)."""
        item, item_VD = self._to_device(item_B), functional.normalize(self._catalogue(), dim=1)
        score_BV = item_VD[item] @ item_VD.T
        score_BV[torch.arange(len(item)), item] = -torch.inf
        return self._scorable(score_BV, ~self.item.present)

    def _items(self, row_N: Tensor) -> Tensor:
        """Return what the item tower makes of some items, zeros where nothing is known: (N,) -> (N, D)."""
        item_ND: Tensor = self.item_layer(self.item(row_N, self.config.id_dropout))
        return item_ND * self.item.present[row_N].unsqueeze(1)

    def _finish(self, x_ND: Tensor) -> Tensor:
        finished_ND: Tensor = functional.normalize(x_ND, dim=1) if self.config.normalise else x_ND
        return finished_ND

    def _catalogue(self) -> Tensor:
        """Return what the item tower makes of all items, kept until the mode changes: (V, D)."""
        if self._kept is None:
            every_V = torch.arange(len(self.item.present), device=self.recency.device)
            block = max(1, _BLOCK_CELLS // self.config.width)
            parts = [self._items(every_V[start : start + block]) for start in range(0, len(every_V), block)]
            self._kept = torch.cat(parts)
        kept_VD: Tensor = self._kept
        return kept_VD

    def _shoppers(self, user_B: NDArray[np.int64], known: Histories) -> Tensor:
        """Return the vectors of some shoppers: (B, D)."""
        user, offsets = self._to_device(user_B), self._to_device(known.offsets)
        events, item_VD, width, length = padded(known, user.device), self._catalogue(), self.config.width, self.config.history
        user_BD = item_VD.new_empty(len(user), width)
        block = max(1, _BLOCK_CELLS // (length * width))
        for start in range(0, len(user), block):
            rows = slice(start, start + block)
            item_BL, event_BL = latest(events, offsets[:-1][rows], offsets[1:][rows], length)
            user_BD[rows] = self(user[rows], self._readable(item_BL, event_BL), item_VD[item_BL])
        return user_BD

    def _readable(self, item_BL: Tensor, event_BL: Tensor) -> Tensor:
        """Skip events with items that have no vector: (B, L) kinds of event, 0 there."""
        readable_BL: Tensor = event_BL * self.item.present[item_BL]
        return readable_BL

    def _to_device(self, codes: NDArray[np.integer]) -> Tensor:
        return torch.tensor(codes, dtype=torch.int64, device=self.recency.device)

    def _scorable(self, score: Tensor, unknown: Tensor) -> NDArray[np.float32]:
        array: NDArray[np.float32] = score.masked_fill_(unknown, -torch.inf).cpu().numpy()
        return array


class _Residual(nn.Module):
    """x plus what one hidden layer makes of it: a sum of features alone cannot say "this brand, but only in this category"."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.wide = nn.Linear(width, 2 * width)
        self.narrow = nn.Linear(2 * width, width)

    def forward(self, x_ND: Tensor) -> Tensor:
        """Transform rows: (N, D) -> (N, D)."""
        changed_ND: Tensor = x_ND + self.narrow(functional.gelu(self.wide(self.norm(x_ND))))
        return changed_ND


def padded(histories: Histories, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return all events as (items, kinds), (1 + E,) each: place 0 stands for no event, event e is at place 1 + e."""
    item, event = (np.concatenate([[0], array]).astype(np.int64) for array in (histories.item, histories.event))
    return torch.from_numpy(item).to(device), torch.from_numpy(event).to(device)


def latest(events: tuple[Tensor, Tensor], start_B: Tensor, end_B: Tensor, length: int) -> tuple[Tensor, Tensor]:
    """Return the latest events of the slices start_B:end_B, the last first: (B, L) items and kinds, 0 where there are fewer."""
    place_BL = end_B.unsqueeze(1) - torch.arange(length, device=end_B.device)
    place_BL = torch.where(place_BL > start_B.unsqueeze(1), place_BL, 0)
    return events[0][place_BL], events[1][place_BL]


def _side_of(state: Mapping[str, NDArray[Any]], name: str, width: int) -> Side:
    """Make a side as it was; its tables are filled later."""
    fields = Fields((), len(state[f"{name}.feature.weight"]), state[f"{name}.code"], state[f"{name}.weight"])
    return Side(fields, state[f"{name}.text"], np.asarray(state[f"{name}.trained"], np.bool_), width)
