"""The served form of the factorisations: a matrix of users, a matrix of items with their biases."""

# U users   V items of the catalogue   N rows of a side, or items a shopper   F features of a row   T rows of a table   K factors
# B shoppers   D width of a vector   R rows of a block

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aisle.export.graph import Graph
from aisle.export.scorer_folder import Served
from aisle.models.fm import FM, FMConfig
from aisle.models.mf import MF, MFConfig

Floats = NDArray[np.float32]
_ROWS = 65_536  # summed up at once


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
    return Served("vectors", arrays, len(arrays["items"]), graphs, {}, {"factors": width}, n_users, width)


def fm(model: FM, name: str, config: FMConfig) -> Served:
    """Take FM apart: what stands on each side is summed up once.

    A side of ids alone is stored as it is. One with side features is kept in the weights too, as its sums cannot be taken
    apart again.
    """
    state = model.state()
    user, item = (side_sums(state, side) for side in ("user", "item"))
    arrays = {
        "items": np.concatenate([item.vector, item.bias[:, None]], axis=1),
        "users": user.vector,
        "users_bias": user.bias,
        "users_known": user.known,
        "scorable": item.known,
        "length": lengths(item.vector),
        **context_arrays(state),
    }
    arrays |= {name: state[f"{name}.vector.weight"] for name in ("crosses", "rated") if f"{name}.vector.weight" in state}
    plain = [side for side in ("user", "item") if state[f"{side}.code"].shape[1] == 1]
    kept = [f"{side}." for side in ("user", "item") if side not in plain]
    weights = {key: array for key, array in state.items() if key.startswith(tuple(kept))} if kept else {}
    more = {"factors": config.factors, "offset": float(state["offset"])}
    graphs = {"ranker": product_graph(config.factors + 1)}
    return Served("vectors", arrays, len(item.bias), graphs, weights, more, len(user.bias), config.factors)


@dataclass(frozen=True)
class SideSums:
    """What stands on one side of a machine, summed up row by row.

    Attributes:
        vector: (N, K) the features' vectors.
        bias: (N,) their linear terms, and the pairs among them.
        known: (N,) bool, the rows that anything was learned about.
    """

    vector: Floats
    bias: Floats
    known: NDArray[np.bool_]


def side_sums(state: Mapping[str, NDArray[Any]], side: str) -> SideSums:
    """Sum the features of every row as `models.sides.Side` does, some rows at a time."""
    code_NF, weight_NF = state[f"{side}.code"], state[f"{side}.weight"]
    table_TK, bias_T = state[f"{side}.vector.weight"], state[f"{side}.bias.weight"][:, 0]
    vector_NK, bias_N = np.empty((len(code_NF), table_TK.shape[1]), np.float32), np.empty(len(code_NF), np.float32)
    for start in range(0, len(code_NF), _ROWS):
        rows = slice(start, start + _ROWS)
        part_RFK = table_TK[code_NF[rows]] * weight_NF[rows, :, None]
        vector_NK[rows] = part_RFK.sum(axis=1)
        bias_N[rows] = (bias_T[code_NF[rows]] * weight_NF[rows]).sum(axis=1)
        if code_NF.shape[1] > 1:  # a single feature makes no pairs
            bias_N[rows] += (np.square(vector_NK[rows]).sum(axis=1) - np.square(part_RFK).sum(axis=(1, 2))) / 2
    return SideSums(vector_NK, bias_N, np.asarray((weight_NF > 0).any(axis=1)))


def context_arrays(state: Mapping[str, NDArray[Any]], prefix: str = "context.") -> dict[str, NDArray[Any]]:
    """Return the tables of the circumstances; none for a machine that reads none."""
    if f"{prefix}row" not in state:
        return {}
    return {
        "context_start": state[f"{prefix}start"],
        "context_row": state[f"{prefix}row"],
        "context_vector": state[f"{prefix}vector.weight"],
        "context_bias": state[f"{prefix}bias.weight"][:, 0],
    }


def product_graph(width: int) -> bytes:
    """Write the graph that scores pairs: user_BD, item_BND and constant_B -> score_BN."""
    graph = Graph("pairs")
    user_BD, item_BND = graph.floats("user_BD", "B", width), graph.floats("item_BND", "B", "N", width)
    constant_B = graph.floats("constant_B", "B")
    last, column = graph.constant([2]), graph.constant([1])
    product_BN1 = graph.add("MatMul", item_BND, graph.add("Unsqueeze", user_BD, last))
    score_BN = graph.add("Add", graph.add("Squeeze", product_BN1, last), graph.add("Unsqueeze", constant_B, column))
    return graph.finish(score_BN, "score_BN", "B", "N")


def lengths(vector_VD: Floats) -> Floats:
    """Return the length of each row: (V, D) -> (V,) float32."""
    length_V: Floats = np.sqrt(np.einsum("vd,vd->v", vector_VD, vector_VD))  # no second matrix for the squares
    return length_V
