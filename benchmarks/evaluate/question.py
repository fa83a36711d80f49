"""The question both sides answer: MovieLens 1M as SASRec uses it, leave-one-out, and one NeuMF that aisle trained.

A trained network, since how much of the catalogue has to be scored depends on how high the right answers stand.
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
from aisle.models.ncf import NCF, NCFConfig
from aisle.schema.events import Event
from aisle.train.config import TrainConfig
from aisle.train.fit import pair_batches, train_model

NAME = "sasrec-ml-1m"
# RecBole's default NeuMF.
NETWORK = NCFConfig(head="neumf", factors=64, mlp_factors=64, hidden=(128, 64), dropout=0.1)
TRAINING = TrainConfig(epochs=3, batch_size=4096, learning_rate=0.002, negatives=4, refit=False, seed=1, threads=1)


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


def ask(data: Path, work: Path) -> Question:
    """Read the log, and the network from `work`, where it is trained when it is not there (about a minute)."""
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
    weights = trained_weights(known, len(item_ids), work / "network.npz")
    return Question(user_ids.astype(np.int64), item_ids.astype(np.int64), cases, known, weights)


def trained_weights(known: Histories, n_items: int, path: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays of a NeuMF trained on the known part for a few epochs."""
    if not path.exists():
        print(f"training the network that both sides evaluate, {TRAINING.epochs} epochs", flush=True)
        done = train_model(
            lambda train: NCF.untrained(NETWORK, train, n_items, seed=TRAINING.seed), known, None, TRAINING, batches=pair_batches
        )
        arrays: dict[str, Any] = done.model.state()
        np.savez(path, **arrays)
    with np.load(path) as file:
        return {name: file[name] for name in file.files}


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
