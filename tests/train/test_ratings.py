from __future__ import annotations

import numpy as np
import pytest
import torch

from aisle.errors import AisleError
from aisle.features.histories import Histories
from aisle.train.ratings import RatingSampler
from tests.models.communities import histories

CPU = torch.device("cpu")
TRAIN = histories([[3, 1], [4], [], [0, 1, 2]])
RATING = np.array([30, 10, 41, 100, 101, 102], np.float32)  # says user and item: 10 * user + item, with 3 -> 10


@pytest.mark.parametrize("whole_users", [False, True])
def test_an_epoch_holds_every_rating_once_with_its_user_item_and_circumstances(whole_users: bool) -> None:
    context = TRAIN.item[:, None] + 7
    sampler = RatingSampler(TRAIN, RATING, 2, seed=1, device=CPU, context=context, whole_users=whole_users)
    batches = list(sampler.epoch(1))
    assert len(batches) == sampler.steps
    assert sampler.samples == 6
    rows = [
        (u, i, r, c)
        for user, item, rating, asked_in, *_ in batches
        for u, i, r, c in zip(user.tolist(), item[:, 0].tolist(), rating.tolist(), asked_in[:, 0].tolist(), strict=True)
    ]
    expected = [(0, 3, 30, 10), (0, 1, 10, 8), (1, 4, 41, 11), (3, 0, 100, 7), (3, 1, 101, 8), (3, 2, 102, 9)]
    assert sorted(rows) == sorted(expected)


def test_whole_users_come_with_everything_that_they_have_rated() -> None:
    for user, item, _, _, row, rated, offset in RatingSampler(TRAIN, RATING, 4, seed=2, device=CPU, whole_users=True).epoch(3):
        ends = [*offset[1:].tolist(), len(rated)]
        for place in range(len(user)):
            mine = rated[offset[row[place]] : ends[row[place]]].tolist()
            assert sorted(mine) == sorted(TRAIN.row(int(user[place])).tolist())
            assert item[place, 0] in mine


def test_epochs_differ_and_repeat_with_the_seed() -> None:
    def users(epoch: int, seed: int = 1) -> list[int]:
        sampler = RatingSampler(TRAIN, RATING, 3, seed=seed, device=CPU)
        return torch.cat([batch[0] for batch in sampler.epoch(epoch)]).tolist()

    assert users(1) == users(1)
    assert len({tuple(users(epoch)) for epoch in range(1, 8)}) > 1


def test_no_ratings_are_refused() -> None:
    with pytest.raises(AisleError, match="E504"):
        RatingSampler(Histories.empty(3), np.zeros(0, np.float32), 2, seed=1, device=CPU)
