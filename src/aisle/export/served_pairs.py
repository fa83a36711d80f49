"""The served form of the networks over pairs: rows of users and of items, and the network as ONNX."""

# B shoppers   N items a shopper   C shoppers, or 1 for items that all of them share   V items of the catalogue
# R rows of a block   D width of a user's row   E width of an item's   M columns of a side   F features of a row   K factors

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aisle.export.graph import Graph
from aisle.export.scorer_folder import Served
from aisle.export.served_vectors import context_arrays, side_sums
from aisle.models.deepfm import DeepFM, DeepFMConfig
from aisle.models.ncf import NCF, NCFConfig

Floats = NDArray[np.float32]
State = Mapping[str, NDArray[Any]]
_ROWS = 65_536  # put together at once


def ncf(model: NCF, name: str, config: NCFConfig) -> Served:
    """Take NCF apart: GMF's embedding and the MLP's side by side make a row."""
    state = model.state()
    parts = {"neumf": ("gmf", "mlp")}.get(config.head, (config.head,))
    user_UD, item_VD = (np.concatenate([state[f"{side}_{part}.weight"] for part in parts], axis=1) for side in ("user", "item"))
    arrays = {"items": item_VD, "users": user_UD, "users_known": state["trained_users"], "scorable": state["trained_items"]}
    stored = {f"{side}_{part}.weight" for side in ("user", "item") for part in parts} | {"trained_users", "trained_items"}
    weights = {key: array for key, array in state.items() if key not in stored}
    gmf = config.factors if "gmf" in parts else 0
    more = {"gmf": gmf, "widest": max(item_VD.shape[1], *config.hidden)}
    graphs = {"ranker": ncf_graph(weights, gmf, item_VD.shape[1] - gmf)}
    return Served("pairs", arrays, len(item_VD), graphs, weights, more, len(user_UD), item_VD.shape[1])


def ncf_graph(weights: State, gmf: int, mlp: int) -> bytes:
    """Write NCF: user_BD and item_CNE -> score_BN.

    Args:
        weights: of the layers.
        gmf: width of GMF's embeddings; 0 for the head "mlp".
        mlp: width of the MLP's; 0 for the head "gmf".
    """
    graph = Graph("ncf")
    user_BD, item_CNE = graph.floats("user_BD", "B", gmf + mlp), graph.floats("item_CNE", "C", "N", gmf + mlp)
    users, items = _cut(graph, user_BD, [gmf, mlp]), _cut(graph, item_CNE, [gmf, mlp])
    out_D, terms = weights["out.weight"][0], [graph.constant(weights["out.bias"])]
    if gmf:
        user_BF = graph.add("Mul", users[0], graph.constant(out_D[:gmf]))
        terms.append(_dot(graph, items[0], user_BF))
    if mlp:
        half_BH = graph.linear(users[1], weights["first_user.weight"], weights["first_user.bias"])
        half_CNH = graph.linear(items[1], weights["first_item.weight"])
        deeper = _layers(weights, "deeper.")
        terms.append(_hidden(graph, half_BH, half_CNH, deeper, (out_D[None, gmf:], None)))
    return graph.finish(_sum(graph, terms), "score_BN", "B", "N")


def deepfm(model: DeepFM, name: str, config: DeepFMConfig) -> Served:
    """Take DeepFM apart: the vectors of a row's columns side by side; those of items with their linear and pairwise terms."""
    state = model.state()
    machine = {key.removeprefix("fm."): array for key, array in state.items() if key.startswith("fm.")}
    user, item = side_sums(machine, "user"), side_sums(machine, "item")
    user_UD, item_VE = (_columns(machine, side, state[f"{side}_column"]) for side in ("user", "item"))
    arrays = {
        "items": np.concatenate([item_VE, item.bias[:, None]], axis=1),
        "users": user_UD,
        "users_bias": user.bias,
        "users_known": user.known,
        "scorable": item.known,
        **context_arrays(machine),
    }
    columns = 0 if "context.start" not in machine else len(machine["context.start"])
    widths = (user_UD.shape[1] + columns * config.factors, item_VE.shape[1])
    head = {key.removeprefix("head."): array for key, array in state.items() if key.startswith("head.")}
    widest = max(config.hidden) if config.head == "deep" else 2 * sum(widths)
    more = {"factors": config.factors, "offset": float(machine["offset"]), "widest": max(widest, item_VE.shape[1] + 1)}
    graphs = {"ranker": deepfm_graph(head, config, widths)}
    return Served("pairs", arrays, len(item_VE), graphs, state, more, len(user_UD), widths[1])


