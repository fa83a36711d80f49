"""A fitted model becomes files that are served without torch; `bundle.scorers` reads them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from aisle.bundle.scorer_stages import stage_folder
from aisle.errors import AisleError, did_you_mean
from aisle.experiment.kinds.stages_config import CANDIDATE_FM, TwoStageConfig, default_ranker
from aisle.export.scorer_folder import ScorerReport, Served, write_scorer
from aisle.export.served_counted import counted
from aisle.export.served_encoders import next_item, two_tower
from aisle.export.served_pairs import deepfm, ncf
from aisle.export.served_stages import candidate_fm, stages
from aisle.export.served_vectors import fm, mf
from aisle.recommend.ranker import FeatureRanker
from aisle.recommend.stages import TwoStage

_SERVED: Mapping[str, Callable[[Any, str, Any], Served]] = {
    **dict.fromkeys(("popularity", "item-knn", "vs-knn", "recently-viewed", "content", "ials", "ease"), counted),
    "mf": mf,
    "fm": fm,
    "ncf": ncf,
    "deepfm": deepfm,
    **dict.fromkeys(("lstm", "sasrec", "ligr"), next_item),
    "two-tower": two_tower,
}


def export_scorer(model: Any, kind: str, config: Any, folder: Path) -> ScorerReport:
    """Write the served form of a fitted model.

    Args:
        model: as `Recommender.fitted.model` has it, on any device; it is not changed.
        kind: its name in a recipe, a key of `experiment.registry.MODELS`.
        config: its parameters, as the recipe has them.
        folder: where to; made where it is missing. Part of a bundle that is written atomically.

    Returns:
        What was written.

    Raises:
        AisleError: E024 for a model that cannot be served without torch, E601 when the disk is full.
    """
    if kind == "two-stage":
        return _export_stages(model, config, folder)
    if kind not in _SERVED:
        raise AisleError(f"a '{kind}' cannot be exported", hint=did_you_mean(kind, (*_SERVED, "two-stage")), code="E024")
    return write_scorer(folder, kind, config, _SERVED[kind](model, kind, config))


def _export_stages(model: TwoStage, config: TwoStageConfig, folder: Path) -> ScorerReport:
    """Export every part of two stages, then what puts them together; the report counts all of them."""
    for part, wanted, sources in (("recall", config.recall, model.recallers), ("fallback", config.fallback, model.fallbacks)):
        for number, (stage, source) in enumerate(zip(wanted, sources, strict=True)):
            scorer: Any = source.scorer
            export_scorer(scorer, stage.model, scorer.config, folder / stage_folder(part, number))
    if isinstance(model.ranker, FeatureRanker):
        network: Any = model.ranker.model
        write_scorer(folder / "ranker", CANDIDATE_FM, network.config, candidate_fm(model.ranker))
    else:
        ranker: Any = model.ranker
        stage = config.ranker or default_ranker()
        export_scorer(ranker.scorer, stage.model, ranker.scorer.config, folder / "ranker")
    return write_scorer(folder, "two-stage", config, stages(model))
