import numpy as np

from aisle.simulate.catalogue import make_catalogue
from aisle.simulate.config import ShopConfig
from aisle.simulate.funnel import MISSION_LIFT, SHARE_MISSIONS, STROLL_LIFT, chances, expected_events_a_view

CATALOGUE = make_catalogue(ShopConfig(users=1, items=200, events=1), np.random.default_rng(1))
ITEM = np.arange(200)
NEVER = np.zeros(200, np.bool_)


def test_missions_and_strolls_average_to_the_usual() -> None:
    assert abs(SHARE_MISSIONS * MISSION_LIFT + (1 - SHARE_MISSIONS) * STROLL_LIFT - 1) < 1e-12


def test_a_promotion_lifts_the_cart_and_nothing_else() -> None:
    plain, promoted = (chances(CATALOGUE, ITEM, flag, 1.0) for flag in (NEVER, ~NEVER))
    np.testing.assert_allclose(promoted.cart, np.minimum(plain.cart * 1.5, 0.6), rtol=1e-6)
    assert (promoted.favourite == plain.favourite).all()
    assert (promoted.purchase == plain.purchase).all()


def test_expected_events_are_the_mean_of_the_dice() -> None:
    rng, rolls = np.random.default_rng(2), 200_000
    lift = np.where(rng.random(rolls) < SHARE_MISSIONS, MISSION_LIFT, STROLL_LIFT).astype(np.float32)
    item = np.full(rolls, 7)
    chance = chances(CATALOGUE, item, np.zeros(rolls, np.bool_), lift)
    cart = rng.random(rolls) < chance.cart
    total = 1 + (rng.random(rolls) < chance.favourite) + cart * (1.0 + (rng.random(rolls) < chance.purchase))
    assert abs(total.mean() - expected_events_a_view(CATALOGUE, ITEM, NEVER)[7]) < 0.01
