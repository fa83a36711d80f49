"""The served form of the models that read histories: an encoder as ONNX, the items as one matrix."""

# V items   D width   C width of the items' content

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from aisle.export.encoders import next_item_graph
from aisle.export.scorer_folder import Served
from aisle.export.served_vectors import lengths
from aisle.models.next_item import NextItem, NextItemConfig

Floats = NDArray[np.float32]


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
    scaled_VD: Floats = vector_VD / np.maximum(lengths(vector_VD), np.float32(1e-12))[:, None]
    return scaled_VD
