"""The shop as a whole: its catalogue, promotions, styles of taste and segments of shoppers, all from one seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aisle.simulate.appeal import ItemSampler, make_sampler, style_weights
from aisle.simulate.catalogue import Catalogue, make_catalogue
from aisle.simulate.config import ShopConfig
from aisle.simulate.funnel import expected_events_a_view
from aisle.simulate.promotions import Promotions, make_promotions
from aisle.simulate.tastes import make_segments
from aisle.simulate.visits import MEAN_VIEWS

# Blocks of shoppers take the streams 0, 1, 2, ...; the shop's own parts count down from the top.
_TOP_STREAM = 2**64 - 1
CATALOGUE_STREAM, PROMOTION_STREAM, SEGMENT_STREAM, ACTIVITY_STREAM, TITLE_STREAM = (_TOP_STREAM - i for i in range(5))


@dataclass(frozen=True)
class World:
    """Everything that all shoppers share.

    Attributes:
        config: what was asked for.
        catalogue: M items.
        promotions: who is promoted when.
        styles: (STYLES, M) float64, how likely each style looks at each item of a category.
        sampler: draws items by niche.
        likes: (SEGMENTS, categories) float64 cumulative, what segments of shoppers care for.
        events_a_session: expected, for planning.
    """

    config: ShopConfig
    catalogue: Catalogue
    promotions: Promotions
    styles: NDArray[np.float64]
    sampler: ItemSampler
    likes: NDArray[np.float64]
    events_a_session: float


def stream(seed: int, number: int) -> np.random.Generator:
    """Return an independent stream of random numbers: counter-based, so no stream depends on how far another has run."""
    return np.random.Generator(np.random.Philox(key=np.array([seed, number], np.uint64)))


def make_world(config: ShopConfig) -> World:
    """Make the shop."""
    catalogue = make_catalogue(config, stream(config.seed, CATALOGUE_STREAM))
    promotions = make_promotions(catalogue, config.days, config.n_categories, stream(config.seed, PROMOTION_STREAM))
    styles = style_weights(catalogue)
    everything = np.arange(len(catalogue))
    events_a_view = expected_events_a_view(catalogue, everything, np.zeros(len(catalogue), np.bool_))
    return World(
        config=config,
        catalogue=catalogue,
        promotions=promotions,
        styles=styles,
        sampler=make_sampler(catalogue, styles),
        likes=make_segments(config, stream(config.seed, SEGMENT_STREAM)),
        events_a_session=float(MEAN_VIEWS * (events_a_view @ catalogue.popularity)),
    )
