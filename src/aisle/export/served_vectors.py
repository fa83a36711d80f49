"""The served form of the factorisations: a matrix of users, a matrix of items with their biases."""

# U users   V items   D width   B shoppers   N items a shopper

from __future__ import annotations

from typing import Any

import numpy as np

from aisle.export.graph import Graph
from aisle.export.scorer_folder import Served
from aisle.models.mf import MF, MFConfig


def mf(model: MF, name: str, config: MFConfig) -> Served:
    """Take MF apart; nothing of its state is left for the weights."""
    state = model.state()
    arrays = {
        "items": np.concatenate([state["item.weight"], state["item_bias.weight"]], axis=1),
        "users": state["user.weight"],
        "users_bias": state["user_bias.weight"][:, 0],
        "users_known": state["trained_users"],
        "scorable": state["trained_items"],
        "length": lengths(state["item.weight"]),
    }
    n_users, width = state["user.weight"].shape
    graphs = {"ranker": product_graph(width + 1)}
    return Served("vectors", arrays, len(arrays["items"]), graphs, {}, {"width": width}, n_users, width)


def product_graph(width: int) -> bytes:
    """Write the graph that scores pairs: user_BD, item_BND and constant_B -> score_BN."""
    graph = Graph("pairs")
    user_BD, item_BND = graph.floats("user_BD", "B", width), graph.floats("item_BND", "B", "N", width)
    constant_B = graph.floats("constant_B", "B")
    last, column = graph.constant([2]), graph.constant([1])
    product_BN1 = graph.add("MatMul", item_BND, graph.add("Unsqueeze", user_BD, last))
    score_BN = graph.add("Add", graph.add("Squeeze", product_BN1, last), graph.add("Unsqueeze", constant_B, column))
    return graph.finish(score_BN, "score_BN", "B", "N")


def lengths(vector_VD: Any) -> Any:
    """Return the length of each row: (V, D) -> (V,) float32."""
    return np.sqrt(np.square(vector_VD).sum(axis=1, dtype=np.float32)).astype(np.float32)