def deepfm_graph(head: State, config: DeepFMConfig, widths: tuple[int, int]) -> bytes:
    """Write DeepFM without the terms that no item is in: user_BD and item_CNE -> score_BN.

    Args:
        head: weights of the network.
        config: the model's own.
        widths: of the vectors on the user's side and on the item's.
    """
    graph = Graph("deepfm")
    user_BD, item_CNE = graph.floats("user_BD", "B", widths[0]), graph.floats("item_CNE", "C", "N", widths[1] + 1)
    item_CND, bias_CN1 = _cut(graph, item_CNE, [widths[1], 1])
    columns = graph.constant([0, -1, config.factors])
    user_BK = graph.add("ReduceSum", graph.add("Reshape", user_BD, columns), graph.constant([1]), keepdims=0)
    columns = graph.constant([0, 0, -1, config.factors])
    item_CNK = graph.add("ReduceSum", graph.add("Reshape", item_CND, columns), graph.constant([2]), keepdims=0)
    network = _deep if config.head == "deep" else _cross
    terms = [_dot(graph, item_CNK, user_BK), graph.add("Squeeze", bias_CN1, graph.constant([2]))]
    return graph.finish(_sum(graph, [*terms, network(graph, head, user_BD, item_CND)]), "score_BN", "B", "N")


def _deep(graph: Graph, head: State, user_BD: str, item_CND: str) -> str:
    """Run the hidden layers, the first of which is kept as two halves."""
    half_BH = graph.linear(user_BD, head["question.weight"], head["question.bias"])
    half_CNH = graph.linear(item_CND, head["item.weight"])
    return _hidden(graph, half_BH, half_CNH, _layers(head, "deeper."), (head["out.weight"], head["out.bias"]))


def _cross(graph: Graph, head: State, user_BD: str, item_CND: str) -> str:
    """Multiply both sides' vectors with their own mixtures, layer by layer."""
    user_B1D = graph.add("Unsqueeze", user_BD, graph.constant([1]))
    # Both sides to (B, N, ...): adding zeros of the other's shape is how ONNX broadcasts before a Concat.
    one = graph.constant([-1])
    zero_BN1 = graph.add(
        "Mul",
        graph.add("Add", _first(graph, user_B1D, one), _first(graph, item_CND, one)),
        graph.constant(0.0),
    )
    first = graph.add("Concat", graph.add("Add", user_B1D, zero_BN1), graph.add("Add", item_CND, zero_BN1), axis=2)
    x = first
    for weight, bias in _layers(head, "layers."):
        x = graph.add("Add", graph.add("Mul", first, graph.linear(x, weight, bias)), x)
    return str(graph.add("Squeeze", graph.linear(x, head["out.weight"], head["out.bias"]), graph.constant([2])))


def _first(graph: Graph, x: str, last_axis: str) -> str:
    """Return the first column: (..., D) -> (..., 1)."""
    return str(graph.add("Slice", x, graph.constant([0]), graph.constant([1]), last_axis))


def _hidden(
    graph: Graph, half_BH: str, half_CNH: str, deeper: list[tuple[Floats, Floats]], out: tuple[Floats, Floats | None]
) -> str:
    """Add the two halves of the first layer, run the others: (B, H) and (C, N, H) -> (B, N)."""
    hidden = graph.add("Relu", graph.add("Add", graph.add("Unsqueeze", half_BH, graph.constant([1])), half_CNH))
    for weight, bias in deeper:
        hidden = graph.add("Relu", graph.linear(hidden, weight, bias))
    return str(graph.add("Squeeze", graph.linear(hidden, *out), graph.constant([2])))


def _dot(graph: Graph, item_CNF: str, user_BF: str) -> str:
    """Multiply every item with its shopper: (C, N, F) and (B, F) -> (B, N)."""
    last = graph.constant([2])
    return str(graph.add("Squeeze", graph.add("MatMul", item_CNF, graph.add("Unsqueeze", user_BF, last)), last))


def _cut(graph: Graph, x: str, widths: list[int]) -> list[str]:
    """Cut the last axis in parts; a part of width 0 is no value."""
    if 0 in widths:
        return [x if width else "" for width in widths]
    parts: list[str] = graph.add("Split", x, graph.constant(widths), outputs=len(widths), axis=-1)
    return parts


def _sum(graph: Graph, terms: list[str]) -> str:
    total = terms[0]
    for term in terms[1:]:
        total = graph.add("Add", total, term)
    return total


def _layers(weights: State, prefix: str) -> list[tuple[Floats, Floats]]:
    """Return weight and bias of each layer of a list, in order."""
    count = sum(name.startswith(prefix) and name.endswith(".weight") for name in weights)
    return [(weights[f"{prefix}{number}.weight"], weights[f"{prefix}{number}.bias"]) for number in range(count)]


def _columns(machine: State, side: str, column_F: NDArray[np.int64]) -> Floats:
    """Return the vectors of every row's columns side by side, as `models.deepfm` sums them up: (N, M K)."""
    code_NF, weight_NF, table_TK = (machine[f"{side}.{name}"] for name in ("code", "weight", "vector.weight"))
    belongs_MF = (np.arange(int(column_F[-1]) + 1)[:, None] == column_F).astype(np.float32)
    columns_ND = np.empty((len(code_NF), len(belongs_MF) * table_TK.shape[1]), np.float32)
    for start in range(0, len(code_NF), _ROWS):
        rows = slice(start, start + _ROWS)
        part_RFK = table_TK[code_NF[rows]] * weight_NF[rows, :, None]
        columns_ND[rows] = (belongs_MF @ part_RFK).reshape(len(part_RFK), -1)
    return columns_ND
