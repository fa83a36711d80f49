"""Who the shoppers are: how active, since when, and which interests they have that drift over time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aisle.simulate import words
from aisle.simulate.appeal import STYLES
from aisle.simulate.config import ShopConfig

INTERESTS = 4
SEGMENTS = len(words.SEGMENTS)
SEGMENT_FOCUS = 0.25
SAME_STYLE = 0.85
SHARE_DRIFTING = 0.3
FADE_DAYS = 14.0
ACTIVITY_SPREAD = 0.9
BUSIEST = 20.0
SHARE_OLD_USERS = 0.7


@dataclass(frozen=True)
class Activity:
    """How active each of U shoppers is.

    Attributes:
        arrival: (U,) float32, day of the first possible visit; 0 = a customer since before the log.
        share: (U,) float64, share of all events, sum 1.
    """

    arrival: NDArray[np.float32]
    share: NDArray[np.float64]


@dataclass(frozen=True)
class Tastes:
    """The interests of U shoppers. Interest k moves from niche `before` to niche `after` around day `switch`.

    Attributes:
        before, after: (U, INTERESTS) int16 niche numbers.
        weight: (U, INTERESTS) float32, share of the visits that belong to each interest, sum 1; some are 0.
        switch: (U, INTERESTS) float32, day on which old and new niche are equally likely; infinite = never.
        segment, country: (U,) uint8.
    """

    before: NDArray[np.int16]
    after: NDArray[np.int16]
    weight: NDArray[np.float32]
    switch: NDArray[np.float32]
    segment: NDArray[np.uint8]
    country: NDArray[np.uint8]


def make_activity(config: ShopConfig, rng: np.random.Generator) -> Activity:
    """Draw how active shoppers are: log-normal, at most 20 times the usual, less for those who arrive late."""
    size = config.users
    busy = np.minimum(np.exp(ACTIVITY_SPREAD * rng.normal(size=size) - ACTIVITY_SPREAD**2 / 2), BUSIEST)
    late = rng.random(size) >= SHARE_OLD_USERS
    arrival = np.where(late, rng.random(size) * 0.95 * config.days, 0.0)
    share = busy * (1.0 - arrival / config.days)
    return Activity(arrival.astype(np.float32), share / share.sum())


def make_segments(config: ShopConfig, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw what each segment of shoppers cares for: (SEGMENTS, categories) shares, cumulative along the row."""
    categories = config.n_categories
    likes = rng.dirichlet(np.full(categories, SEGMENT_FOCUS), SEGMENTS) * 0.9 + 0.1 / categories
    return np.cumsum(likes, axis=1)


def make_tastes(users: int, days: int, likes: NDArray[np.float64], rng: np.random.Generator) -> Tastes:
    """Draw the interests of shoppers.

    Args:
        users: how many.
        days: length of the log.
        likes: (SEGMENTS, categories) cumulative, from `make_segments`.
    """
    shape = (users, INTERESTS)
    segment = rng.integers(0, SEGMENTS, users)
    style = rng.integers(0, STYLES, users)
    weight = rng.dirichlet([1.0] * INTERESTS, users)
    # Two to four interests a shopper.
    weight[:, 2:][rng.random((users, INTERESTS - 2)) < 0.5] = 0.0
    weight /= weight.sum(axis=1, keepdims=True)
    drifts = rng.random(shape) < SHARE_DRIFTING
    return Tastes(
        before=_niches(segment, style, likes, rng),
        after=_niches(segment, style, likes, rng),
        weight=weight.astype(np.float32),
        switch=np.where(drifts, rng.random(shape) * days, np.inf).astype(np.float32),
        segment=segment.astype(np.uint8),
        country=rng.choice(len(words.COUNTRIES), users, p=words.COUNTRY_SHARES).astype(np.uint8),
    )


def _niches(
    segment: NDArray[np.int64], style: NDArray[np.int64], likes: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.int16]:
    """Draw a category from the segment's likes, and mostly the shopper's own style in it."""
    shape = (len(segment), INTERESTS)
    draw = rng.random(shape)
    category = np.zeros(shape, np.int64)
    for edge in range(likes.shape[1] - 1):
        category += draw > likes[segment, edge][:, None]
    own = rng.random(shape) < SAME_STYLE
    return (category * STYLES + np.where(own, style[:, None], rng.integers(0, STYLES, shape))).astype(np.int16)


def share_after(switch: NDArray[np.float32], day: NDArray[np.floating] | float) -> NDArray[np.float64]:
    """Return how far a drifting interest has moved by a day: 0 = all before, 1 = all after, linear over 14 days."""
    return np.clip((day - switch.astype(np.float64)) / FADE_DAYS + 0.5, 0.0, 1.0)
