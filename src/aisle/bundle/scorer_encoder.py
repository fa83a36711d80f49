"""Scorers that read a history through an ONNX encoder: LSTM, SASRec, LiGR, two towers. The graph never holds the items."""

# B shoppers   L events of a history   D width   V items of the catalogue   U users

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aisle.bundle.scorer_files import ScorerFiles, Session
from aisle.bundle.scorer_vectors import Floats, VectorScorer, marked
from aisle.features.histories import Histories
from aisle.features.padded import gap_buckets

_AT_ONCE = 32  # shoppers: what 50 events of them take, 64 wide, stays in 2 MB of cache


@dataclass(frozen=True)
class ItemInputs:
    """What an encoder reads of each item: (V, D) rows, where they are stored once, as the vectors that are scored with.

    Attributes:
        table: (V, D) mapped into memory.
        scale: (V,) what a row is multiplied with; None for nothing.
    """

    table: Floats
    scale: Floats | None

    def of(self, item_BL: NDArray[np.integer]) -> Floats:
        """Gather rows: (B, L) -> (B, L, D)."""
        x_BLD: Floats = self.table.take(item_BL, axis=0)  # of whole rows it takes half the time of an index
        if self.scale is not None:
            x_BLD *= self.scale[item_BL][:, :, None]
        return x_BLD


@dataclass(frozen=True)
class HistoryReader:
    """Asks by what a shopper did, in order; the shopper's id does not matter.

    Attributes:
        encoder: the graph.
        inputs: what it reads of items.
        readable: (V,) bool, the items that it knows.
        length: events that it reads, the latest.
        width: D.
    """

    encoder: Session
    inputs: ItemInputs
    readable: NDArray[np.bool_]
    length: int
    width: int

    def knows(self, user_B: NDArray[np.int64], known: Histories) -> NDArray[np.bool_]:
        """Say whose history has an item that was learned about: (B,)."""
        return np.asarray(np.bincount(known.rows[self.readable[known.item]], minlength=len(known)) > 0)

    def ask(self, user_B: NDArray[np.int64], known: Histories) -> tuple[Floats, None]:
        """Return what the model expects after each history, zeros after an empty one: (B, D)."""
        readable = self._readable(known)
        length_B = readable.lengths
        if 0 < len(readable) <= _AT_ONCE and length_B.all():
            return self._states(readable), None
        state_BD = np.zeros((len(readable), self.width), np.float32)
        # Histories of like length together: a padded step costs as much as a real one.
        order = np.argsort(length_B, kind="stable")
        order = order[np.searchsorted(length_B[order], 1) :]
        for start in range(0, len(order), _AT_ONCE):
            rows = order[start : start + _AT_ONCE]
            state_BD[rows] = self._states(readable.take(rows))
        return state_BD, None

    def _readable(self, known: Histories) -> Histories:
        """Keep the events that the encoder reads; most often all of them."""
        readable_E = self.readable[known.item]
        readable = known if readable_E.all() else known.where(readable_E)
        return readable if int(readable.lengths.max(initial=0)) <= self.length else readable.last(self.length)

    def _states(self, part: Histories) -> Floats:
        """Run the encoder on histories of at least one event. What stands behind the last one does not matter: it is causal."""
        length_B = part.lengths
        place_BL = np.minimum(part.offsets[:-1, None] + np.arange(length_B.max()), len(part.item) - 1)
        inputs: dict[str, NDArray[Any]] = {"x_BLD": self.inputs.of(part.item[place_BL]), "last_B": length_B - 1}
        if "event_BL" in self.encoder.inputs:
            inputs["event_BL"] = part.event[place_BL].astype(np.int64)
        if "gap_BL" in self.encoder.inputs:
            inputs["gap_BL"] = gap_buckets(part)[place_BL]
        return self.encoder.run(**inputs)


