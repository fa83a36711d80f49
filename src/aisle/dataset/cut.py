"""Where a log is cut: which events are learned from, and which are asked."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aisle.features.histories import Histories


@dataclass(frozen=True)
class SplitLog:
    """The events of a dataset that matter to a split, E of them.

    Attributes:
        events: users in dataset order, positive and target events only.
        index: (E,) int64, the row of the dataset's event arrays.
        positive: (E,) bool, what models learn from.
        target: (E,) bool, what may be asked.
        seen: (E,) bool, what makes an item no news to its shopper.
        n_items: size of the catalogue.
        session: (E,) which of its user's sessions each event belongs to; None where the log has none, or nobody asks.
        context: (E, F) codes of the circumstances of each event; None where the log has none.
    """

    events: Histories
    index: NDArray[np.int64]
    positive: NDArray[np.bool_]
    target: NDArray[np.bool_]
    seen: NDArray[np.bool_]
    n_items: int
    session: NDArray[np.integer] | None = None
    context: NDArray[np.int32] | None = None


@dataclass(frozen=True)
class Cut:
    """Which events of a `SplitLog` play which part, each (E,) bool.

    Attributes:
        before_validation: events of every kind before the validation questions; models learn from the positive ones.
        validation: events that validation asks for.
        before_test: events of every kind before the test questions.
        test: events that the test asks for; all False where the test comes from a file.
        description: where the cut is, in words and numbers.
    """

    before_validation: NDArray[np.bool_]
    validation: NDArray[np.bool_]
    before_test: NDArray[np.bool_]
    test: NDArray[np.bool_]
    description: dict[str, object]


def cut_at(log: SplitLog, validation_time: int, test_time: int) -> Cut:
    """Cut all users at the same two moments: train < validation_time <= validation < test_time <= test."""
    before_validation, before_test = log.events.time < validation_time, log.events.time < test_time
    return Cut(
        before_validation=before_validation,
        validation=log.target & ~before_validation & before_test,
        before_test=before_test,
        test=log.target & ~before_test,
        description={"validation_time": _moment(validation_time), "test_time": _moment(test_time)},
    )


def cut_times(log: SplitLog, validation_share: float, test_share: float) -> tuple[int, int]:
    """Return the two cut times that leave these shares of the positive events after them.

    The cut is the time of the event at the share's place when all positive events are in order of time; events at that
    very time belong to the later part, so parts are never larger than asked by less than one moment's events.
    """
    time = log.events.time[log.positive]
    place = [int(len(time) * (1 - validation_share - test_share)), int(len(time) * (1 - test_share))]
    if not len(time):
        return 0, 0
    ordered = np.partition(time, [min(where, len(time) - 1) for where in place])
    return int(ordered[min(place[0], len(time) - 1)]), int(ordered[min(place[1], len(time) - 1)])


def leave_one_out(log: SplitLog, *, repeats: bool) -> Cut:
    """Ask for each user's last event (test) and the one before (validation); what comes after them is left out.

    Users with fewer than two events to ask for and a positive one before them are only learned from.
    """
    asked, count, end = _asked_places(log, repeats=repeats)
    able = np.flatnonzero(count >= 2)
    validation_place, test_place = asked[end[able] - 2], asked[end[able] - 1]
    able, validation_place, test_place = _with_a_past(log, able, validation_place, test_place, log.positive)
    return Cut(
        before_validation=_before(log, able, validation_place),
        validation=_only(log, validation_place),
        before_test=_before(log, able, test_place),
        test=_only(log, test_place),
        description={"users_too_short": int(np.count_nonzero(np.diff(log.events.offsets)) - len(able))},
    )


def leave_last_for_validation(log: SplitLog, *, repeats: bool, hide_answers: bool) -> Cut:
    """Keep every event for the test, which comes from a file, and ask for each user's last one in validation.

    With `hide_answers` it may be any target event, and what came before it with the same item is forgotten: so the
    publisher made the test.
    """
    asked, count, end = _asked_places(log, repeats=repeats or hide_answers)
    able = np.flatnonzero(count >= 1)
    place = asked[end[able] - 1]
    hidden = _same_pair(log, able, place) if hide_answers else np.zeros(len(log.index), np.bool_)
    able, place, _ = _with_a_past(log, able, place, place, log.positive & ~hidden)
    return Cut(
        before_validation=_before(log, able, place) & ~(hidden & np.isin(log.events.rows, able)),
        validation=_only(log, place),
        before_test=np.ones(len(log.index), np.bool_),
        test=np.zeros(len(log.index), np.bool_),
        description={},
    )


def leave_contexts_for_validation(log: SplitLog, cases: int, *, repeats: bool, seed: int) -> Cut:
    """Keep every event for the test, which comes from a file, and ask for one of what a user did in some circumstances.

    So a test without times is made that asks a user in several contexts: validation asks as many questions, each about
    circumstances in which the user did something else too, and which is left to learn from.
    """
    assert log.context is not None
    may_ask = np.flatnonzero(log.target if repeats else log.target & first_time(log))
    rng = np.random.default_rng(seed)
    circumstances = np.column_stack([log.events.rows, log.context])
    _, group_E, count_G = np.unique(circumstances[log.positive | log.target], axis=0, return_inverse=True, return_counts=True)
    group = np.full(len(log.index), -1, np.int64)
    group[log.positive | log.target] = group_E.ravel()
    shuffled = rng.permutation(may_ask)
    _, first = np.unique(group[shuffled], return_index=True)
    able = shuffled[first][count_G[group[shuffled[first]]] >= 2]
    place = rng.choice(able, min(cases, len(able)), replace=False)
    return Cut(
        before_validation=~_only(log, place),
        validation=_only(log, place),
        before_test=np.ones(len(log.index), np.bool_),
        test=np.zeros(len(log.index), np.bool_),
        description={},
    )


def _asked_places(log: SplitLog, *, repeats: bool) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the places of events that may be asked, in order; how many each user has; and where each user's end."""
    may_ask = log.target if repeats else log.target & first_time(log)
    rows = log.events.rows[may_ask]
    count = np.bincount(rows, minlength=len(log.events)).astype(np.int64)
    return np.flatnonzero(may_ask), count, np.cumsum(count)


