"""Two stages out of served parts, put together as they were fitted: `recommend.stages` is the same code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aisle.bundle.scorer_files import ScorerFiles, Session
from aisle.features.buckets import Buckets
from aisle.features.item_facts import ItemFacts
from aisle.recommend.candidates import Recaller
from aisle.recommend.ranker import FeatureRanker, ModelRanker, Ranker
from aisle.recommend.scorer import Scorer
from aisle.recommend.stages import TwoStage

# B questions   N candidates of a question   F features

_BLOCK_CELLS = 1_000_000  # codes of candidates ranked at once
FEATURES = "features"  # the kind of a ranker over features, which is no scorer
State = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class CodeGraph:
    """A model over the codes of features, served.

    Attributes:
        ranker: the graph.
        files: where the eager model's state is.
    """

    ranker: Session
    files: ScorerFiles

    def score_codes(self, code_BNF: NDArray[np.int32]) -> NDArray[np.float32]:
        """Score candidates by their codes: (B, N, F) -> (B, N)."""
        score_BN = np.empty(code_BNF.shape[:2], np.float32)
        block = max(1, _BLOCK_CELLS // max(int(np.prod(code_BNF.shape[1:])), 1))
        for start in range(0, len(code_BNF) if code_BNF.size else 0, block):
            rows = slice(start, start + block)
            score_BN[rows] = self.ranker.run(code_BNF=code_BNF[rows].astype(np.int64))
        return score_BN

    def state(self) -> State:
        """Return the arrays of the eager model."""
        return self.files.weights()


def stage_folder(part: str, number: int) -> str:
    """Return the sub-folder of a recaller or fallback, such as "recall-0"."""
    return f"{part}-{number}"


def load_two_stage(files: ScorerFiles, load: Callable[[Path], Scorer]) -> TwoStage:
    """Put the stages together.

    Args:
        files: of the whole.
        load: opens a part.
    """
    recallers, fallbacks = (_sources(files, part, load) for part in ("recall", "fallback"))
    hidden_events = files.shaped("hidden_events", None)
    return TwoStage(recallers, fallbacks, _ranker(files, load), hidden_events, int(files.more["n_items"]), files.config)


def _sources(files: ScorerFiles, part: str, load: Callable[[Path], Scorer]) -> tuple[Recaller, ...]:
    told = files.more[part]
    scorers = [load(files.folder / stage_folder(part, number)) for number in range(len(told))]
    return tuple(Recaller(one["name"], scorer, one["count"]) for one, scorer in zip(told, scorers, strict=True))


def _ranker(files: ScorerFiles, load: Callable[[Path], Scorer]) -> Ranker:
    own = files.below("ranker")
    if own.kind != FEATURES:
        model: Any = load(own.folder)  # not a `SavedScorer`: what is served is not saved again
        return ModelRanker(model)
    facts, buckets = ItemFacts.from_state(_part(own, "facts_")), Buckets.from_state(_part(own, "buckets_"))
    return FeatureRanker(facts, buckets, CodeGraph(own.session("ranker"), own))


def two_stage_state(files: ScorerFiles, state_of: Callable[[Path], State]) -> State:
    """Return the state of the eager two stages.

    Args:
        files: of the whole.
        state_of: returns that of a part.
    """
    state: State = {"hidden_events": files.array("hidden_events"), "n_items": np.array([files.more["n_items"]])}
    for part in ("recall", "fallback"):
        for number in range(len(files.more[part])):
            state |= _named(f"{part}.{number}.", state_of(files.folder / stage_folder(part, number)))
    own = files.below("ranker")
    if own.kind != FEATURES:
        return state | _named("ranker.", state_of(own.folder))
    state |= _named("ranker.facts.", _part(own, "facts_")) | _named("ranker.buckets.", _part(own, "buckets_"))
    return state | _named("ranker.model.", own.weights())


def _part(files: ScorerFiles, prefix: str) -> State:
    return {name.removeprefix(prefix): files.array(name) for name in files.arrays if name.startswith(prefix)}


def _named(prefix: str, state: Mapping[str, NDArray[Any]]) -> State:
    return {prefix + name: array for name, array in state.items()}
