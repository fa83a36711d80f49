"""Encoders as ONNX graphs: a history as item vectors goes in, the state after it comes out."""

# B shoppers   L events of a history, padded on the right   D width   H heads   W width of a head, D / H

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aisle.export.graph import Graph

Weights = Mapping[str, NDArray[np.float32]]
_FLOOR = 80.0  # e^-80 is 2e-35: float32 adds nothing that small to 1, and still holds it in its normal form


def next_item_graph(model: str, config: Any, state: Weights) -> bytes:
    """Write the graph of one of the models that read histories in order.

    Inputs: x_BLD float32 what the model reads of each item; event_BL and gap_BL int64 where the config reads them; last_B int64
    the place of the last event. Output: state_BD.

    Args:
        model: "lstm", "sasrec" or "ligr".
        config: the model's own.
        state: what its `state()` returned.
    """
    graph = Graph(model)
    x_BLD = graph.floats("x_BLD", "B", "L", config.width)
    for name, table in (("event_BL", "event.weight"), ("gap_BL", "gap.weight")):
        if table in state:
            read_BLD = graph.add("Gather", graph.constant(state[table]), graph.codes(name, "B", "L"))
            x_BLD = graph.add("Add", x_BLD, read_BLD)
    last_B = graph.codes("last_B", "B")
    weights = _below(state, "encoder.")
    state_BD = _lstm(graph, config, weights, x_BLD, last_B) if model == "lstm" else _blocks(graph, config, weights, x_BLD, last_B)
    return graph.finish(graph.unit(state_BD) if config.temperature else state_BD, "state_BD", "B", config.width)


