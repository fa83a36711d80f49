"""Small training parts, and ways to train on them, for the tests of the loop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from aisle.features.histories import Histories
from aisle.models.fm import FM, FMConfig
from aisle.models.ncf import NCF, NCFConfig
from aisle.recommend.scorer import Scorer
from aisle.train.checkpoint import Checkpoints
from aisle.train.config import TrainConfig
from aisle.train.fit import Trained, pair_batches, train_model
from aisle.train.watch import Watch

USERS, ITEMS = 30, 20
CONFIG = TrainConfig(average_epochs=1, epochs=5, batch_size=32, learning_rate=0.02, patience=0, seed=7, device="cpu", threads=1)


def small_part(seed: int = 1) -> Histories:
    """Return 30 histories of 6 of 20 items."""
    random = np.random.default_rng(seed)
    item = np.concatenate([random.choice(ITEMS, 6, replace=False) for _ in range(USERS)]).astype(np.int32)
    offsets = np.arange(0, 6 * USERS + 1, 6, dtype=np.int64)
    return Histories(offsets, item, np.full(len(item), 6, np.uint8), np.arange(len(item), dtype=np.int64))


def build_ncf(train: Histories) -> NCF:
    """Make a NeuMF with dropout, so that a resumed run must find the same random numbers."""
    return NCF.untrained(NCFConfig("neumf", 4, 4, (8, 4), dropout=0.2), train, ITEMS, seed=7)


def build_fm(train: Histories) -> FM:
    """Make a small FM with dropout."""
    return FM.untrained(FMConfig(4, dropout=0.2), train, ITEMS, seed=7)


BUILD: dict[str, Callable[[Histories], torch.nn.Module]] = {"NCF": build_ncf, "FM": build_fm}


@dataclass
class Curve:
    """A validation that returns given values, one an epoch."""

    values: list[float]

    def __call__(self, model: Scorer) -> float:
        return self.values.pop(0)


def mean_score(model: Scorer) -> float:
    """Validate by a number that depends on every weight."""
    return float(np.tanh(model.score(np.arange(USERS), Histories.empty(USERS)).std()))


def run(
    name: str = "NCF",
    config: TrainConfig = CONFIG,
    watch: Watch | None = None,
    folder: Path | None = None,
    resume: bool = False,
    refit: Histories | None = None,
) -> Trained[torch.nn.Module]:
    """Train a small model."""
    checkpoints = Checkpoints(folder, {"dataset": "abc"}, resume) if folder else None
    return train_model(
        BUILD[name], small_part(), refit, replace(config), batches=pair_batches, watch=watch, checkpoints=checkpoints
    )


def weights(model: torch.nn.Module) -> dict[str, NDArray[np.float32]]:
    """Return copies of all weights."""
    return {name: tensor.detach().numpy().copy() for name, tensor in model.state_dict().items()}


def same_bits(first: torch.nn.Module, second: torch.nn.Module) -> bool:
    """Whether two models hold the same weights, bit for bit."""
    one, other = weights(first), weights(second)
    return one.keys() == other.keys() and all(one[name].tobytes() == other[name].tobytes() for name in one)
