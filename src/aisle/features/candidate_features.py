"""What a ranker sees of each candidate: what recalled it, the item, and what the shopper did with it and its like.

NumPy only, computed at the moment of the question from the history alone: training, notebook and service share it.
"""

# B shoppers   N candidates a shopper   R recallers   L latest events of a history   F features

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aisle.features.histories import Histories
from aisle.features.item_facts import DAY_US, ItemFacts
from aisle.features.own_items import OwnItems
from aisle.schema.events import Event

LATEST = 64  # events of a history that are looked at: 64 x 300 candidates are compared in about a millisecond
SHORT = 8  # events ago at which an event weighs half
SHORT_MOMENTS = 3.0  # the same for moments with the candidate itself, such as orders
_PULL = {Event.view: 1, Event.click: 1, Event.favourite: 2, Event.rating: 2, Event.cart: 3, Event.purchase: 4}

_WEIGHT = np.zeros(256, np.float32)
_WEIGHT[list(_PULL)] = list(_PULL.values())

OF_ITEM = ("events", "trend", "strong", "again", "age", "price")
OF_SHOPPER = ("history", "moments", "idle_days", "kinds")
OF_OWN = ("own", "own_share", "own_recent", "own_places", "own_ago", "own_days", "own_due", "own_strongest")
OF_PAIR = (*OF_OWN, "price_gap")
OF_KIND = ("share", "recent", "places", "strongest")


