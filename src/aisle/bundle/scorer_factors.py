"""MF and FM: a shopper's vector is looked up, or summed up from what is known."""

# B shoppers   U users   V items of the catalogue   D width of the vectors   K factors   R rows of a hashed table

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aisle.bundle.scorer_context import Context, crossed
from aisle.bundle.scorer_files import ScorerFiles
from aisle.bundle.scorer_vectors import Asker, Floats, VectorScorer, lookup, marked
from aisle.features.histories import Histories


@dataclass(frozen=True)
class UserTable:
    """Asks by the shopper's id alone.

    Attributes:
        users: (U, D) vectors.
        bias: (U,) what is added to all scores of a user.
        users_known: (U,) bool, the users that anything was learned about.
    """

    users: Floats
    bias: Floats
    users_known: NDArray[np.bool_]

    def knows(self, user_B: NDArray[np.int64], known: Histories) -> NDArray[np.bool_]:
        """Say who was there in training: (B,)."""
        return marked(self.users_known, user_B)

    def ask(self, user_B: NDArray[np.int64], known: Histories) -> tuple[Floats, Floats]:
        """Return the vectors with a 1 for the item's bias, and the users' biases: (B, D + 1) and (B,)."""
        there_B = marked(self.users_known, user_B)
        vector_BD = lookup(self.users, user_B, there_B)
        return _with_one(vector_BD), lookup(self.bias[:, None], user_B, there_B)[:, 0]


@dataclass(frozen=True)
class Machine:
    """Asks by the shopper's id and side features, the circumstances of the question, and what was rated.

    Attributes:
        users: what is known about each user, summed up.
        context: the tables of the circumstances; None where none are read.
        crosses: (R, K) what one user does in one value of the context, by hash; None where this is not read.
        rated: (V, K) what having rated an item says; None where this is not read.
        offset: what is said before anything is known.
    """

    users: UserTable
    context: Context | None
    crosses: Floats | None
    rated: Floats | None
    offset: float

    def knows(self, user_B: NDArray[np.int64], known: Histories) -> NDArray[np.bool_]:
        """Say who was there in training, has a side feature, or asks in circumstances that were: (B,)."""
        known_B = self.users.knows(user_B, known)
        if self.context is not None and known.context is not None:
            known_B |= (self.context.rows(known.context) >= 0).any(axis=1)
        return known_B if self.rated is None else known_B | (known.lengths > 0)

    def ask(self, user_B: NDArray[np.int64], known: Histories) -> tuple[Floats, Floats]:
        """Return the sum of all vectors with a 1 for the item's bias, and the terms without an item: (B, K + 1) and (B,)."""
        there_B = marked(self.users.users_known, user_B)
        sum_BK = lookup(self.users.users, user_B, there_B)
        constant_B = lookup(self.users.bias[:, None], user_B, there_B)[:, 0] + np.float32(self.offset)
        if self.context is not None and known.context is not None:
            row_BF = self.context.rows(known.context)
            part_BFK = self.context.vectors(row_BF)
            context_BK = part_BFK.sum(axis=1)
            constant_B += self.context.terms(row_BF, part_BFK) + (sum_BK * context_BK).sum(axis=1)
            sum_BK += context_BK
            if self.crosses is not None:
                learned_BF = np.where(row_BF >= 0, known.context, -1).astype(np.int64)
                sum_BK += crossed(self.crosses, self.context.start, user_B, learned_BF)
        if self.rated is not None:
            sum_BK += _rated(self.rated, known)
        return _with_one(sum_BK), constant_B


def _rated(table_VK: Floats, known: Histories) -> Floats:
    """Sum what having rated each item says, over the root of how many there are: (B, K)."""
    sum_BK = np.zeros((len(known), table_VK.shape[1]), np.float32)
    filled = np.flatnonzero(known.lengths)
    if len(filled):
        sum_BK[filled] = np.add.reduceat(table_VK[known.item], known.offsets[filled], axis=0)
        sum_BK[filled] /= np.sqrt(known.lengths[filled])[:, None]
    return sum_BK


def load_mf(files: ScorerFiles) -> VectorScorer:
    """Load MF."""
    return _scorer(files, user_table(files))


def load_fm(files: ScorerFiles) -> VectorScorer:
    """Load FM."""
    factors = int(files.more["factors"])
    crosses = files.shaped("crosses", None, factors) if files.has("crosses") else None
    rated = files.shaped("rated", None, factors) if files.has("rated") else None
    return _scorer(files, Machine(user_table(files), Context.of(files), crosses, rated, float(files.more["offset"])))


def mf_state(files: ScorerFiles) -> dict[str, NDArray[Any]]:
    """Return the state of the eager MF."""
    item_VD, width = files.array("items"), int(files.more["factors"])
    return files.weights() | {
        "trained_users": files.array("users_known"),
        "trained_items": files.array("scorable"),
        "user.weight": files.array("users"),
        "item.weight": item_VD[:, :width],
        "user_bias.weight": files.array("users_bias")[:, None],
        "item_bias.weight": item_VD[:, width:],
    }


def fm_state(files: ScorerFiles) -> dict[str, NDArray[Any]]:
    """Return the state of the eager FM."""
    state = files.weights() | {"offset": np.array(files.more["offset"], np.float32)}
    item_VD, factors = files.array("items"), int(files.more["factors"])
    sides = {"user": (files.array("users"), files.array("users_bias")), "item": (item_VD[:, :factors], item_VD[:, factors])}
    known = {"user": files.array("users_known"), "item": files.array("scorable")}
    for side, (vector, bias) in sides.items():
        if f"{side}.code" not in state:  # ids alone: what is stored is the table
            state |= {f"{side}.vector.weight": vector, f"{side}.bias.weight": bias[:, None], f"{side}.trained": known[side]}
            state[f"{side}.code"] = np.arange(len(vector))[:, None]
            state[f"{side}.weight"] = known[side][:, None].astype(np.float32)
    stored = {"context_start": "context.start", "context_row": "context.row", "context_vector": "context.vector.weight"}
    stored |= {"crosses": "crosses.vector.weight", "rated": "rated.vector.weight"}
    state |= {name: files.array(file) for file, name in stored.items() if files.has(file)}
    if files.has("context_bias"):
        state["context.bias.weight"] = files.array("context_bias")[:, None]
    if files.has("crosses"):
        state["crosses.start"] = files.array("context_start")
    return state


def user_table(files: ScorerFiles) -> UserTable:
    """Open the matrix of users, what is added for each, and of whom anything is known."""
    user_UD = files.shaped("users", None, None)
    return UserTable(user_UD, files.shaped("users_bias", len(user_UD)), files.shaped("users_known", len(user_UD)))


def _scorer(files: ScorerFiles, asker: Asker) -> VectorScorer:
    width = int(files.more["factors"])
    item_VD = files.shaped("items", None, width + 1)
    length_V = np.maximum(files.shaped("length", len(item_VD)), np.float32(1e-12))
    return VectorScorer(asker, item_VD, files.shaped("scorable", len(item_VD)), length_V, width, files.session("ranker"))


def _with_one(vector_BD: Floats) -> Floats:
    return np.concatenate([vector_BD, np.ones((len(vector_BD), 1), np.float32)], axis=1)
