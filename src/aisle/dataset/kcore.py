"""Leave out users and items with too few events, again and again until all that are left have enough."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def core_mask(
    user_E: NDArray[np.integer], item_E: NDArray[np.integer], *, min_user_events: int, min_item_events: int
) -> NDArray[np.bool_]:
    """Say which events are in the k-core: the largest part where every user and every item has enough events.

    Args:
        user_E: (E,) user codes.
        item_E: (E,) item codes.
        min_user_events: events that a user needs; 1 leaves every user.
        min_item_events: events that an item needs.

    Returns:
        (E,) bool. It does not depend on the order of the events, since the k-core is unique.

    Example:
        >>> core_mask(np.array([0, 0, 1]), np.array([5, 6, 5]), min_user_events=2, min_item_events=1).tolist()
        [True, True, False]
    """
    kept = np.arange(len(user_E))
    while len(kept):
        user, item = user_E[kept], item_E[kept]
        enough = (np.bincount(user)[user] >= min_user_events) & (np.bincount(item)[item] >= min_item_events)
        if enough.all():
            break
        kept = kept[enough]
    mask = np.zeros(len(user_E), np.bool_)
    mask[kept] = True
    return mask
