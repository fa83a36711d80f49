"""Parts of the questions that a single mean hides: new users, new items, segments."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aisle.dataset.cases import Cases
from aisle.evaluate.facts import Facts
from aisle.features.pairs import contains, pairs


@dataclass(frozen=True)
class Slice:
    """The metrics of some cases.

    Attributes:
        name: which, such as "users: new".
        cases: how many.
        means: metric -> mean.
        intervals: metric -> 95% bootstrap interval.
    """

    name: str
    cases: int
    means: dict[str, float]
    intervals: dict[str, tuple[float, float]]


def cut_slices(cases: Cases, facts: Facts) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Yield slices that have a case and are not all of them: name, and which right answers belong: (T,) bool.

    A slice of users keeps whole cases. A slice of items keeps the right answers of that kind, at the ranks they had, and
    drops cases without any.
    """
    count_C = np.diff(cases.target_offsets)
    for name, keep_T in _all_slices(cases, facts, count_C):
        if keep_T.any() and not keep_T.all():
            yield name, keep_T


def _all_slices(cases: Cases, facts: Facts, count_C: NDArray[np.int64]) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    events_C = facts.user_events[cases.user]
    yield "users: new (no training events)", np.repeat(events_C == 0, count_C)
    for name, keep_C in _activity(events_C):
        yield name, np.repeat(keep_C, count_C)
    events_T = facts.item_events[cases.target_item]
    yield "items: new (no training events)", events_T == 0
    yield "items: with training events", events_T > 0
    repeat_T = _repeats(cases, facts.n_items)
    yield "pairs: repeats", repeat_T
    yield "pairs: new", ~repeat_T
    for segment, label_U in facts.segments.items():
        label_C = label_U[cases.user]
        for label in np.unique(label_C[label_C != ""]):
            yield f"{segment}: {label}", np.repeat(label_C == label, count_C)


def _repeats(cases: Cases, n_items: int) -> NDArray[np.bool_]:
    """Say which right answers are items that the shopper has met, by any event that is known or makes an item seen: (T,)."""
    case_T = np.repeat(np.arange(len(cases)), np.diff(cases.target_offsets))
    key_T = case_T * n_items + cases.target_item
    repeat_T = contains(pairs(cases.known, n_items), key_T)
    return repeat_T if cases.seen is None else repeat_T | contains(pairs(cases.seen, n_items), key_T)


def _activity(events_C: NDArray[np.int64]) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Cut users that have training events into thirds by their number."""
    active = events_C[events_C > 0]
    if not len(active):
        return
    low, high = (int(bound) for bound in np.quantile(active, [1 / 3, 2 / 3], method="lower"))
    yield f"users: 1 to {low} training events", (events_C > 0) & (events_C <= low)
    if high > low:
        yield f"users: {low + 1} to {high} training events", (events_C > low) & (events_C <= high)
    yield f"users: over {high} training events", events_C > high
