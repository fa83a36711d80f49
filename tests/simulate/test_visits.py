import numpy as np

from aisle.simulate.config import DAY_MS, ShopConfig
from aisle.simulate.tastes import make_segments, make_tastes
from aisle.simulate.visits import BREAK_MS, CHECKOUT_MS, draw_visits

LIKES = make_segments(ShopConfig(users=50, items=600, events=1), np.random.default_rng(1))
TASTES = make_tastes(50, 10, LIKES, np.random.default_rng(2))
ARRIVAL = np.linspace(0, 8, 50).astype(np.float32)
VISITS = draw_visits(np.full(50, 200), ARRIVAL, 10, TASTES, np.random.default_rng(3))


def test_sessions_of_a_shopper_never_overlap() -> None:
    ends = np.cumsum(VISITS.views) - 1
    end = VISITS.start + VISITS.offset[ends] + VISITS.gap[ends] + CHECKOUT_MS
    same = VISITS.user[1:] == VISITS.user[:-1]
    assert (VISITS.start[1:][same] >= end[:-1][same] + BREAK_MS).all()
    assert end.max() <= 10 * DAY_MS


def test_nobody_comes_before_their_first_day() -> None:
    assert (VISITS.day >= ARRIVAL.astype(int)[VISITS.user]).all()


def test_views_belong_to_sessions_one_after_another() -> None:
    assert (np.bincount(VISITS.session) == VISITS.views).all()
    first = VISITS.place == 0
    assert (VISITS.offset[first] == 0).all()
    assert (np.diff(VISITS.offset)[~first[1:]] == VISITS.gap[:-1][~first[1:]]).all()


def test_evenings_are_busier_than_nights() -> None:
    hour = VISITS.start // (DAY_MS // 24) % 24
    assert (hour >= 18).sum() > 3 * (hour < 6).sum()
