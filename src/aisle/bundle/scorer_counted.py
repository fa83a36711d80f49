"""The models that need NumPy alone, each rebuilt by its own class from its own arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from numpy.typing import NDArray

from aisle.bundle.scorer_files import ScorerFiles
from aisle.errors import AisleError
from aisle.models.content import Content, ContentConfig
from aisle.models.ease import EASE, EASEConfig
from aisle.models.ials import IALS, IALSConfig
from aisle.models.item_knn import ItemKNN, ItemKNNConfig
from aisle.models.popularity import Popularity, PopularityConfig
from aisle.models.recently_viewed import RecentlyViewed, RecentlyViewedConfig
from aisle.models.session_knn import SessionKNN, SessionKNNConfig
from aisle.recommend.scorer import Scorer

_MODELS: Mapping[str, tuple[type[Any], Callable[[Any, Mapping[str, NDArray[Any]]], Scorer]]] = {
    "popularity": (PopularityConfig, Popularity.from_state),
    "item-knn": (ItemKNNConfig, ItemKNN.from_state),
    "vs-knn": (SessionKNNConfig, SessionKNN.from_state),
    "recently-viewed": (RecentlyViewedConfig, RecentlyViewed.from_state),
    "content": (ContentConfig, Content.from_state),
    "ials": (IALSConfig, IALS.from_state),
    "ease": (EASEConfig, EASE.from_state),
}


def load_counted(files: ScorerFiles) -> Scorer:
    """Rebuild a model.

    Raises:
        AisleError: E022 when the arrays do not make such a model.
    """
    config, from_state = _MODELS[files.model]
    try:
        return from_state(config(**files.config), counted_state(files))
    except (KeyError, ValueError, TypeError, IndexError) as error:
        raise AisleError(
            f"the arrays in {files.folder} do not make a {files.model}: {error!r}", hint="export the run again", code="E022"
        ) from error


def counted_state(files: ScorerFiles) -> dict[str, NDArray[Any]]:
    """Return the model's own state, mapped into memory."""
    return {name: files.array(name) for name in files.arrays}
