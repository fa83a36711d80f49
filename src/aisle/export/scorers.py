"""A fitted model becomes files that are served without torch; `bundle.scorers` reads them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from aisle.errors import AisleError, did_you_mean
from aisle.export.scorer_folder import ScorerReport, Served, write_scorer
from aisle.export.served_counted import counted
from aisle.export.served_encoders import next_item
from aisle.export.served_vectors import mf

_SERVED: Mapping[str, Callable[[Any, str, Any], Served]] = {
    **dict.fromkeys(("popularity", "item-knn", "vs-knn", "recently-viewed", "content", "ials", "ease"), counted),
    "mf": mf,
    **dict.fromkeys(("lstm", "sasrec", "ligr"), next_item),
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
    if kind not in _SERVED:
        raise AisleError(f"a '{kind}' cannot be exported", hint=did_you_mean(kind, _SERVED), code="E024")
    return write_scorer(folder, kind, config, _SERVED[kind](model, kind, config))
