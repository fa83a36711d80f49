import numpy as np

from aisle.simulate.appeal import FRONT_PAGE, STYLES, make_sampler, style_weights
from aisle.simulate.catalogue import make_catalogue
from aisle.simulate.config import ShopConfig

CATALOGUE = make_catalogue(ShopConfig(users=1, items=60, events=1), np.random.default_rng(1))  # 6 categories
WEIGHTS = style_weights(CATALOGUE)


def test_a_style_shares_itself_out_over_each_category() -> None:
    for row in WEIGHTS:
        np.testing.assert_allclose(np.bincount(CATALOGUE.category, weights=row), 1)


def test_drawn_items_have_the_niches_proportions() -> None:
    draws = 200_000
    sampler, rng = make_sampler(CATALOGUE, WEIGHTS), np.random.default_rng(2)
    for category, style in ((0, 0), (3, 2), (5, STYLES - 1)):
        item = sampler.draw(np.full(draws, category * STYLES + style), rng)
        assert (CATALOGUE.category[item] == category).all()
        expected = np.where(CATALOGUE.category == category, WEIGHTS[style], 0)
        # Five standard deviations of a share of at most one half: 5 * 0.5 / sqrt(200,000) = 0.0056.
        np.testing.assert_allclose(np.bincount(item, minlength=60) / draws, expected, atol=0.0056)


def test_the_front_page_shows_what_is_popular() -> None:
    item = make_sampler(CATALOGUE, WEIGHTS).draw(np.full(200_000, FRONT_PAGE), np.random.default_rng(3))
    np.testing.assert_allclose(np.bincount(item, minlength=60) / 200_000, CATALOGUE.popularity, atol=0.0056)
