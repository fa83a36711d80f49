"""Items that nothing may be learned from: a rehearsal for what the shop adds to its catalogue tomorrow."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aisle.errors import AisleError


def cold_items(n_items: int, share: float, seed: int) -> NDArray[np.bool_]:
    """Draw the items whose events are taken out of training.

    Questions stay as they are. Those with such an item as the right answer are the slice "items: new (no training events)":
    there only what the catalogue says of an item can help.

    Args:
        n_items: V, size of the catalogue.
        share: of the catalogue, from 0 to below 1.
        seed: which ones.

    Returns:
        (V,) bool.

    Raises:
        AisleError: E259 for a share that is none.
    """
    if not 0 <= share < 1:
        raise AisleError(
            f"split.cold_items is {share}: a share of the catalogue is from 0 to below 1",
            hint="set it to 0.1 to learn nothing from a tenth of the items, or leave it out",
            code="E259",
        )
    cold_V = np.zeros(n_items, np.bool_)
    cold_V[np.random.default_rng(seed).permutation(n_items)[: round(share * n_items)]] = True
    return cold_V
