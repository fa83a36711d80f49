"""What happens in the sessions of a block of shoppers: which items they see, keep, put in the cart and buy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aisle.schema.events import Event
from aisle.simulate.appeal import FRONT_PAGE, STYLES
from aisle.simulate.funnel import MISSION_LIFT, STROLL_LIFT, chances
from aisle.simulate.tastes import Tastes
from aisle.simulate.visits import BETWEEN_LINES_MS, CHECKOUT_MS, Visits, draw_niches, draw_visits
from aisle.simulate.world import World

SHARE_FRONT_PAGE = 0.1
SHARE_WANDER = 0.15
SHARE_PROMOTED_SHELF = 0.08
MOST_LINES = 3


@dataclass(frozen=True)
class _Steps:
    """E events in no order: the view each belongs to, its kind, and ms since its session's start.

    `discount` is that of each of the N views, (N,) float32: its events share the price.
    """

    view: NDArray[np.int64]
    event: NDArray[np.uint8]
    offset: NDArray[np.int64]
    discount: NDArray[np.float32]


@dataclass(frozen=True)
class BlockEvents:
    """E events of a block, sorted by shopper, then time.

    Attributes:
        user: (E,) int64, place of the shopper in the block.
        session: (E,) int64, 0, 1, 2, ... within the block.
        item: (E,) int32.
        event: (E,) uint8 `schema.events.Event` codes.
        time: (E,) int64, ms since the log began.
        price: (E,) float64, as shown to the shopper.
        quantity: (E,) int8, 0 where nothing was bought.
    """

    user: NDArray[np.int64]
    session: NDArray[np.int64]
    item: NDArray[np.int32]
    event: NDArray[np.uint8]
    time: NDArray[np.int64]
    price: NDArray[np.float64]
    quantity: NDArray[np.int8]


def browse(
    world: World, tastes: Tastes, arrival: NDArray[np.float32], share: NDArray[np.float64], events: int, rng: np.random.Generator
) -> BlockEvents:
    """Simulate a block of shoppers until they have made exactly the wanted number of events.

    Args:
        world: the shop.
        tastes: of the U shoppers of the block.
        arrival: (U,) day of each shopper's first possible visit.
        share: (U,) how the events are shared out among them, in any unit.
        events: how many.
        rng: this block's own stream of random numbers.
    """
    wanted = events / world.events_a_session
    # A little too much, then cut to size: a cut at random bends nothing, and cutting is cheaper than topping up.
    wanted *= 1.01 + 4 * np.sqrt(1.5 / (wanted + 1))
    while True:
        sessions = _sessions(wanted * share / share.sum(), rng)
        visits = draw_visits(sessions, arrival, world.config.days, tastes, rng)
        item = _draw_items(world, tastes, visits, rng)
        steps = _follow_up(world, visits, item, rng)
        surplus = len(steps.view) - events
        if surplus >= 0:
            keep = _cut(visits.user, visits.session[steps.view], steps.offset, surplus, rng)
            kept = _Steps(steps.view[keep], steps.event[keep], steps.offset[keep], steps.discount)
            return _assemble(world, visits, item, kept, rng)
        wanted *= 1.5


def _sessions(expected: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Round expected sessions to whole ones, up or down at random, at least one."""
    return np.maximum((expected + rng.random(len(expected))).astype(np.int64), 1)


def _draw_items(world: World, tastes: Tastes, visits: Visits, rng: np.random.Generator) -> NDArray[np.int32]:
    """Draw the item of each view: (N,). Items not in the shop that day are drawn again, so the rest keeps its proportions."""
    session = visits.session
    niche = visits.niche[session].astype(np.int64)
    source = rng.random(len(session), dtype=np.float32)
    wander = np.flatnonzero(source < SHARE_WANDER)
    niche[wander] = draw_niches(tastes, visits.user[session[wander]], visits.start[session[wander]], rng)
    niche[source >= 1 - SHARE_FRONT_PAGE] = FRONT_PAGE
    day = visits.day[session]
    item = np.empty(len(session), np.int32)
    shelf = _draw_promoted(world, niche, day, item, rng)
    pending = np.flatnonzero(~shelf)
    while len(pending):
        drawn = world.sampler.draw(niche[pending], rng)
        shown = world.catalogue.shown(drawn, day[pending])
        item[pending[shown]] = drawn[shown]
        pending = pending[~shown]
    return item


