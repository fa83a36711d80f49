import numpy as np
import pytest

from aisle.errors import AisleError
from aisle.models.content import Content, ContentConfig
from tests.recommend.scorers import histories

# Items 0, 1, 2 of category 0; 3 of category 1; 4 of none. Brand 0 made items 0 and 3. Item 2 is new: no events.
MODEL = Content(
    ContentConfig(latest=2, brand=0.5),
    np.array([0, 0, 0, 1, -1], np.int32),
    np.array([0, -1, -1, 0, -1], np.int32),
    np.array([5, 9, 0, 1, 7], np.float32),
)
USER = np.array([0])


def test_the_last_event_counts_one_and_the_one_before_half() -> None:
    score = MODEL.score(USER, histories([4, 3, 0]))[0]
    # weights 1 (item 0) and 1/2 (item 3), sum 1.5: category 0 2/3, category 1 1/3, brand 0 0.5
    assert score[:4] == pytest.approx([2 / 3 + 0.5, 2 / 3, 2 / 3, 1 / 3 + 0.5], abs=2e-3)
    assert np.isneginf(score[4])


def test_equally_alike_items_stand_in_order_of_popularity_and_new_ones_are_scored() -> None:
    score = MODEL.score(USER, histories([0]))[0]
    assert score[1] > score[2] > -np.inf


def test_it_knows_who_has_an_item_with_a_category_or_brand_among_the_latest() -> None:
    assert MODEL.knows(np.array([0, 1, -1]), histories([0, 4, 4], [4, 0], [3])).tolist() == [False, True, True]


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(AisleError) as caught:
        ContentConfig(latest=0)
    assert caught.value.code == "E374"
