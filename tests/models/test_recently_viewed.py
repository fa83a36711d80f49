from __future__ import annotations

import numpy as np

from aisle.features.histories import Histories
from aisle.models.recently_viewed import RecentlyViewed, RecentlyViewedConfig
from aisle.recommend.recommender import recommend
from tests.models.communities import histories

MODEL = RecentlyViewed(RecentlyViewedConfig(), 5)
OUT = -np.inf


def test_the_last_item_comes_first_and_one_met_twice_counts_once() -> None:
    score = MODEL.score(np.array([0, 1]), histories([[3, 1, 3, 0], []]))
    assert score.tolist() == [[0, -2, OUT, -1, OUT], [OUT] * 5]


def test_popular_items_fill_the_list() -> None:
    popular = np.array([5, 4, 3, 2, 1], np.float32)
    result = recommend(MODEL, popular, np.array([0, 1]), histories([[3, 1], []]), k=3, filter_seen=False)
    assert result.item.tolist() == [1, 3, 0, 0, 1, 2]
    assert result.source.tolist() == ["model", "model", "popular", "popular", "popular", "popular"]


def test_it_knows_who_has_a_history_and_nothing_about_items() -> None:
    assert MODEL.knows(np.array([-1, 7]), histories([[2], []])).tolist() == [True, False]
    assert np.isneginf(MODEL.similar(np.array([0, 4]))).all()
    assert MODEL.score(np.zeros(0, np.int64), Histories.empty(0)).shape == (0, 5)