@dataclass(frozen=True)
class TowerAsker:
    """Asks by what a shopper did lately and by what is known about the shopper.

    Attributes:
        encoder: the graph of the user tower.
        inputs: what it pools of items.
        readable: (V,) bool, the items that it knows.
        length: events that it reads, the latest.
        users: (U, D) what ids and the users table say; None where nothing does.
        users_known: (U,) bool, the users of whom anything is known besides what they did.
    """

    encoder: Session
    inputs: ItemInputs
    readable: NDArray[np.bool_]
    length: int
    users: Floats | None
    users_known: NDArray[np.bool_]

    def knows(self, user_B: NDArray[np.int64], known: Histories) -> NDArray[np.bool_]:
        """Say who has an event with an item that has a vector, or is known by id or side feature: (B,)."""
        last = known.last(self.length)
        by_history_B = np.bincount(last.rows[self.readable[last.item]], minlength=len(known)) > 0
        return np.asarray(by_history_B | marked(self.users_known, user_B))

    def ask(self, user_B: NDArray[np.int64], known: Histories) -> tuple[Floats, None]:
        """Return the user tower's vectors: (B, D)."""
        width = self.inputs.table.shape[1]
        user_BD = np.zeros((len(user_B), width), np.float32)
        if self.users is not None:
            user_BD[user_B >= 0] = self.users[user_B[user_B >= 0]]
        out_BD = np.empty((len(user_B), width), np.float32)
        for start in range(0, len(user_B), _AT_ONCE):
            rows = np.arange(start, min(start + _AT_ONCE, len(user_B)))
            item_BL, event_BL = self._latest(known.take(rows))
            out_BD[rows] = self.encoder.run(x_BLD=self.inputs.of(item_BL), event_BL=event_BL, user_BD=user_BD[rows])
        return out_BD, None

    def _latest(self, known: Histories) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the latest events, the last first: (B, L) items and kinds, 0 where there are fewer or the item is unknown."""
        width = min(max(int(known.lengths.max(initial=0)), 1), self.length)
        place_BL = known.offsets[1:, None] - 1 - np.arange(width)
        there_BL = place_BL >= known.offsets[:-1, None]
        item_BL, event_BL = np.zeros((2, *place_BL.shape), np.int64)
        item_BL[there_BL] = known.item[place_BL[there_BL]]
        event_BL[there_BL] = known.event[place_BL[there_BL]] * self.readable[item_BL[there_BL]]
        return item_BL, event_BL


@dataclass(frozen=True)
class _Stored:
    """The files that both kinds of encoder share."""

    files: ScorerFiles

    @cached_property
    def items(self) -> Floats:
        return self.files.shaped("items", None, int(self.files.more["width"]))

    @cached_property
    def scorable(self) -> NDArray[np.bool_]:
        return self.files.shaped("scorable", len(self.items))

    @cached_property
    def length(self) -> Floats:
        return self.files.shaped("length", len(self.items))

    @property
    def unit(self) -> bool:
        """Whether items are scored with vectors of length 1; `length` then says what they were scaled from."""
        return bool(self.files.more["unit"])

    def inputs(self) -> ItemInputs:
        if self.files.has("inputs"):
            return ItemInputs(self.files.shaped("inputs", *self.items.shape), None)
        return ItemInputs(self.items, self.length if self.unit else None)

    def scorer(self, asker: HistoryReader | TowerAsker) -> VectorScorer:
        length_V = None if self.unit else np.maximum(self.length, np.float32(1e-12))
        return VectorScorer(asker, self.items, self.scorable, length_V, self.items.shape[1])


def load_next_item(files: ScorerFiles) -> VectorScorer:
    """Load LSTM, SASRec or LiGR."""
    stored = _Stored(files)
    length, width = int(files.config["length"]), stored.items.shape[1]
    return stored.scorer(HistoryReader(files.session("encoder"), stored.inputs(), stored.scorable, length, width))


def load_two_tower(files: ScorerFiles) -> VectorScorer:
    """Load two towers."""
    stored = _Stored(files)
    known_U = files.shaped("users_known", None)
    user_UD = files.shaped("users", len(known_U), stored.items.shape[1]) if files.has("users") else None
    length = int(files.config["history"])
    return stored.scorer(TowerAsker(files.session("encoder"), stored.inputs(), stored.scorable, length, user_UD, known_U))


def next_item_state(files: ScorerFiles) -> dict[str, NDArray[np.generic]]:
    """Return the state of the eager LSTM, SASRec or LiGR: its tables are what is stored, less what content adds to them."""
    stored, state = _Stored(files), files.weights()
    output_VD = stored.items * stored.length[:, None] if stored.unit else stored.items
    names = (
        {"item.weight": files.array("inputs"), "output.weight": output_VD} if files.has("inputs") else {"item.weight": output_VD}
    )
    content = state["content"] @ state["read_content.weight"].T if state["content"].shape[1] else np.float32(0)
    for name, table_VD in names.items():
        state[name] = np.where(state["trained"][:, None], table_VD - content, np.float32(0))
    return state


def two_tower_state(files: ScorerFiles) -> dict[str, NDArray[np.generic]]:
    """Return the state of the eager two towers, which is kept whole: what the item tower made cannot be undone."""
    return files.weights()
