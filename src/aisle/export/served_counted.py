"""The served form of the models that need NumPy alone: their own arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from aisle.export.scorer_folder import Served
from aisle.features.histories import Histories


def counted(model: Any, name: str, config: Any) -> Served:
    """Take a model apart whose class reads its own `state` back."""
    n_items = model.score(np.array([-1]), Histories.empty(1)).shape[1]
    return Served("counted", model.state(), n_items)
