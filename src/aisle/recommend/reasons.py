"""Why an item is in a list: which model named it, and which item of the shopper's own it is like. NumPy only."""

# B shoppers   K places in a list   H items of a history   V items of the catalogue

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from aisle.features.histories import Histories
from aisle.recommend.scorer import Scorer
from aisle.schema.events import Event

LATEST = 10  # distinct items of a history among which the one to name is looked for
NOBODY = -1

_DID: dict[int, str] = {
    Event.view: "viewed",
    Event.click: "clicked",
    Event.impression: "were shown",
    Event.favourite: "saved",
    Event.cart: "put in the cart",
    Event.purchase: "bought",
    Event.dislike: "disliked",
    Event.rating: "rated",
}


@dataclass(frozen=True)
class Reasons:
    """Why each of (B, K) items is there.

    Attributes:
        names: what the sources are called.
        source: (B, K) int64 place in names; `NOBODY` where no source named the item.
        because: (B, K) int32 an item of the shopper's history that this one is most like, or is; -1 = none to name.
        event: (B, K) uint8 the last thing the shopper did to that item; 0 = none to name.
    """

    names: tuple[str, ...]
    source: NDArray[np.int64]
    because: NDArray[np.int32]
    event: NDArray[np.uint8]


@runtime_checkable
class Explains(Protocol):
    """A scorer that can say why, worth having where several sources name items."""

    def reasons(self, user_B: NDArray[np.int64], known: Histories, item_BK: NDArray[np.int64]) -> Reasons:
        """Say why items are recommended: (B, K) item codes, -1 where a list has ended."""

    def for_request(self) -> Scorer:
        """Return the same model for one request: what it works out for the lists it need not work out again for reasons."""


@runtime_checkable
class LikensPairs(Protocol):
    """A scorer that can compare a few items without the whole catalogue."""

    def similar_pairs(self, item_H: NDArray[np.int64], item_P: NDArray[np.int64]) -> NDArray[np.float32]:
        """Score how alike items are: (H,) and (P,) -> (H, P), the same entries of `similar`, but for an item and itself."""


def for_request(scorer: Scorer) -> Scorer:
    """Return a scorer for one request; most have nothing to remember and are used as they are."""
    return scorer.for_request() if isinstance(scorer, Explains) else scorer


def explain(scorer: Scorer, name: str, user_B: NDArray[np.int64], known: Histories, item_BK: NDArray[np.int64]) -> Reasons:
    """Say why a scorer recommends some items, asking itself where it can tell.

    Args:
        scorer: the model.
        name: what it is called, where it cannot tell more.
        user_B: (B,) user codes.
        known: B histories.
        item_BK: (B, K) item codes, -1 where a list has ended.
    """
    if isinstance(scorer, Explains):
        return scorer.reasons(user_B, known, item_BK)
    source_BK = np.where(item_BK >= 0, 0, NOBODY).astype(np.int64)
    return Reasons((name,), source_BK, *likeness([scorer], source_BK, known, item_BK))


def likeness(
    scorers: list[Scorer], source_BK: NDArray[np.int64], known: Histories, item_BK: NDArray[np.int64]
) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
    """Find the item of each shopper's latest that each recommended one is most like, in the eyes of what named it.

    Only positive likeness counts. A source that tells everybody the same has nothing to do with a history.

    Args:
        scorers: the sources.
        source_BK: (B, K) which of them named the item, -1 for none.
        known: B histories.
        item_BK: (B, K) item codes, -1 where a list has ended.

    Returns:
        (B, K) int32 items, -1 where there is none to name; (B, K) uint8 the shopper's last event with it.
    """
    because_BK, event_BK = np.full(item_BK.shape, -1, np.int32), np.zeros(item_BK.shape, np.uint8)
    personal = [not bool(scorer.knows(np.array([-1]), Histories.empty(1))[0]) for scorer in scorers]
    alike = [_alike(scorer) for scorer in scorers]
    for row in range(len(item_BK)):
        own_H, own_event_H = _latest(known, row)
        if not len(own_H):
            continue
        for source in sorted({*source_BK[row].tolist()} - {NOBODY}):
            places = np.flatnonzero(source_BK[row] == source)
            item_P = item_BK[row, places]
            like_HP = np.where(own_H[:, None] == item_P, np.inf, -np.inf)
            if personal[source]:
                like_HP = np.maximum(like_HP, alike[source](own_H, item_P))
            nearest_P = like_HP.argmax(axis=0)
            found_P = like_HP[nearest_P, np.arange(len(item_P))] > 0
            because_BK[row, places[found_P]] = own_H[nearest_P[found_P]]
            event_BK[row, places[found_P]] = own_event_H[nearest_P[found_P]]
    return because_BK, event_BK


def _alike(scorer: Scorer) -> Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.float32]]:
    """Return what scores how alike items are: (H,) and (P,) -> (H, P); an item and itself in any way, they are the same."""
    if isinstance(scorer, LikensPairs):
        return scorer.similar_pairs
    return lambda own_H, item_P: scorer.similar(own_H)[:, item_P]


def _latest(known: Histories, row: int) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Return the latest distinct items of one history, the last first, and the last event with each: (H,), (H,)."""
    span = slice(known.offsets[row], known.offsets[row + 1])
    event_of: dict[int, int] = {}
    for item, event in zip(known.item[span].tolist()[::-1], known.event[span].tolist()[::-1], strict=True):
        event_of.setdefault(item, event)
        if len(event_of) == LATEST:
            break
    return np.array([*event_of], np.int64), np.array([*event_of.values()], np.uint8)


def words(name: str | None, event: int, because: object, *, itself: bool) -> str:
    """Put one reason in words.

    Args:
        name: the source, None for what fills a short list.
        event: code of what the shopper did to the item that is named; 0 = none is named.
        because: raw id of that item.
        itself: whether that item is the recommended one.

    Example:
        >>> words("item-knn", 1, "i0000123", itself=False)
        'similar to i0000123 you viewed'
        >>> words("popular this week", 0, None, itself=False)
        'popular this week'
    """
    if name is None:
        return "popular"
    if not event:
        return name
    did = _DID[event]
    return f"you {did} it" if itself else f"similar to {because} you {did}"
