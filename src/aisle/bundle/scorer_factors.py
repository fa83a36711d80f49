"""MF and FM: a shopper's vector is looked up, or summed up from what is known."""

# B shoppers   U users   V items   D width of the vectors   K factors   F columns of the context   P their values and one more

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

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


def load_mf(files: ScorerFiles) -> VectorScorer:
    """Load MF."""
    return _scorer(files, _users(files))


def mf_state(files: ScorerFiles) -> dict[str, NDArray[Any]]:
    """Return the state of the eager MF."""
    item_VD, width = files.array("items"), int(files.more["width"])
    return {
        "trained_users": files.array("users_known"),
        "trained_items": files.array("scorable"),
        "user.weight": files.array("users"),
        "item.weight": item_VD[:, :width],
        "user_bias.weight": files.array("users_bias")[:, None],
        "item_bias.weight": item_VD[:, width:],
    }


def _users(files: ScorerFiles) -> UserTable:
    user_UD = files.shaped("users", None, int(files.more["width"]))
    return UserTable(user_UD, files.shaped("users_bias", len(user_UD)), files.shaped("users_known", len(user_UD)))


def _scorer(files: ScorerFiles, asker: Asker) -> VectorScorer:
    width = int(files.more["width"])
    item_VD = files.shaped("items", None, width + 1)
    length_V = np.maximum(files.shaped("length", len(item_VD)), np.float32(1e-12))
    return VectorScorer(asker, item_VD, files.shaped("scorable", len(item_VD)), length_V, width, files.session("ranker"))


def _with_one(vector_BD: Floats) -> Floats:
    return np.concatenate([vector_BD, np.ones((len(vector_BD), 1), np.float32)], axis=1)
