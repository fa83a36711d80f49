"""Counts in a prepared dataset what makes results wrong: for `aisle doctor --dataset`, whose rules judge the counts."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aisle.dataset import layout
from aisle.dataset.reader import Dataset, Feature
from aisle.dataset.split_config import SplitConfig
from aisle.doctor.dataset_facts import DatasetFacts
from aisle.features.histories import Histories
from aisle.schema.events import Event

_YEAR_1990_US = 631_152_000 * 1_000_000
_DAY_US = 86_400 * 1_000_000
_LONG_SESSION_EVENTS = 1_000
_ROBOT_SHARE, _ROBOT_EVENTS = 0.001, 1_000
_SESSION = "session_id"


def audit(dataset: Dataset, now_s: float | None = None) -> DatasetFacts:
    """Count.

    Args:
        dataset: a prepared dataset; a pass over its events, about 100 bytes of memory an event.
        now_s: the clock, seconds since 1970; by default this machine's.
    """
    histories, timed = dataset.histories, dataset.manifest.time_kind == "timestamp"
    lengths = histories.lengths
    robots = lengths > max(_ROBOT_SHARE * len(histories.item), _ROBOT_EVENTS - 1)
    now_us = int((time.time() if now_s is None else now_s) * 1e6)
    met = np.bincount(histories.item, minlength=dataset.n_items) > 0
    return DatasetFacts(
        users=dataset.n_users,
        items=dataset.n_items,
        events=len(histories.item),
        timed=timed,
        by_kind=dict(dataset.manifest.events_by_kind),
        future=int(np.count_nonzero(histories.time > now_us)) if timed else 0,
        before_1990=int(np.count_nonzero(histories.time < _YEAR_1990_US)) if timed else 0,
        last_moment=_moment(int(histories.time.max())) if timed and len(histories.time) else "",
        catalogue=bool(dataset.manifest.item_features),
        bare_items=int(np.count_nonzero(met & ~_described(dataset))) if dataset.manifest.item_features else 0,
        unmet_items=int(np.count_nonzero(~met)),
        robots=int(np.count_nonzero(robots)),
        robot_events=int(lengths[robots].sum()),
        single_users=int(np.count_nonzero(lengths == 1)),
        **_moments(histories, timed=timed),
        **_sessions(dataset, timed=timed),
        **_test(dataset, timed=timed),
    )


def _moments(histories: Histories, *, timed: bool) -> dict[str, Any]:
    """Neighbours are enough: a user's events are in order of time, item and kind."""
    if not timed or len(histories.item) < 2:
        return {}
    rows, at, item, kind = histories.rows, histories.time, histories.item, histories.event
    together = (rows[1:] == rows[:-1]) & (at[1:] == at[:-1])
    same_item = item[1:] == item[:-1]
    return {
        "duplicates": int(np.count_nonzero(together & same_item & (kind[1:] == kind[:-1]))),
        "same_moment": int(np.count_nonzero(together & ~same_item)),
    }


def _described(dataset: Dataset) -> NDArray[np.bool_]:
    """(items,) whether an item has a value in any column of the catalogue."""
    found = np.zeros(dataset.n_items, np.bool_)
    for name in dataset.manifest.item_features:
        found |= _filled(dataset, name, dataset.item_feature(name))
    return found


def _filled(dataset: Dataset, name: str, feature: Feature) -> NDArray[np.bool_]:
    if feature.kind in ("text", "categories"):
        return np.diff(dataset.array(f"{layout.item_feature(name)}.offsets")) > 0
    assert feature.values is not None
    return ~np.isnan(feature.values) if feature.kind == "number" else np.asarray(feature.values) >= 0


def _sessions(dataset: Dataset, *, timed: bool) -> dict[str, Any]:
    """A session is a number of its own user: pairs of both are counted."""
    if _SESSION not in dataset.manifest.event_columns:
        return {}
    histories, numbers = dataset.histories, dataset.event_column(_SESSION).values
    assert numbers is not None
    if not len(numbers):
        return {}
    keys = histories.rows.astype(np.int64) << 32 | numbers.astype(np.int64)
    _, session, size = np.unique(keys, return_inverse=True, return_counts=True)
    long = size > _LONG_SESSION_EVENTS
    if timed:
        first, last = np.full(len(size), np.iinfo(np.int64).max), np.full(len(size), np.iinfo(np.int64).min)
        np.minimum.at(first, session, histories.time)
        np.maximum.at(last, session, histories.time)
        long |= last - first > _DAY_US
    return {"sessions": len(size), "long_sessions": int(np.count_nonzero(long)), "longest_session": int(size.max())}


def _test(dataset: Dataset, *, timed: bool) -> dict[str, Any]:
    """Pairs of user and item that a test asks, held against what came before it."""
    histories, n_items = dataset.histories, dataset.n_items
    config = SplitConfig()
    kinds = np.array([Event[name] for name in config.positive_events], np.uint8)
    wanted = np.isin(histories.event, kinds)
    if layout.TEST_USER in dataset.manifest.arrays:
        user = np.repeat(dataset.array(layout.TEST_USER), np.diff(dataset.array(layout.TEST_OFFSETS))).astype(np.int64)
        item, before, where = dataset.array(layout.TEST_ITEM).astype(np.int64), np.ones(len(wanted), np.bool_), "the publisher's"
    elif timed and wanted.any():
        at = histories.time[wanted]
        place = min(int(len(at) * (1 - config.test_share)), len(at) - 1)
        cut = int(np.partition(at, place)[place])
        asked = wanted & (histories.time >= cut)
        user, item = histories.rows[asked], histories.item[asked].astype(np.int64)
        before, where = histories.time < cut, f"from {_moment(cut)} on, the last {config.test_share:.0%} of the positive events"
    else:
        return {}
    pairs = np.unique(user * n_items + item)
    known = np.unique(histories.rows[before & wanted] * n_items + histories.item[before & wanted])
    met_user, met_item = (
        np.bincount(codes[before], minlength=size) > 0
        for codes, size in ((histories.rows, dataset.n_users), (histories.item, n_items))
    )
    users, items = np.unique(pairs // n_items), np.unique(pairs % n_items)
    return {
        "test": where,
        "published": layout.TEST_USER in dataset.manifest.arrays,
        "test_events": len(pairs),
        "test_users": len(users),
        "test_items": len(items),
        "asked_again": int(np.count_nonzero(np.isin(pairs, known))),
        "new_users": int(np.count_nonzero(~met_user[users])),
        "new_items": int(np.count_nonzero(~met_item[items])),
        "new_item_events": int(np.count_nonzero(~met_item[pairs % n_items])),
    }


def _moment(time_us: int) -> str:
    return datetime.fromtimestamp(time_us // 1_000_000, UTC).isoformat()
