"""The served form of two stages: every part in a folder of its own, and what puts them together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aisle.export.graph import Graph
from aisle.export.scorer_folder import Served
from aisle.models.candidate_fm import CandidateFM
from aisle.recommend.candidates import Recaller
from aisle.recommend.ranker import FeatureRanker
from aisle.recommend.stages import TwoStage

# B questions   N candidates of a question   F features   T rows of the table, the buckets of all features   K factors


def stages(model: TwoStage) -> Served:
    """Describe how the parts go together; the parts themselves are exported one by one."""
    more = {
        "recall": [_source(source) for source in model.recallers],
        "fallback": [_source(source) for source in model.fallbacks],
    }
    return Served("two-stage", {"hidden_events": model.hidden_events}, model.n_items, more=more | {"n_items": model.n_items})


def _source(source: Recaller) -> dict[str, Any]:
    return {"name": source.name, "count": source.count}


def candidate_fm(ranker: FeatureRanker) -> Served:
    """Take the ranker over features apart: facts and buckets as arrays, the model over codes as a graph."""
    model: Any = ranker.model
    state = model.state()
    parts = {"facts": ranker.facts.state(), "buckets": ranker.buckets.state()}
    arrays = {f"{part}_{name}": array for part, found in parts.items() for name, array in found.items()}
    graphs = {"ranker": candidate_fm_graph(model, state)}
    return Served("features", arrays, len(ranker.facts), graphs, state, {}, 0, model.config.factors)


def candidate_fm_graph(model: CandidateFM, state: Mapping[str, NDArray[Any]]) -> bytes:
    """Write the ranker: code_BNF int64 -> score_BN. Its tables are a row a bucket, not a row an item."""
    graph = Graph("candidate-fm")
    code_BNF = graph.codes("code_BNF", "B", "N", "F")
    part_BNFK = graph.add("Gather", graph.constant(state["vector.weight"]), code_BNF)
    # A bucket's own weight is the sum of steps up to it.
    bias_T = np.cumsum(state["step.weight"][:, 0], dtype=np.float32)
    features = graph.constant([2])  # the axis; after a sum over it, the one of the factors
    bias_BN = graph.add("ReduceSum", graph.add("Gather", graph.constant(bias_T), code_BNF), features, keepdims=0)
    square_of_sum = _square(graph, graph.add("ReduceSum", part_BNFK, features, keepdims=0))
    sum_of_squares = graph.add("ReduceSum", _square(graph, part_BNFK), features, keepdims=0)
    pairs_BN = graph.add("ReduceSum", graph.add("Sub", square_of_sum, sum_of_squares), features, keepdims=0)
    score_BN = graph.add("Add", bias_BN, graph.add("Mul", pairs_BN, graph.constant(0.5)))
    if model.network is not None:
        hidden = graph.add("Reshape", part_BNFK, graph.constant([0, 0, model.n_features * model.config.factors]))
        for number in range(len(model.config.hidden)):  # each is dropout, linear, relu
            name = f"network.{3 * number + 1}"
            hidden = graph.add("Relu", graph.linear(hidden, state[f"{name}.weight"], state[f"{name}.bias"]))
        out_BN1 = graph.linear(hidden, state[f"network.{3 * len(model.config.hidden)}.weight"])
        score_BN = graph.add("Add", score_BN, graph.add("Squeeze", out_BN1, features))
    return graph.finish(score_BN, "score_BN", "B", "N")


def _square(graph: Graph, x: str) -> str:
    return str(graph.add("Mul", x, x))
