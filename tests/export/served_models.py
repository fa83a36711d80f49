"""The models of the communities, fitted once, and histories of every length to ask them with."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from aisle.features.fields import Field, context_table, join
from aisle.features.histories import Histories
from aisle.models.fm import FM, FMConfig
from aisle.models.ligr import LiGRConfig
from aisle.models.lstm import LSTMConfig
from aisle.models.next_item import NextItem, NextItemConfig
from aisle.models.sasrec import SASRecConfig
from aisle.models.two_tower import TwoTower, TwoTowerConfig
from tests.models import communities
from tests.models.communities import ITEMS, NEW_USER, train_part

_BY_WORD = {
    "popularity": "popularity",
    "item-kNN": "item-knn",
    "VS-kNN": "vs-knn",
    "recently": "recently-viewed",
    "iALS": "ials",
    "EASE": "ease",
    "MF": "mf",
    "FM": "fm",
    "DeepFM": "deepfm",
    "NeuMF": "ncf",
    "GMF": "ncf",
    "MLP": "ncf",
    "LSTM": "lstm",
    "SASRec": "sasrec",
    "LiGR": "ligr",
    "two-tower": "two-tower",
    "content": "content",
    "two-stage": "two-stage",
}
LENGTHS = (0, 1, 2, 3, 49, 50, 51, 200, 5, 6)


def kind_of(name: str) -> str:
    """Return what a model of the communities is called in a recipe."""
    return _BY_WORD[name.split(maxsplit=1)[0].removesuffix(",")]


@functools.cache
def _rough(name: str) -> Any:
    return ROUGH[name]()


def fitted(name: str) -> Any:
    """Return a model of the communities, or one of `ROUGH`."""
    return communities.fitted(name) if name in communities.FITTED else _rough(name)


def shoppers() -> tuple[NDArray[np.int64], Histories]:
    """Return users, among them strangers and one without training events, with histories of every length and kind of event."""
    random = np.random.default_rng(7)
    known = communities.histories([random.integers(0, ITEMS, length).tolist() for length in LENGTHS])
    event = random.integers(1, 9, len(known.item)).astype(np.uint8)
    time = np.sort(random.integers(0, 10**13, len(known.item)))  # four months in microseconds
    return np.array([-1, 0, 5, NEW_USER, 30, 59, -1, NEW_USER, 8, 9]), replace(known, event=event, time=time)


def contexts(known: Histories) -> list[Histories]:
    """Return the same question in no context, in one with values known, unknown and missing, and in one that says nothing."""
    n = len(known)
    return [
        known,
        known.at((np.arange(2 * n).reshape(n, 2) % 3 - 1).astype(np.int32)[:, :1]),
        known.at(np.full((n, 1), -1, np.int32)),
    ]


def _rough_next_item(config: NextItemConfig, *, content: bool = False) -> NextItem:
    """Draw weights so large that every part of the network matters; items 24 and 25 have no training events."""
    trained = np.arange(ITEMS) < 24
    words = np.random.default_rng(3).normal(size=(ITEMS, 3)).astype(np.float32) if content else None
    if words is not None:
        words[25] = 0
    model: NextItem = _roughened(NextItem.untrained(config, trained, seed=3, content_VC=words))
    return model


def _roughened(model: Any) -> Any:
    generator = torch.Generator().manual_seed(11)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.3)
    return model.eval()


def _rough_two_tower(*, normalise: bool) -> TwoTower:
    train = train_part()
    config = TwoTowerConfig(8, history=50, user_ids=not normalise, text=0, normalise=normalise)
    groups = join([Field("group", 2, np.array([[0]] * 30 + [[1]] * 30 + [[-1]], np.int32))], train.lengths > 0)
    sides: dict[str, Any] = {"item_fields": communities.item_fields(train), "user_fields": groups}
    model: TwoTower = _roughened(TwoTower.untrained(config, train, ITEMS, seed=3, **sides))
    return model


def _rough_fm(*, crosses: int) -> FM:
    """Read two columns of context, the first with a value that training never had."""
    train = train_part()
    context = np.stack([train.item % 2, train.item % 5], axis=1).astype(np.int32)
    groups = join([Field("group", 2, np.array([[0]] * 30 + [[1]] * 30 + [[-1]], np.int32))], train.lengths > 0)
    table = context_table([3, 5], context, hash_size=4)
    sides: dict[str, Any] = {"item_fields": communities.item_fields(train), "user_fields": groups, "context": table}
    model: FM = _roughened(FM.untrained(FMConfig(8, crosses=crosses), train, ITEMS, seed=3, **sides))
    return model


# Networks with windows as long as those of the recipes, and parts that no model of the communities has.
ROUGH: dict[str, Any] = {
    "LSTM, long": lambda: _rough_next_item(LSTMConfig(12, 50, hidden=10, layers=2, event_types=True)),
    "LSTM, long, unit vectors": lambda: _rough_next_item(LSTMConfig(12, 50, temperature=0.3, tied=False), content=False),
    "SASRec, long": lambda: _rough_next_item(SASRecConfig(12, 50, heads=3, feed_forward=2, time_gaps=True)),
    "SASRec, one block": lambda: _rough_next_item(SASRecConfig(12, 50, blocks=1, heads=1)),
    "SASRec, three blocks": lambda: _rough_next_item(SASRecConfig(12, 50, blocks=3, tied=False)),
    "LiGR, long": lambda: _rough_next_item(LiGRConfig(12, 50, temperature=0.2, event_types=True, time_gaps=True)),
    "LiGR, text": lambda: _rough_next_item(LiGRConfig(12, 50, temperature=0.2, tied=False, content=3), content=True),
    "two-tower, long": lambda: _rough_two_tower(normalise=True),
    "two-tower, long, lengths left": lambda: _rough_two_tower(normalise=False),
    "FM, crosses": lambda: _rough_fm(crosses=64),
    "FM, two columns": lambda: _rough_fm(crosses=0),
}
EVERY = [*communities.FITTED, *ROUGH]
IN_CONTEXT = [name for name in EVERY if "context" in name or "DeepFM" in name]
IN_TWO_COLUMNS = ["FM, crosses", "FM, two columns"]
