"""What follows a view: a favourite, the cart, a purchase; how likely each is for an item on a day."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aisle.simulate.catalogue import Catalogue

FAVOURITE = 0.08
CART = 0.15
PURCHASE_OF_CART = 0.42
MOST = 0.6
PROMOTED_LIFT = 1.5
# A visit is a mission or a stroll; missions fill the cart more often. The mean over visits is 1.
SHARE_MISSIONS = 0.3
MISSION_LIFT = 2.0
STROLL_LIFT = (1 - SHARE_MISSIONS * MISSION_LIFT) / (1 - SHARE_MISSIONS)


@dataclass(frozen=True)
class Chances:
    """Chances of each step after a view, elementwise over N views.

    Attributes:
        favourite: that the item is marked as a favourite.
        cart: that it goes into the cart.
        purchase: that what is in the cart is bought.
    """

    favourite: NDArray[np.float32]
    cart: NDArray[np.float32]
    purchase: NDArray[np.float32]

    def events_a_view(self) -> NDArray[np.float32]:
        """Return the expected number of events that a view brings, itself included."""
        return 1 + self.favourite + self.cart * (1 + self.purchase)


def chances(
    catalogue: Catalogue, item: NDArray[np.integer], promoted: NDArray[np.bool_], lift: NDArray[np.float32] | float
) -> Chances:
    """Return the chances for views of items.

    Args:
        item: (N,) items.
        promoted: (N,) whether each is promoted that day.
        lift: (N,) or one number: MISSION_LIFT or STROLL_LIFT of the visit.
    """
    conversion = catalogue.conversion[item]
    cart = CART * conversion * lift * np.where(promoted, np.float32(PROMOTED_LIFT), np.float32(1))
    return Chances(
        favourite=np.minimum(FAVOURITE * conversion, MOST).astype(np.float32),
        cart=np.minimum(cart, MOST).astype(np.float32),
        purchase=np.minimum(PURCHASE_OF_CART * np.sqrt(conversion), MOST).astype(np.float32),
    )


def expected_events_a_view(catalogue: Catalogue, item: NDArray[np.integer], promoted: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the events that a view of each item brings, over missions and strolls: (N,)."""
    mission = chances(catalogue, item, promoted, MISSION_LIFT).events_a_view()
    stroll = chances(catalogue, item, promoted, STROLL_LIFT).events_a_view()
    return np.asarray(SHARE_MISSIONS * mission + (1 - SHARE_MISSIONS) * stroll, np.float64)
