from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from aisle.dataset.cold import cold_items
from aisle.dataset.split import SplitConfig, split
from aisle.errors import AisleError
from tests.dataset.small import Row, dataset_of

# Ten shoppers walk through the shop: items u, u + 1, ... u + 5 of 16.
WALKS: list[Row] = [(user, (user + step) % 16, 10 * step) for user in range(10) for step in range(6)]


def test_a_share_of_the_catalogue_is_drawn_by_the_seed_alone() -> None:
    assert cold_items(1000, 0.1, 3).sum() == 100
    assert np.array_equal(cold_items(1000, 0.1, 3), cold_items(1000, 0.1, 3))
    assert not np.array_equal(cold_items(1000, 0.1, 3), cold_items(1000, 0.1, 4))
    assert not cold_items(1000, 0.0, 3).any()


def test_nothing_is_learned_from_cold_items_and_the_questions_stay_the_same(tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path, WALKS, users=10, items=16)
    plain = split(dataset, SplitConfig(kind="leave-one-out"))
    cold = split(dataset, SplitConfig(kind="leave-one-out", cold_items=0.25, seed=2))
    is_cold = cold_items(16, 0.25, 2)
    for part, index, before in ((cold.train, cold.train_index, plain.train), (cold.refit, cold.refit_index, plain.refit)):
        assert not is_cold[part.item].any()
        assert len(part.item) == np.count_nonzero(~is_cold[before.item])
        assert np.array_equal(dataset.histories.item[index], part.item)
    for asked, asked_before in ((cold.validation, plain.validation), (cold.test, plain.test)):
        assert np.array_equal(asked.target_item, asked_before.target_item)
        assert np.array_equal(asked.known.item, asked_before.known.item)
    assert is_cold[cold.test.target_item].any()


def test_the_k_core_does_not_count_events_with_cold_items(tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path, WALKS, users=10, items=16)
    core = split(dataset, SplitConfig(kind="leave-one-out", cold_items=0.25, seed=2, min_user_events=3))
    lengths = core.train.lengths
    assert lengths[lengths > 0].min() >= 3


@pytest.mark.parametrize("share", [-0.1, 1.0, float("nan")])
def test_a_share_that_is_none_is_refused(share: float) -> None:
    with pytest.raises(AisleError, match="cold_items"):
        cold_items(10, share, 0)
