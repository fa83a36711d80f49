"""The split inside a training part: nothing of the outer validation or test is in it."""

import numpy as np

from aisle.dataset.cold import cold_items
from aisle.dataset.inner import inner_split
from aisle.dataset.reader import Dataset
from aisle.dataset.split import split
from aisle.dataset.split_config import SplitConfig


def test_a_time_split_is_cut_again_before_its_validation(dataset: Dataset) -> None:
    outer = split(dataset, SplitConfig(target_events=("purchase",), seen_events=("purchase",)))
    inner = inner_split(dataset, outer, share=0.2, max_cases=None)
    end, latest = int(outer.train.time.max()), int(inner.refit.time.max())
    assert latest < end
    assert inner.test.known.time.max() <= latest
    # Every event to learn from is one of the outer training part, under its own row of the dataset.
    assert np.isin(inner.refit_index, outer.train_index).all()
    assert np.array_equal(dataset.histories.item[inner.refit_index], inner.refit.item)
    assert len(inner.refit.item) / len(outer.train.item) == np.clip(len(inner.refit.item) / len(outer.train.item), 0.79, 0.81)


def test_its_questions_ask_for_training_events_only(dataset: Dataset) -> None:
    config = SplitConfig(target_events=("purchase",), seen_events=("purchase",))
    outer = split(dataset, config)
    inner = inner_split(dataset, outer, share=0.2, max_cases=None)
    learned = set(zip(outer.train.rows.tolist(), outer.train.item.tolist(), strict=True))
    user = np.repeat(inner.test.user, np.diff(inner.test.target_offsets))
    assert set(zip(user.tolist(), inner.test.target_item.tolist(), strict=True)) <= learned


def test_its_questions_tell_nothing_of_items_that_nothing_may_be_learned_from(dataset: Dataset) -> None:
    config = SplitConfig(cold_items=0.3)
    inner = inner_split(dataset, split(dataset, config), share=0.2, max_cases=None)
    cold_V = cold_items(dataset.n_items, config.cold_items, config.seed)
    assert not cold_V[inner.test.target_item].any()
    assert not cold_V[inner.test.known.item].any()


def test_other_splits_ask_for_the_last_training_event(dataset: Dataset) -> None:
    outer = split(dataset, SplitConfig(kind="leave-one-out"))
    inner = inner_split(dataset, outer, share=0.2, max_cases=50)
    assert len(inner.test) == 50
    for user in inner.test.user[:10]:
        asked = inner.test.target_item[inner.test.user.tolist().index(user)]
        assert asked in outer.train.row(int(user))
        assert asked not in inner.refit.row(int(user))


def test_a_dataset_of_some_events_keeps_users_items_and_columns(dataset: Dataset) -> None:
    keep = np.arange(dataset.manifest.events) % 2 == 0
    part = dataset.only(keep)
    assert len(part.histories) == dataset.n_users
    assert np.array_equal(part.histories.item, dataset.histories.item[keep])
    prices = part.event_column("price").values
    assert prices is not None
    assert len(prices) == keep.sum()
    assert len(dataset.histories.item) == len(keep)  # the whole is as it was
