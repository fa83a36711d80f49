"""Who wanted what and how much, as a sparse matrix: the input of models that see no order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from aisle.errors import AisleError, did_you_mean
from aisle.features.histories import Histories
from aisle.schema.events import Event


def event_weights(weights: Sequence[tuple[str, float]]) -> NDArray[np.float32]:
    """Turn names of events into a table by their codes.

    Args:
        weights: (name of a kind of event, how much one says); kinds that are not named weigh 1.

    Returns:
        (256,) float32.

    Raises:
        AisleError: E320 for a kind that does not exist, or a weight that is not above 0.

    Example:
        >>> event_weights([("view", 0.2)])[[Event.view, Event.purchase]].tolist()
        [0.20000000298023224, 1.0]
    """
    table = np.ones(256, np.float32)
    for name, weight in weights:
        if name not in Event.__members__:
            hint = did_you_mean(name, Event.__members__)
            raise AisleError(f"event_weights name '{name}', which is no kind of event", hint=hint, code="E320")
        if not 0 < weight < np.inf:
            hint = "give it a weight above 0, or leave its events out of split.positive_events"
            raise AisleError(f"event_weights give '{name}' the weight {weight}", hint=hint, code="E320")
        table[Event[name]] = weight
    return table


def interactions(
    histories: Histories, n_items: int, weight_of: NDArray[np.float32], *, repeat_power: float = 0.0
) -> sparse.csr_array:
    """Return one row a history: at each distinct item the weight of its weightiest event, more where there are several.

    Args:
        histories: R histories.
        n_items: V items of the catalogue.
        weight_of: (256,) weight of an event by its code.
        repeat_power: n events with an item say n to this power as much as one; 0 counts them once.

    Returns:
        (R, V) float32, columns ascending in each row, no stored zeros.
    """
    key = histories.rows * n_items + histories.item
    weight = weight_of[histories.event]
    order = np.lexsort((weight, key)) if len(np.unique(weight)) > 1 else np.argsort(key, kind="stable")
    key, weight = key[order], weight[order]
    last = np.append(key[1:] != key[:-1], True) if len(key) else np.zeros(0, np.bool_)  # the heaviest of its pair
    weight = weight[last] * np.diff(np.flatnonzero(last), prepend=-1).astype(np.float32) ** np.float32(repeat_power)
    row, item = np.divmod(key[last], max(n_items, 1))
    offsets = np.searchsorted(row, np.arange(len(histories) + 1))
    return sparse.csr_array((weight, item.astype(np.int32), offsets), shape=(len(histories), n_items))