def _draw_promoted(
    world: World, niche: NDArray[np.int64], day: NDArray[np.int64], item: NDArray[np.int32], rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Fill in views of the category's shelf of promoted items, where it has one that day; return which were filled."""
    offsets = world.promotions.offsets
    cell = day * world.config.n_categories + np.maximum(niche, 0) // STYLES
    size = offsets[cell + 1] - offsets[cell]
    shelf = (rng.random(len(niche), dtype=np.float32) < SHARE_PROMOTED_SHELF) & (niche != FRONT_PAGE) & (size > 0)
    place = offsets[cell[shelf]] + (rng.random(int(shelf.sum())) * size[shelf]).astype(np.int64)
    item[shelf] = world.promotions.item[place]
    return np.asarray(shelf)


def _follow_up(world: World, visits: Visits, item: NDArray[np.int32], rng: np.random.Generator) -> _Steps:
    """Let views lead to favourites, carts and purchases."""
    session, gap, offset = visits.session, visits.gap, visits.offset
    discount = world.promotions.discounts(item, visits.day[session])
    lift = np.where(visits.mission, np.float32(MISSION_LIFT), np.float32(STROLL_LIFT))[session]
    chance = chances(world.catalogue, item, discount > 0, lift)
    views = np.arange(len(item))
    favourite = np.flatnonzero(rng.random(len(item), dtype=np.float32) < chance.favourite)
    cart = np.flatnonzero(rng.random(len(item), dtype=np.float32) < chance.cart)
    bought = cart[rng.random(len(cart), dtype=np.float32) < chance.purchase[cart]]
    last = np.cumsum(visits.views) - 1
    checkout = (offset[last] + gap[last] + CHECKOUT_MS)[session[bought]] + BETWEEN_LINES_MS * visits.place[bought]
    view = np.concatenate([views, favourite, cart, bought])
    kinds = (Event.view, Event.favourite, Event.cart, Event.purchase)
    event = np.repeat(np.array(kinds, np.uint8), [len(views), len(favourite), len(cart), len(bought)])
    time = [offset, offset[favourite] + gap[favourite] // 3, offset[cart] + gap[cart] * 2 // 3, checkout]
    return _Steps(view, event, np.concatenate(time), discount)


def _cut(
    user: NDArray[np.int64], session: NDArray[np.int64], offset: NDArray[np.int64], surplus: int, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Choose which events stay when `surplus` must go.

    Whole sessions go at random; then what follows the first view of shoppers' first sessions; first views go only when
    nothing else is left, so that shoppers do not vanish from the log.

    Args:
        user: (S,) shopper of each session.
        session: (E,) session of each event.
        offset: (E,) ms since the session's start; 0 marks its first view.
        surplus: events to drop.
        rng: decides which.
    """
    is_first = np.concatenate([[True], user[1:] != user[:-1]])
    opening = is_first[session] & (offset == 0)
    unit = 2 * session + opening
    rank = rng.random(2 * len(user)) + np.repeat(is_first, 2)
    rank[1::2] += is_first
    order = np.argsort(rank)
    gone = np.cumsum(np.bincount(unit, minlength=len(rank))[order])
    whole = int(np.searchsorted(gone, surplus, side="right"))
    keep_unit = np.ones(len(rank), np.bool_)
    keep_unit[order[:whole]] = False
    keep = np.asarray(keep_unit[unit])
    rest = surplus - (int(gone[whole - 1]) if whole else 0)
    if rest:
        shortened = np.flatnonzero(unit == order[whole])
        keep[shortened[np.argsort(offset[shortened], kind="stable")[-rest:]]] = False
    return keep


def _assemble(world: World, visits: Visits, item: NDArray[np.int32], steps: _Steps, rng: np.random.Generator) -> BlockEvents:
    """Sort events by shopper and time, and put a price and a quantity on them."""
    session = visits.session[steps.view]
    # Unique keys: sessions do not overlap, and no two events of a session share a millisecond.
    order = np.argsort(session << 32 | steps.offset)
    view, event, offset, session = steps.view[order], steps.event[order], steps.offset[order], session[order]
    chosen = item[view]
    discount = steps.discount[view].astype(np.float64)
    lines = np.where(rng.random(len(view), dtype=np.float32) < 0.85, 1, rng.integers(2, MOST_LINES + 1, len(view)))
    return BlockEvents(
        user=visits.user[session],
        session=session,
        item=chosen,
        event=event,
        time=visits.start[session] + offset,
        price=np.round(world.catalogue.price[chosen] * (1 - discount), 2),
        quantity=np.where(event == Event.purchase, lines, 0).astype(np.int8),
    )
