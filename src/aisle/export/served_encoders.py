"""The served form of the models that read histories: an encoder as ONNX, the items as one matrix."""

# V items   D width   C width of the items' content

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from aisle.export.encoders import next_item_graph, tower_graph
from aisle.export.scorer_folder import Served
from aisle.export.served_vectors import lengths
from aisle.models.next_item import NextItem, NextItemConfig
from aisle.models.two_tower import TwoTower, TwoTowerConfig

Floats = NDArray[np.float32]
_ROWS = 65_536  # made at once


def next_item(model: NextItem, name: str, config: NextItemConfig) -> Served:
    """Take LSTM, SASRec or LiGR apart.

    The items are stored as they are scored. Where that is also what is read, they are stored once; vectors of length 1 with
    the length that they had.
    """
    state = model.state()
    output_VD = _table(state, "item.weight" if config.tied else "output.weight")
    arrays: dict[str, NDArray[Any]] = {
        "items": unit(output_VD) if config.temperature else output_VD,
        "length": lengths(output_VD),
        "scorable": state["trained"] | (state["content"] != 0).any(axis=1),
    }
    if not config.tied:
        arrays["inputs"] = _table(state, "item.weight")
    weights = {key: array for key, array in state.items() if key not in ("item.weight", "output.weight")}
    graphs = {"encoder": next_item_graph(name, config, state)}
    more = {"width": config.width, "unit": config.temperature > 0}
    return Served("encoder", arrays, len(output_VD), graphs, weights, more, 0, config.width)


def _table(state: dict[str, NDArray[Any]], name: str) -> Floats:
    """Return vectors made of id and content: (V, D)."""
    table_VD: Floats = state[name] * state["trained"][:, None]
    return table_VD + state["content"] @ state["read_content.weight"].T if state["content"].shape[1] else table_VD


def unit(vector_VD: Floats) -> Floats:
    """Scale rows to length 1; zeros stay zeros."""
    length_V: Floats = np.maximum(lengths(vector_VD), np.float32(1e-12))
    return vector_VD / length_V[:, None]


def two_tower(model: TwoTower, name: str, config: TwoTowerConfig) -> Served:
    """Take two towers apart: what the item tower makes of all items is stored once, the user tower is the graph.

    The user tower pools vectors as they are before they are scaled to length 1, so the length is stored beside them. What the
    item tower reads stays in the weights, for the eager model alone.
    """
    state = model.state()
    raw_VD = _before_scaling(model)
    users = model.user.id.num_embeddings or model.user.feature.num_embeddings
    known_U = model.user.present.cpu().numpy()
    arrays = {
        "items": unit(raw_VD) if config.normalise else raw_VD,
        "length": lengths(raw_VD),
        "scorable": model.item.present.cpu().numpy(),
        "users_known": known_U,
    }
    if users:
        arrays["users"] = _rows(model.user, len(known_U), config.width, model.recency.device)
    graphs = {"encoder": tower_graph(config, state)}
    more = {"width": config.width, "unit": config.normalise}
    return Served("encoder", arrays, len(raw_VD), graphs, state, more, len(known_U) if users else 0, config.width)


def _before_scaling(model: TwoTower) -> Floats:
    """Return what the item tower makes of every item, zeros where nothing is known: (V, D)."""

    def made(row: torch.Tensor) -> torch.Tensor:
        layer: torch.Tensor = model.item_layer(model.item(row))
        return layer * model.item.present[row].unsqueeze(1)

    return _rows(made, len(model.item.present), model.config.width, model.recency.device)


def _rows(make: Callable[[torch.Tensor], torch.Tensor], n_rows: int, width: int, device: torch.device) -> Floats:
    """Make all rows of a matrix, some at a time; no part of a module that drops anything in training is used by `make`."""
    out_RD = np.empty((n_rows, width), np.float32)
    with torch.inference_mode():
        for start in range(0, n_rows, _ROWS):
            row = torch.arange(start, min(start + _ROWS, n_rows), device=device)
            out_RD[start : start + _ROWS] = make(row).float().cpu().numpy()
    return out_RD
