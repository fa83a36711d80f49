"""The question both sides answer: MovieLens 1M as SASRec uses it, leave-one-out, and one NeuMF with weights drawn here.

Speed does not depend on the weights. They carry the items' popularity in one factor, so that the metrics, which both
sides must agree on, are not near zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from aisle.dataset.cases import Cases
from aisle.features.histories import Histories
from aisle.schema.events import Event

FACTORS, MLP_FACTORS, HIDDEN = 64, 64, (128, 64)
NAME = "sasrec-ml-1m"


@dataclass(frozen=True)
class Question:
    """One network and what it is asked.

    Attributes:
        user_ids: (U,) raw ids by user code.
        item_ids: (V,) raw ids by item code.
        cases: the last item of every user, everything before it known.
        known: one history a user, without its last item.
        weights: the network, under aisle's names.
    """

    user_ids: NDArray[np.int64]
    item_ids: NDArray[np.int64]
    cases: Cases
    known: Histories
    weights: dict[str, NDArray[Any]]


def ask(data: Path) -> Question:
    """Read the log and draw the network."""
    log = pl.read_parquet(data / NAME / "sequences.parquet").sort("user", "pos")
    user_ids, user = np.unique(log["user"].to_numpy(), return_inverse=True)
    item_ids, item = np.unique(log["item"].to_numpy(), return_inverse=True)
    offsets = np.searchsorted(user, np.arange(len(user_ids) + 1)).astype(np.int64)
    is_last = np.zeros(len(user), np.bool_)
    is_last[offsets[1:] - 1] = True
    events = Histories(offsets, item.astype(np.int32), np.full(len(item), Event.rating, np.uint8), np.arange(len(item)))
    known = events.where(~is_last)
    everyone = np.arange(len(user_ids))
    cases = Cases(everyone.astype(np.int32), known, np.arange(len(user_ids) + 1), events.item[is_last])
    weights = draw_weights(known, len(item_ids))
    return Question(user_ids.astype(np.int64), item_ids.astype(np.int64), cases, known, weights)


def draw_weights(known: Histories, n_items: int) -> dict[str, NDArray[Any]]:
    """Draw a NeuMF of RecBole's default size: embeddings 64 + 64, hidden layers 128 and 64."""
    rng = np.random.default_rng(2020)

    def normal(*shape: int, scale: float) -> NDArray[np.float32]:
        return (rng.standard_normal(shape) * scale).astype(np.float32)

    n_users = len(known)
    weights: dict[str, NDArray[Any]] = {
        "trained_users": np.ones(n_users, np.bool_),
        "trained_items": np.ones(n_items, np.bool_),
        "user_gmf.weight": normal(n_users, FACTORS, scale=0.3),
        "item_gmf.weight": normal(n_items, FACTORS, scale=0.3),
        "user_mlp.weight": normal(n_users, MLP_FACTORS, scale=0.3),
        "item_mlp.weight": normal(n_items, MLP_FACTORS, scale=0.3),
        "first_user.weight": normal(HIDDEN[0], MLP_FACTORS, scale=0.1),
        "first_user.bias": normal(HIDDEN[0], scale=0.1),
        "first_item.weight": normal(HIDDEN[0], MLP_FACTORS, scale=0.1),
        "deeper.0.weight": normal(HIDDEN[1], HIDDEN[0], scale=0.1),
        "deeper.0.bias": normal(HIDDEN[1], scale=0.1),
        "out.weight": normal(1, FACTORS + HIDDEN[1], scale=0.1),
        "out.bias": normal(1, scale=0.1),
    }
    popularity = np.log1p(np.bincount(known.item, minlength=n_items))
    weights["item_gmf.weight"][:, 0] = (popularity - popularity.mean()) / popularity.std()
    weights["user_gmf.weight"][:, 0] = 1
    weights["out.weight"][0, 0] = 0.5
    return weights


def write_for_recbole(question: Question, data: Path, folder: Path) -> None:
    """Write the log in RecBole's file format, and the network with the raw ids its rows belong to."""
    log = pl.read_parquet(data / NAME / "sequences.parquet").sort("user", "pos")
    inter = folder / NAME / f"{NAME}.inter"
    inter.parent.mkdir(parents=True, exist_ok=True)
    renamed = log.select(
        pl.col("user").alias("user_id:token"),
        pl.col("item").alias("item_id:token"),
        pl.col("pos").cast(pl.Float64).alias("timestamp:float"),
    )
    renamed.write_csv(inter, separator="\t")
    arrays: dict[str, Any] = {"user_ids": question.user_ids, "item_ids": question.item_ids, **question.weights}
    np.savez(folder / "weights.npz", **arrays)
