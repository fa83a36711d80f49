import numpy as np

from aisle.simulate.catalogue import make_catalogue
from aisle.simulate.config import ShopConfig
from aisle.simulate.promotions import make_promotions

CATALOGUE = make_catalogue(ShopConfig(users=1, items=2_000, events=1), np.random.default_rng(1))
PROMOTIONS = make_promotions(CATALOGUE, 60, 24, np.random.default_rng(2))


def test_the_shelf_and_the_price_tag_agree() -> None:
    everything = np.arange(2_000)
    for day in (0, 7, 59):
        first, last = PROMOTIONS.offsets[day * 24], PROMOTIONS.offsets[(day + 1) * 24]
        tagged = np.flatnonzero(PROMOTIONS.discounts(everything, np.full(2_000, day)))
        assert sorted(PROMOTIONS.item[first:last]) == tagged.tolist()


def test_a_shelf_holds_only_its_category_and_only_what_can_be_bought() -> None:
    cell = np.repeat(np.arange(60 * 24), np.diff(PROMOTIONS.offsets))
    assert (CATALOGUE.category[PROMOTIONS.item] == cell % 24).all()
    assert CATALOGUE.shown(PROMOTIONS.item, cell // 24).all()


def test_about_three_percent_are_promoted_on_a_usual_day() -> None:
    a_day = np.diff(PROMOTIONS.offsets).reshape(60, 24).sum(axis=1)[7:]
    assert 0.02 < a_day.mean() / 2_000 < 0.035


def test_a_shop_without_promotions_has_no_discounts() -> None:
    none = make_promotions(CATALOGUE, 0, 24, np.random.default_rng(0))
    assert none.discounts(np.array([0, 5]), np.array([0, 1])).tolist() == [0, 0]