def first_time(log: SplitLog) -> NDArray[np.bool_]:
    """Say which events are the first of this user with this item that were asked or make it no news: (E,) bool."""
    counts = np.flatnonzero(log.seen | log.target)
    key = log.events.rows[counts] * log.n_items + log.events.item[counts]
    _, first = np.unique(key, return_index=True)
    return _only(log, counts[first])


def _with_a_past(
    log: SplitLog,
    user: NDArray[np.int64],
    first_place: NDArray[np.int64],
    last_place: NDArray[np.int64],
    counts: NDArray[np.bool_],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Keep users with an event that counts, (E,) bool, before the first place."""
    before = np.concatenate([[0], np.cumsum(counts)])
    past = before[first_place] > before[log.events.offsets[user]]
    return user[past], first_place[past], last_place[past]


def _same_pair(log: SplitLog, user: NDArray[np.int64], place: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Say which events are of the same user and item as their user's place: (E,) bool."""
    item_U = np.full(len(log.events), -1, np.int64)
    item_U[user] = log.events.item[place]
    same: NDArray[np.bool_] = item_U[log.events.rows] == log.events.item
    return same


def _before(log: SplitLog, user: NDArray[np.int64], place: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Say which events come before their user's place; users that are not given have no limit."""
    limit = log.events.offsets[1:].copy()
    limit[user] = place
    return np.arange(len(log.index)) < np.repeat(limit, log.events.lengths)


def _only(log: SplitLog, place: NDArray[np.int64]) -> NDArray[np.bool_]:
    mask = np.zeros(len(log.index), np.bool_)
    mask[place] = True
    return mask


def _moment(time: int) -> str:
    """Return microseconds as ISO 8601 in UTC."""
    return f"{np.datetime64(time, 'us')}Z"
