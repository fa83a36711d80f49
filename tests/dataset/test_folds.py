from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from aisle.dataset.reader import Dataset
from aisle.dataset.split import SplitConfig, split
from aisle.errors import AisleError
from tests.dataset.logs import dataset_of

RECIPE = {"event": "rating", "order": "rows", "columns": {"fold": "part"}}
# 30 users, 10 items each; the fold is the item's number modulo 5, the rating user % 5 + 1.
EVENTS = pl.DataFrame({"user_id": np.repeat(np.arange(30), 10), "item_id": np.tile(np.arange(10), 30)}).with_columns(
    rating=pl.col("user_id") % 5 + 1, part=pl.col("item_id") % 5
)


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return dataset_of(EVENTS, tmp_path, RECIPE)


def test_one_fold_is_asked_and_the_others_are_learned_from(dataset: Dataset) -> None:
    parts = split(dataset, SplitConfig(kind="folds", fold=3, validation_share=0.2))
    assert sorted(set(parts.test.target_item.tolist())) == [3, 8]
    assert len(parts.test) == 30
    assert parts.test.rating is not None
    assert parts.test.rating.tolist() == np.repeat(np.arange(30) % 5 + 1.0, 2).tolist()
    assert not {3, 8} & set(parts.refit.item.tolist())
    assert len(parts.refit.item) == 30 * 8


def test_validation_is_a_random_share_of_the_other_folds(dataset: Dataset) -> None:
    parts = split(dataset, SplitConfig(kind="folds", fold=0, validation_share=0.2))
    asked = len(parts.validation.target_item)
    assert len(parts.train.item) + asked == 240
    # 240 ratings at 0.2: 48, standard deviation sqrt(240 * 0.2 * 0.8) = 6.2.
    assert abs(asked - 48) < 5 * 6.2
    pairs = set(zip(parts.train.rows.tolist(), parts.train.item.tolist(), strict=True))
    case = np.repeat(parts.validation.user, np.diff(parts.validation.target_offsets))
    assert not pairs & set(zip(case.tolist(), parts.validation.target_item.tolist(), strict=True))
    # What is known when validation asks is what was learned from.
    assert len(parts.validation.known.take(np.arange(len(parts.validation))).item) <= len(parts.train.item)


def test_selected_questions_keep_their_ratings(dataset: Dataset) -> None:
    test = split(dataset, SplitConfig(kind="folds", fold=1)).test.take(np.array([29, 4]))
    assert test.rating is not None
    assert test.rating.tolist() == [29 % 5 + 1, 29 % 5 + 1, 5, 5]


def test_of_an_item_rated_twice_the_latest_rating_is_asked(tmp_path: Path) -> None:
    events = pl.DataFrame({"user_id": [1, 1, 1], "item_id": [7, 7, 8], "rating": [2, 4, 3], "part": [0, 0, 1]})
    test = split(dataset_of(events, tmp_path, RECIPE), SplitConfig(kind="folds", fold=0, validation_share=0)).test
    assert test.rating is not None
    assert test.rating.tolist() == [4]


@pytest.mark.parametrize(
    ("drop", "fold", "says"), [("part", 0, "no column fold"), ("rating", 0, "no column weight"), (None, 9, "0, 1, 2, 3, 4")]
)
def test_a_log_without_folds_ratings_or_that_fold_is_refused(drop: str | None, fold: int, says: str, tmp_path: Path) -> None:
    recipe = {**RECIPE, "columns": {} if drop == "part" else RECIPE["columns"]}
    events = EVENTS if drop is None else EVENTS.drop(drop)
    with pytest.raises(AisleError, match=r"E258") as error:
        split(dataset_of(events, tmp_path, recipe), SplitConfig(kind="folds", fold=fold))
    assert says in str(error.value)
