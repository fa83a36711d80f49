"""The served form of every model: NumPy, SciPy and ONNX Runtime, no torch. `export.scorers` writes what is read here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from aisle.bundle.scorer_counted import counted_state, load_counted
from aisle.bundle.scorer_encoder import load_next_item, load_two_tower, next_item_state, two_tower_state
from aisle.bundle.scorer_factors import fm_state, load_fm, load_mf, mf_state
from aisle.bundle.scorer_files import ABOUT, ScorerFiles
from aisle.bundle.scorer_pairs import deepfm_state, load_deepfm, load_ncf, ncf_state
from aisle.bundle.scorer_stages import load_two_stage, two_stage_state
from aisle.errors import AisleError, did_you_mean
from aisle.recommend.scorer import Scorer

State = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class _Kind:
    """How one model is served.

    Attributes:
        name: of the kind.
        load: makes the scorer.
        state: puts the eager model's state together again.
    """

    name: str
    load: Callable[[ScorerFiles], Scorer]
    state: Callable[[ScorerFiles], State]


_COUNTED = ("popularity", "item-knn", "vs-knn", "recently-viewed", "content", "ials", "ease")
_KINDS: Mapping[str, _Kind] = {
    **dict.fromkeys(_COUNTED, _Kind("counted", load_counted, counted_state)),
    "mf": _Kind("vectors", load_mf, mf_state),
    "fm": _Kind("vectors", load_fm, fm_state),
    "ncf": _Kind("pairs", load_ncf, ncf_state),
    "deepfm": _Kind("pairs", load_deepfm, deepfm_state),
    **dict.fromkeys(("lstm", "sasrec", "ligr"), _Kind("encoder", load_next_item, next_item_state)),
    "two-tower": _Kind("encoder", load_two_tower, two_tower_state),
    "two-stage": _Kind(
        "two-stage",
        lambda files: load_two_stage(files, lambda folder: load_scorer(folder, threads=files.threads)),
        lambda files: two_stage_state(files, eager_state),
    ),
}


def load_scorer(folder: Path, *, threads: int = 1) -> Scorer:
    """Open a served scorer.

    Args:
        folder: the `model` folder of a bundle.
        threads: that one run of a graph may use.

    Returns:
        A `Scorer`; for models whose score is a dot product a `bundle.scorer_vectors.VectorScorer`.

    Raises:
        AisleError: E020 for a folder that describes no scorer, or one that this aisle does not know, E021 for a missing or
            damaged file, E022 for an array of another shape, E023 for a graph that ONNX Runtime cannot load.
    """
    files = ScorerFiles.read(folder, threads)
    kind = _kind(files)
    try:
        return kind.load(files)
    except (KeyError, TypeError, ValueError) as error:  # a key of `config` or `more` that is missing or no number
        raise AisleError(
            f"{folder / ABOUT} does not make a {files.model}: {error!r}", hint="export the run again", code="E020"
        ) from error


def eager_state(folder: Path) -> State:
    """Return the state that the exported model had, as `MODELS[name].load(config, state)` takes it.

    Items are stored once, in the form that serves them; tables that were scaled or added to are worked back, so single numbers
    differ by rounding, and rows of ids that nothing was learned about are zeros.

    Raises:
        AisleError: those of `load_scorer`.
    """
    files = ScorerFiles.read(folder)
    return _kind(files).state(files)


def _kind(files: ScorerFiles) -> _Kind:
    kind = _KINDS.get(str(files.model))
    if kind is None or kind.name != files.kind:
        raise AisleError(
            f"{files.folder / ABOUT} describes a '{files.model}' served as '{files.kind}', which this aisle does not know",
            hint=f"{did_you_mean(str(files.model), _KINDS)}; upgrade aisle where the bundle is newer",
            code="E020",
        )
    return kind
