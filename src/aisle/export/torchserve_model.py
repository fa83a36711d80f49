"""The trained model itself, in torch, put back into its bundle: what TorchServe runs. From safetensors, never unpickled."""

# B shoppers   D width of the vectors

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aisle.bundle import layout
from aisle.bundle.bundle import Bundle
from aisle.bundle.scorer_vectors import VectorScorer
from aisle.bundle.scorers import eager_state
from aisle.experiment.recipe import parse_recipe
from aisle.experiment.registry import MODELS
from aisle.features.histories import Histories
from aisle.models.next_item import NextItem
from aisle.models.two_tower import TwoTower

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class TorchAsker:
    """Turns who asks into a vector with the torch model; items are found as everywhere, through the bundle's index.

    Attributes:
        model: knows whom it knows.
        vectors: (B,) user codes and B histories -> (B, D).
    """

    model: NextItem | TwoTower
    vectors: Callable[[NDArray[np.int64], Histories], Floats]

    def knows(self, user_B: NDArray[np.int64], known: Histories) -> NDArray[np.bool_]:
        """Say whom the model knows more about than popularity: (B,)."""
        return self.model.knows(user_B, known)

    def ask(self, user_B: NDArray[np.int64], known: Histories) -> tuple[Floats, None]:
        """Return vectors: (B, D)."""
        return self.vectors(user_B, known), None


def open_eager(folder: Path, *, check: bool = True, public_key: Path | None = None) -> Bundle:
    """Open a bundle whose answers come from the torch model that was exported.

    Args:
        folder: the bundle.
        check: hold every file against the manifest first.
        public_key: PEM file of the key that the bundle must be signed with.

    Raises:
        AisleError: those of `Bundle.open`.
    """
    bundle = Bundle.open(folder, check=check, public_key=public_key)
    recipe = parse_recipe(json.loads((folder / layout.RECIPE_NAME).read_bytes()), str(folder))
    model = MODELS[recipe.model].load(recipe.parameters, eager_state(folder / layout.MODEL))
    return with_torch(bundle, model)


def with_torch(bundle: Bundle, model: Any) -> Bundle:
    """Return a bundle that answers from a torch model: where it makes vectors, through the bundle's own index.

    Args:
        bundle: of that model.
        model: as it was trained, or loaded again.
    """
    asker = _asker(model)
    if bundle.nearest is None or asker is None or not isinstance(bundle.scorer, VectorScorer):
        return replace(bundle, scorer=model, nearest=None)
    scorer = replace(bundle.scorer, asker=asker)
    return replace(bundle, scorer=scorer, nearest=replace(bundle.nearest, scorer=scorer))


def _asker(model: Any) -> TorchAsker | None:
    """Return how a model that reads histories makes vectors; None for the others, which score pairs or items."""
    if isinstance(model, NextItem):
        return TorchAsker(model, lambda user_B, known: model.states(known).cpu().numpy())
    if isinstance(model, TwoTower):
        return TorchAsker(model, model.user_vectors)
    return None