def feature_names(recallers: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of the F features, in order."""
    of_recall = [f"{name}.{what}" for name in recallers for what in ("rank", "score")]
    of_kind = [f"{kind}.{what}" for kind in ("category", "brand") for what in OF_KIND]
    return (*of_recall, *OF_ITEM, *OF_SHOPPER, *OF_PAIR, *of_kind)


def candidate_features(
    facts: ItemFacts, known: Histories, item_BN: NDArray[np.int64], score_BNR: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Describe every candidate.

    Args:
        facts: of the catalogue.
        known: B histories.
        item_BN: candidates, -1 where a row has fewer.
        score_BNR: what each recaller gives each candidate, -inf where it cannot say.

    Returns:
        (B, N, F) float32, NaN where a feature is missing; the features stand in the order of `feature_names`.
    """
    latest = _latest(facts, known)
    place_BN = np.maximum(item_BN, 0)
    own = OwnItems.of(known, len(facts), _WEIGHT, SHORT_MOMENTS) if len(known.item) else None
    columns = [
        *_recall_features(score_BNR, item_BN >= 0),
        *(column_V[place_BN] for column_V in facts.columns),
        *_shopper_features(known, latest, own, item_BN.shape),
        *_own_features(facts, own, latest, place_BN),
        _price_gap(facts, latest, place_BN),
        *_kind_features(facts.category[place_BN], latest.category, latest),
        *_kind_features(facts.brand[place_BN], latest.brand, latest),
    ]
    value_BNF = np.stack(columns, axis=2).astype(np.float32)
    value_BNF[item_BN < 0] = np.nan
    return value_BNF


@dataclass(frozen=True)
class _Latest:
    """The last L events of B histories, the latest first; item and kinds -1 where a history has fewer."""

    now: NDArray[np.int64]  # (B,) time of the last event of the shopper, or of the log where that is later
    item: NDArray[np.int64]
    category: NDArray[np.int32]
    brand: NDArray[np.int32]
    pull: NDArray[np.float32]  # how strongly the kind of event speaks, 0 where there is none
    price: NDArray[np.float32]  # log, NaN where missing
    days: NDArray[np.float32]  # before now
    weight: NDArray[np.float32]  # halves every SHORT places


def _latest(facts: ItemFacts, known: Histories) -> _Latest:
    width = LATEST  # whoever asks beside: how a sum is rounded depends on how many places it has
    place_BL = known.offsets[1:, None] - 1 - np.arange(width)
    there_BL = place_BL >= known.offsets[:-1, None]
    place_BL = np.where(there_BL, place_BL, 0)
    if not len(known.item):
        known = Histories(known.offsets, np.zeros(1, np.int32), np.zeros(1, np.uint8), np.zeros(1, np.int64))
    item_BL = known.item[place_BL].astype(np.int64)
    time_BL = known.time[place_BL]
    now_B = np.maximum(np.where(there_BL, time_BL, 0).max(axis=1), facts.end[0])
    days_BL = (now_B[:, None] - time_BL) / DAY_US if facts.has_times else np.full(item_BL.shape, np.nan)
    return _Latest(
        now=now_B,
        item=np.where(there_BL, item_BL, -1),
        category=np.where(there_BL, facts.category[item_BL], -1).astype(np.int32),
        brand=np.where(there_BL, facts.brand[item_BL], -1).astype(np.int32),
        pull=np.where(there_BL, _WEIGHT[known.event[place_BL]], 0).astype(np.float32),
        price=np.where(there_BL, facts.log_price[item_BL], np.nan).astype(np.float32),
        days=np.where(there_BL, days_BL, np.nan).astype(np.float32),
        weight=np.where(there_BL, 0.5 ** (np.arange(width) / SHORT), 0).astype(np.float32),
    )


def _recall_features(score_BNR: NDArray[np.float32], there_BN: NDArray[np.bool_]) -> list[NDArray[np.floating]]:
    """Place and score within the shopper's candidates: both keep their meaning when a recaller is fitted on more events."""
    columns: list[NDArray[np.floating]] = []
    for score_BN in np.moveaxis(score_BNR, 2, 0):
        finite_BN = np.isfinite(score_BN) & there_BN
        order_BN = np.argsort(np.where(finite_BN, -score_BN, np.inf), axis=1, kind="stable")
        rank_BN = np.empty(score_BN.shape, np.float32)
        np.put_along_axis(
            rank_BN, order_BN, np.broadcast_to(np.arange(score_BN.shape[1], dtype=np.float32), rank_BN.shape), axis=1
        )
        filled_BN = np.where(finite_BN, score_BN, 0).astype(np.float64)
        count_B1 = np.maximum(finite_BN.sum(axis=1, keepdims=True), 1)
        mean_B1 = filled_BN.sum(axis=1, keepdims=True) / count_B1
        spread_B1 = np.sqrt((np.square(filled_BN - mean_B1) * finite_BN).sum(axis=1, keepdims=True) / count_B1)
        scaled_BN = (filled_BN - mean_B1) / np.maximum(spread_B1, 1e-9)
        columns += [np.where(finite_BN, rank_BN, np.nan), np.where(finite_BN, scaled_BN, np.nan)]
    return columns


def _shopper_features(
    known: Histories, latest: _Latest, own: OwnItems | None, shape: tuple[int, ...]
) -> list[NDArray[np.floating]]:
    category_BL = np.sort(latest.category, axis=1)
    new_BL = np.concatenate(
        [category_BL[:, :1] >= 0, (category_BL[:, 1:] != category_BL[:, :-1]) & (category_BL[:, 1:] >= 0)], axis=1
    )
    moments_B = np.zeros(len(known)) if own is None else own.moments
    columns = (known.lengths, moments_B, latest.days[:, 0], new_BL.sum(axis=1))
    return [np.repeat(column[:, None].astype(np.float64), shape[1], axis=1) for column in columns]


def _own_features(
    facts: ItemFacts, own: OwnItems | None, latest: _Latest, place_BN: NDArray[np.int64]
) -> list[NDArray[np.floating]]:
    """What the shopper did with the candidate itself: counts are 0 and the rest is missing where nothing."""
    if own is None:
        return [np.full(place_BN.shape, 0.0 if name in _OWN_COUNTS else np.nan) for name in OF_OWN]
    place, found_BN = own.find(np.arange(len(place_BN))[:, None] * len(facts) + place_BN)
    now_B1 = latest.now[:, None]
    since_BN = (now_B1 - own.last[place]) / DAY_US if facts.has_times else np.full(place_BN.shape, np.nan)
    values = {
        "own": own.events[place],
        "own_share": own.meetings[place] / np.maximum(own.moments, 1)[:, None],
        "own_recent": own.recent[place],
        "own_places": own.places[place],
        "own_ago": own.ago[place],
        "own_days": since_BN,
        "own_due": since_BN * DAY_US / np.maximum(own.pace[place], DAY_US / 24),
        "own_strongest": own.strongest[place],
    }
    return [np.where(found_BN, values[name], 0.0 if name in _OWN_COUNTS else np.nan) for name in OF_OWN]


_OWN_COUNTS = ("own", "own_share", "own_recent")


def _price_gap(facts: ItemFacts, latest: _Latest, place_BN: NDArray[np.int64]) -> NDArray[np.floating]:
    there_BL = np.isfinite(latest.price)
    usual_B1 = np.where(there_BL, latest.price, 0).sum(axis=1, keepdims=True) / np.maximum(there_BL.sum(axis=1, keepdims=True), 1)
    gap_BN: NDArray[np.floating] = facts.log_price[place_BN] - np.where(there_BL.any(axis=1, keepdims=True), usual_B1, np.nan)
    return gap_BN


def _kind_features(kind_BN: NDArray[np.int32], kind_BL: NDArray[np.int32], latest: _Latest) -> list[NDArray[np.floating]]:
    same_BNL = (kind_BN[:, :, None] == kind_BL[:, None, :]) & (kind_BN >= 0)[:, :, None]
    count_BN, place_since_BN, strongest_BN = _meetings(same_BNL, latest)
    known_B1 = np.maximum((latest.item >= 0).sum(axis=1, keepdims=True), 1)
    recent_BN = np.matmul(same_BNL, latest.weight[:, :, None])[:, :, 0] / np.maximum(
        latest.weight.sum(axis=1, keepdims=True), 1e-9
    )
    missing_BN = kind_BN < 0
    columns = (count_BN / known_B1, recent_BN, place_since_BN, strongest_BN)
    return [np.where(missing_BN, np.nan, column) for column in columns]


def _meetings(
    same_BNL: NDArray[np.bool_], latest: _Latest
) -> tuple[NDArray[np.float32], NDArray[np.floating], NDArray[np.floating]]:
    """Return how often, how many places ago (NaN = never), and the strongest kind of event: (B, N) each."""
    count_BN = np.count_nonzero(same_BNL, axis=2).astype(np.float32)
    never_BN = count_BN == 0
    place_BN = np.where(never_BN, np.nan, same_BNL.argmax(axis=2))
    strongest_BN = np.where(never_BN, np.nan, (same_BNL * latest.pull[:, None, :]).max(axis=2, initial=0))
    return count_BN, place_BN, strongest_BN