def _lstm(graph: Graph, config: Any, weights: Weights, x_BLD: str, last_B: str) -> str:
    """Run the LSTMs one above the other; the last one's state at the end of each history is all that counts."""
    x_LBD = graph.add("Transpose", x_BLD, perm=[1, 0, 2])
    steps_B = graph.add("Cast", graph.add("Add", last_B, graph.constant(np.int64(1))), to=6)  # int32
    last_1BH = ""
    for layer in range(config.layers):
        kernel, recurrent, *bias = (
            _gates(weights[f"lstm.{name}_l{layer}"])[None] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        inputs = (graph.constant(kernel), graph.constant(recurrent), graph.constant(np.concatenate(bias, axis=1)))
        outputs = graph.add("LSTM", x_LBD, *inputs, steps_B, outputs=2, hidden_size=recurrent.shape[2])
        x_LBD, last_1BH = graph.add("Squeeze", outputs[0], graph.constant([1])), outputs[1]
    last_BH = graph.add("Squeeze", last_1BH, graph.constant([0]))
    return graph.linear(last_BH, weights["out.weight"], weights["out.bias"])


def _gates(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Put the four gates, of which torch has input, forget, cell, output, in ONNX's order: input, output, forget, cell."""
    entry, forget, cell, out = np.split(rows, 4)
    return np.concatenate([entry, out, forget, cell])


def _blocks(graph: Graph, config: Any, weights: Weights, x_BLD: str, last_B: str) -> str:
    """Run the transformer's blocks. Of the last one only the last event's state is wanted, and nothing else is worked out."""
    length_1 = _length(graph, x_BLD)
    zero = graph.constant([0])
    place_LD = graph.add("Slice", graph.constant(weights["place.weight"]), zero, length_1, zero)
    x_BLD = graph.add("Add", x_BLD, place_LD)
    for number in range(config.blocks - 1):
        x_BLD = _whole_block(graph, config, _below(weights, f"blocks.{number}."), x_BLD, length_1)
    x_BD = _last_block(graph, config, _below(weights, f"blocks.{config.blocks - 1}."), x_BLD, last_B)
    return graph.norm(x_BD, weights["norm.weight"], weights["norm.bias"])


def _whole_block(graph: Graph, config: Any, weights: Weights, x_BLD: str, length_1: str) -> str:
    """Every event looks at itself and at those before it."""
    n_BLD = graph.norm(x_BLD, weights["norm_attention.weight"], weights["norm_attention.bias"])
    size = config.width // config.heads
    shape = graph.constant([0, 0, config.heads, size])
    matrix, bias = _scaled(weights, size)
    query_DD, key_DD, value_DD = np.split(matrix, 3)
    query_D, _, value_D = np.split(bias, 3)
    # A key's bias adds the same to all that one query sees, which the softmax takes out; a value's comes out as it went in.
    out_DD, out_D = weights["attention.out.weight"], weights["attention.out.bias"]
    parts = (graph.linear(n_BLD, query_DD, query_D), graph.linear(n_BLD, key_DD), graph.linear(n_BLD, value_DD))
    query, key, value = (
        graph.add("Transpose", graph.add("Reshape", part, shape), perm=perm)
        for part, perm in zip(parts, ([0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3]), strict=True)
    )
    weight_BHLL = graph.add("MatMul", query, key)
    later = np.triu(np.full((config.length, config.length), -np.inf, np.float32), 1)
    mask_LL = graph.add("Slice", graph.constant(later), graph.constant([0, 0]), graph.add("Concat", length_1, length_1, axis=0))
    weight_BHLL = graph.add("Softmax", _floored(graph, graph.add("Add", weight_BHLL, mask_LL)), axis=-1)
    found_BLHW = graph.add("Transpose", graph.add("MatMul", weight_BHLL, value), perm=[0, 2, 1, 3])
    found_BLD = graph.add("Reshape", found_BLHW, graph.constant([0, 0, config.width]))
    found_BLD = graph.linear(found_BLD, out_DD, out_D + out_DD @ value_D)
    return _feed(graph, weights, _through(graph, weights, "attention", x_BLD, found_BLD))


def _floored(graph: Graph, weight: str) -> str:
    """Raise what is far below the largest of its row to `_FLOOR` below it: nothing either way, beside a 1 in float32.

    ONNX Runtime's exponential of what is below -87 is a number too small for float32's normal form, with which processors
    take ten times as long: without this the softmax is a third of a SASRec's time.
    """
    largest = graph.add("ReduceMax", weight, graph.constant([-1]), keepdims=1)
    return str(graph.add("Max", weight, graph.add("Sub", largest, graph.constant(_FLOOR))))


def _last_block(graph: Graph, config: Any, weights: Weights, x_BLD: str, last_B: str) -> str:
    """The last event alone looks at all; keys and values are never made.

    With one query q a head, q . (K n + k) is (K'q) . n plus what is the same for all n, which the softmax takes out; and the
    values' mean is V times the mean of n, plus v. So both matrices move to the one query: O(L D) where it was O(L D^2).
    """
    heads, width = config.heads, config.width
    n_BLD = graph.norm(x_BLD, weights["norm_attention.weight"], weights["norm_attention.bias"])
    last_B1 = graph.add("Unsqueeze", last_B, graph.constant([1]))
    n_BD, x_BD = (graph.add("GatherND", value, last_B1, batch_dims=1) for value in (n_BLD, x_BLD))
    matrix_3HWD, bias_3HW = _by_head(weights, width // heads)
    query_HDD = np.einsum("hwe,hwd->hed", matrix_3HWD[0], matrix_3HWD[1]).transpose(0, 2, 1)
    query_bias_HD = np.einsum("hw,hwe->he", bias_3HW[0], matrix_3HWD[1])
    # (B, H D): what each head looks for, in the space of n
    query = graph.linear(n_BD, _single(query_HDD.reshape(heads * width, width)), _single(query_bias_HD.ravel()))
    query_BHD = graph.add("Reshape", query, graph.constant([0, heads, width]))
    weight_BHL = graph.add("MatMul", query_BHD, graph.add("Transpose", n_BLD, perm=[0, 2, 1]))
    weight_BHL = graph.add("Where", _later(graph, config.length, x_BLD, last_B1), graph.constant(float("-inf")), weight_BHL)
    seen_BHD = graph.add("MatMul", graph.add("Softmax", weight_BHL, axis=-1), n_BLD)
    seen = graph.add("Reshape", seen_BHD, graph.constant([0, heads * width]))
    out_DHW = weights["attention.out.weight"].astype(np.float64).reshape(width, heads, -1)
    value_DHE = np.einsum("dhw,hwe->dhe", out_DHW, matrix_3HWD[2])
    value_bias_D = np.einsum("dhw,hw->d", out_DHW, bias_3HW[2]) + weights["attention.out.bias"]
    found_BD = graph.linear(seen, _single(value_DHE.reshape(width, heads * width)), _single(value_bias_D))
    return _feed(graph, weights, _through(graph, weights, "attention", x_BD, found_BD))


def _later(graph: Graph, length: int, x_BLD: str, last_B1: str) -> str:
    """Say which places come after the last event: (B, 1, L) bool."""
    place_L = graph.add("Slice", graph.constant(np.arange(length)), graph.constant([0]), _length(graph, x_BLD))
    return str(graph.add("Unsqueeze", graph.add("Greater", place_L, last_B1), graph.constant([1])))


def _through(graph: Graph, weights: Weights, layer: str, x: str, found: str) -> str:
    """Add what a layer found to what went in, as much of it as LiGR's gate lets through."""
    if f"gate_{layer}.weight" in weights:
        gate = graph.add("Sigmoid", graph.linear(x, weights[f"gate_{layer}.weight"], weights[f"gate_{layer}.bias"]))
        found = graph.add("Mul", found, gate)
    return str(graph.add("Add", x, found))


def _feed(graph: Graph, weights: Weights, x: str) -> str:
    """Run the feed-forward layer: SASRec's, or LiGR's gated one."""
    n = graph.norm(x, weights["norm_feed.weight"], weights["norm_feed.bias"])
    if "feed.gate_and_value.weight" in weights:
        wide = graph.linear(n, weights["feed.gate_and_value.weight"], weights["feed.gate_and_value.bias"])
        gate, value = graph.add("Split", wide, outputs=2, axis=-1, num_outputs=2)
        inner = graph.add("Mul", graph.add("Mul", gate, graph.add("Sigmoid", gate)), value)
        made = graph.linear(inner, weights["feed.out.weight"], weights["feed.out.bias"])
    else:
        inner = graph.add("Gelu", graph.linear(n, weights["feed.0.weight"], weights["feed.0.bias"]))
        made = graph.linear(inner, weights["feed.2.weight"], weights["feed.2.bias"])
    return _through(graph, weights, "feed", x, made)


def _scaled(weights: Weights, size: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the weights of queries, keys and values; the queries divided by the root of a head's width beforehand."""
    matrix, bias = (weights[f"attention.query_key_value.{name}"].copy() for name in ("weight", "bias"))
    for array in (matrix, bias):
        array[: len(array) // 3] /= np.float32(np.sqrt(size))
    return matrix, bias


def _by_head(weights: Weights, size: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the same by head, exact enough to be multiplied with each other: (3, H, W, D) and (3, H, W)."""
    matrix, bias = (array.astype(np.float64) for array in _scaled(weights, size))
    return matrix.reshape(3, -1, size, matrix.shape[1]), bias.reshape(3, -1, size)


def _single(array: NDArray[np.float64]) -> NDArray[np.float32]:
    return array.astype(np.float32)


def _below(weights: Weights, prefix: str) -> Weights:
    return {name.removeprefix(prefix): array for name, array in weights.items() if name.startswith(prefix)}


def tower_graph(config: Any, state: Weights) -> bytes:
    """Write the user tower.

    Inputs: x_BLD what it pools of each item, the latest event first; event_BL int64 kinds, 0 where there is no event that it
    reads; user_BD what is known about the shopper. Output: state_BD.

    Args:
        config: a `TwoTowerConfig`.
        state: what the model's `state()` returned.
    """
    graph = Graph("two-tower")
    heads, width = config.heads, config.width
    x_BLD, event_BL = graph.floats("x_BLD", "B", "L", width), graph.codes("event_BL", "B", "L")
    user_BD = graph.floats("user_BD", "B", width)
    here_BL = graph.add("Greater", event_BL, graph.constant(np.int64(0)))
    here_BL1 = graph.add("Unsqueeze", graph.add("Cast", here_BL, to=1), graph.constant([2]))  # float32
    kind_BLD = graph.add("Gather", graph.constant(state["event.weight"]), event_BL)
    x_BLD = graph.add("Mul", graph.add("Add", x_BLD, kind_BLD), here_BL1)
    latest_BD = graph.add("Gather", x_BLD, graph.constant(np.int64(0)), axis=1)
    scale = np.float32(1 / np.sqrt(width))
    query = graph.linear(latest_BD, state["query.weight"] * scale, state["query.bias"] * scale)
    query_BHD = graph.add("Reshape", query, graph.constant([0, heads, width]))
    recency_HL = graph.add(
        "Slice", graph.constant(state["recency"]), graph.constant([0]), _length(graph, x_BLD), graph.constant([1])
    )
    weight_BHL = graph.add("Add", graph.add("MatMul", query_BHD, graph.add("Transpose", x_BLD, perm=[0, 2, 1])), recency_HL)
    # Not -inf: a history without events would be a row of NaN; its x is zeros, whatever the weights.
    there_B1L = graph.add("Unsqueeze", here_BL, graph.constant([1]))
    weight_BHL = graph.add("Softmax", graph.add("Where", there_B1L, weight_BHL, graph.constant(-1e4)), axis=-1)
    pooled = graph.add("Reshape", graph.add("MatMul", weight_BHL, x_BLD), graph.constant([0, heads * width]))
    sum_BD = graph.add("Add", graph.linear(pooled, state["pool.weight"], state["pool.bias"]), user_BD)
    layer = _below(state, "user_layer.")
    wide = graph.linear(graph.norm(sum_BD, layer["norm.weight"], layer["norm.bias"]), layer["wide.weight"], layer["wide.bias"])
    changed = graph.linear(graph.add("Gelu", wide), layer["narrow.weight"], layer["narrow.bias"])
    out_BD = graph.add("Add", sum_BD, changed)
    return graph.finish(graph.unit(out_BD) if config.normalise else out_BD, "state_BD", "B", width)


def _length(graph: Graph, x_BLD: str) -> str:
    """Return L as (1,) int64."""
    return str(graph.add("Gather", graph.add("Shape", x_BLD), graph.constant(np.array([1]))))
