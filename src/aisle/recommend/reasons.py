"""Why an item is in a list: which model named it, and which item of the shopper's own it is like. NumPy only."""

# B shoppers   K places in a list   H items of a history   V items of the catalogue   R recommendations of all lists

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from aisle.features.histories import Histories
from aisle.recommend.recommender import Recommendations
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


@runtime_checkable
class LikensLists(Protocol):
    """A scorer that can compare the items of many lists at once."""

    def similar_lists(self, item_BH: NDArray[np.int64], item_BK: NDArray[np.int64]) -> NDArray[np.float32]:
        """Score how alike items are, row by row as `similar_pairs` does: (B, H) and (B, K) item codes -> (B, H, K)."""


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
    if not item_BK.size:
        return because_BK, event_BK
    own_BH, own_event_BH = _latest(known)
    for source, scorer in enumerate(scorers):
        named_BK = source_BK == source
        rows = np.flatnonzero(named_BK.any(axis=1) & (own_BH[:, 0] >= 0))
        if not len(rows):
            continue
        own_MH, item_MK = own_BH[rows], np.where(named_BK[rows], item_BK[rows], -1)
        like_MHK = np.where((own_MH[:, :, None] == item_MK[:, None, :]) & (item_MK >= 0)[:, None, :], np.inf, -np.inf)
        if not bool(scorer.knows(np.array([-1]), Histories.empty(1))[0]):  # one that tells strangers something is not personal
            like_MHK = np.maximum(like_MHK, alike_lists(scorer, np.maximum(own_MH, 0), np.maximum(item_MK, 0)))
        like_MHK[np.broadcast_to((own_MH < 0)[:, :, None], like_MHK.shape)] = -np.inf
        nearest_MK = like_MHK.argmax(axis=1)
        found_MK = (np.take_along_axis(like_MHK, nearest_MK[:, None, :], axis=1)[:, 0] > 0) & (item_MK >= 0)
        row, place = np.nonzero(found_MK)
        nearest = nearest_MK[row, place]
        because_BK[rows[row], place], event_BK[rows[row], place] = own_MH[row, nearest], own_event_BH[rows[row], nearest]
    return because_BK, event_BK


def alike_pairs(scorer: Scorer, item_H: NDArray[np.int64], item_P: NDArray[np.int64]) -> NDArray[np.float32]:
    """Score how alike items are in the cheapest way that the scorer offers: (H,) and (P,) -> (H, P)."""
    return scorer.similar_pairs(item_H, item_P) if isinstance(scorer, LikensPairs) else scorer.similar(item_H)[:, item_P]


def alike_lists(scorer: Scorer, item_BH: NDArray[np.int64], item_BK: NDArray[np.int64]) -> NDArray[np.float32]:
    """Score how alike the items of each row are, as `alike_pairs`: (B, H) and (B, K) -> (B, H, K)."""
    if isinstance(scorer, LikensLists):
        return scorer.similar_lists(item_BH, item_BK)
    return np.stack([alike_pairs(scorer, item_H, item_K) for item_H, item_K in zip(item_BH, item_BK, strict=True)])


def _latest(known: Histories) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Return the latest distinct items of each history, the last first, and the last event with each: (B, H), -1 for none."""
    place_BH = known.offsets[1:, None] - 1 - np.arange(LATEST)
    there_BH = place_BH >= known.offsets[:-1, None]
    own_BH, event_BH = np.full(place_BH.shape, -1, np.int64), np.zeros(place_BH.shape, np.uint8)
    own_BH[there_BH], event_BH[there_BH] = known.item[place_BH[there_BH]], known.event[place_BH[there_BH]]
    # Most often the last events are with as many items; where they are not, further ones are looked at.
    sorted_BH = np.sort(own_BH, axis=1)
    for row in np.flatnonzero(((sorted_BH[:, 1:] == sorted_BH[:, :-1]) & (sorted_BH[:, 1:] >= 0)).any(axis=1)).tolist():
        event_of: dict[int, int] = {}
        span = slice(known.offsets[row], known.offsets[row + 1])
        for item, event in zip(known.item[span].tolist()[::-1], known.event[span].tolist()[::-1], strict=True):
            event_of.setdefault(item, event)
            if len(event_of) == LATEST:
                break
        room = LATEST - len(event_of)
        own_BH[row], event_BH[row] = [*event_of, *[-1] * room], [*event_of.values(), *[0] * room]
    return own_BH, event_BH


def in_words(
    reasons: Reasons, lists: Recommendations, decode: Callable[[NDArray[np.int32]], list[int | str]]
) -> tuple[list[str], list[int | str | None]]:
    """Put the reasons of some lists in words.

    Args:
        reasons: of the lists as a table.
        lists: R recommendations; what is not the model's is popular, whatever the table says.
        decode: item codes -> raw ids.

    Returns:
        R reasons; and R raw ids of the shopper's own items that they name, None for none.
    """
    at = (lists.row, lists.rank - 1)
    because_R = np.where(lists.from_model, reasons.because[at], -1)
    # Where no item is named any id takes its place: decoded at once is faster than one by one.
    named = [raw if there else None for raw, there in zip(decode(np.maximum(because_R, 0)), because_R >= 0, strict=True)]
    names = [*reasons.names, None]  # `NOBODY` is the last
    source_R = np.where(lists.from_model, reasons.source[at], NOBODY)
    columns = (source_R.tolist(), reasons.event[at].tolist(), named, (because_R == lists.item).tolist())
    return [words(names[source], event, raw, itself=own) for source, event, raw, own in zip(*columns, strict=True)], named


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
