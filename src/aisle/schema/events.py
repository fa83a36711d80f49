"""What a shopper can do to an item, as stable one-byte codes."""

from __future__ import annotations

from enum import IntEnum


class Event(IntEnum):
    """Kinds of behaviour. The numbers are part of the dataset format and never change."""

    view = 1
    click = 2
    impression = 3
    favourite = 4
    cart = 5
    purchase = 6
    dislike = 7
    rating = 8


# Events that say "this shopper wanted this item": what models learn from unless a recipe says otherwise.
POSITIVE = (Event.view, Event.click, Event.favourite, Event.cart, Event.purchase, Event.rating)

# Other people's words for the same thing, lower case.
EVENT_ALIASES: dict[str, Event] = {
    "pv": Event.view,
    "pageview": Event.view,
    "page_view": Event.view,
    "impress": Event.impression,
    "imp": Event.impression,
    "fav": Event.favourite,
    "favorite": Event.favourite,
    "wishlist": Event.favourite,
    "like": Event.favourite,
    "addtocart": Event.cart,
    "add_to_cart": Event.cart,
    "add-to-cart": Event.cart,
    "basket": Event.cart,
    "transaction": Event.purchase,
    "buy": Event.purchase,
    "order": Event.purchase,
    "rate": Event.rating,
    "review": Event.rating,
}


def event_names() -> dict[str, Event]:
    """Return every accepted spelling of every event: canonical names and aliases."""
    return {**{event.name: event for event in Event}, **EVENT_ALIASES}
