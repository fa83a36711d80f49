"""When shoppers come, what they come for, and for how long: the sessions of a block of shoppers, before any item."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aisle.simulate.config import DAY_MS
from aisle.simulate.funnel import SHARE_MISSIONS
from aisle.simulate.tastes import Tastes, share_after

MEAN_VIEWS = 5.0
MOST_VIEWS = 40
MEAN_GAP_MS = 22_000.0
SHORTEST_GAP_MS = 3_000
CHECKOUT_MS = 10_000
BETWEEN_LINES_MS = 1_000
BREAK_MS = 60_000
# Visits by hour of the day (UTC): few at night, most in the evening.
HOURS = (2, 1, 1, 1, 1, 2, 4, 6, 8, 9, 10, 11, 12, 11, 10, 10, 11, 12, 14, 16, 17, 15, 10, 5)


@dataclass(frozen=True)
class Visits:
    """S sessions sorted by shopper and start, and their N views.

    Attributes:
        user: (S,) int64, place of the shopper in the block.
        start: (S,) int64, ms since the log began; sessions of one shopper never overlap.
        views: (S,) int64, items looked at.
        mission: (S,) bool, the shopper came to buy.
        niche: (S,) int16, what the session is about.
        session: (N,) int64, the session of each view.
        offset: (N,) int64, ms since the session's start.
        gap: (N,) int64, ms until the next view.
        place: (N,) int64, 0 for a session's first view.
    """

    user: NDArray[np.int64]
    start: NDArray[np.int64]
    views: NDArray[np.int64]
    mission: NDArray[np.bool_]
    niche: NDArray[np.int16]
    session: NDArray[np.int64]
    offset: NDArray[np.int64]
    gap: NDArray[np.int64]
    place: NDArray[np.int64]

    @property
    def day(self) -> NDArray[np.int64]:
        """(S,) the day on which each session starts; it sees that day's shop and prices to its end."""
        return np.asarray(self.start // DAY_MS)


def draw_visits(
    sessions: NDArray[np.int64], arrival: NDArray[np.float32], days: int, tastes: Tastes, rng: np.random.Generator
) -> Visits:
    """Draw the sessions of a block.

    Args:
        sessions: (U,) sessions wanted of each shopper; those that would outlast the log are left out.
        arrival: (U,) day of each shopper's first possible visit.
        days: length of the log.
        tastes: of the U shoppers.
    """
    user = np.repeat(np.arange(len(sessions)), sessions)
    start = _starts(user, arrival, days, rng)
    views = np.minimum(rng.geometric(1 / MEAN_VIEWS, len(user)), MOST_VIEWS)
    gap = SHORTEST_GAP_MS + (MEAN_GAP_MS * rng.standard_exponential(int(views.sum()), dtype=np.float32)).astype(np.int64)
    ends = np.cumsum(views)
    gap_total = np.concatenate([[0], np.cumsum(gap)])
    length = gap_total[ends] - gap_total[ends - views] + CHECKOUT_MS + BETWEEN_LINES_MS * views
    start = _without_overlap(user, start, length, days)
    keep = start + length <= days * DAY_MS
    gap = gap[np.repeat(keep, views)]
    user, start, views = user[keep], start[keep], views[keep]
    session = np.repeat(np.arange(len(user)), views)
    first = np.cumsum(views) - views
    before = np.cumsum(gap) - gap
    return Visits(
        user=user,
        start=start,
        views=views,
        mission=rng.random(len(user)) < SHARE_MISSIONS,
        niche=draw_niches(tastes, user, start, rng),
        session=session,
        offset=before - np.repeat(before[first], views),
        gap=gap,
        place=np.arange(len(session)) - np.repeat(first, views),
    )


def _starts(user: NDArray[np.int64], arrival: NDArray[np.float32], days: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw when each session starts, sorted within each shopper: ms since the log began."""
    first_day = arrival.astype(np.int64)[user]
    day = first_day + (rng.random(len(user)) * (days - first_day)).astype(np.int64)
    clock = np.cumsum(np.array([0, *HOURS])) / sum(HOURS)
    hour = np.interp(rng.random(len(user)), clock, np.arange(25))
    start = day * DAY_MS + (hour * (DAY_MS // 24)).astype(np.int64)
    span = days * DAY_MS
    # One sort of plain integers orders by shopper, then by time.
    return np.sort(user * span + start) - user * span


def _without_overlap(
    user: NDArray[np.int64], start: NDArray[np.int64], length: NDArray[np.int64], days: int
) -> NDArray[np.int64]:
    """Move sessions later so that each begins a minute or more after the same shopper's last one ended."""
    busy = length + BREAK_MS
    before = np.cumsum(busy) - busy
    # Within one shopper: start'[j] = before[j] + max over i <= j of (start[i] - before[i]). The step keeps shoppers apart:
    # it exceeds any difference inside one of them.
    step = 2 * (days * DAY_MS + int(busy.sum()))
    assert step * (int(user[-1]) + 1 if len(user) else 1) < 2**62, "block too large for one 64-bit key"
    slack = np.maximum.accumulate(start - before + user * step)
    return np.asarray(slack - user * step + before)


def draw_niches(tastes: Tastes, user: NDArray[np.int64], start: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int16]:
    """Draw what shoppers are interested in at given times: (N,) shoppers, (N,) ms -> (N,) niches."""
    cumulative = np.cumsum(tastes.weight, axis=1)[user]
    draw = rng.random(len(user), dtype=np.float32) * cumulative[:, -1]
    interest = np.minimum((draw[:, None] >= cumulative).sum(axis=1), tastes.weight.shape[1] - 1)
    moved = rng.random(len(user)) < share_after(tastes.switch[user, interest], start / DAY_MS)
    return np.asarray(np.where(moved, tastes.after[user, interest], tastes.before[user, interest]))
