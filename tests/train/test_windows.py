"""Histories cut into windows: every event is a target once, whatever the cut."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch

from aisle.errors import AisleError
from aisle.features.histories import Histories
from aisle.train.windows import Windows
from tests.models.communities import histories

CPU = torch.device("cpu")


def numbered(lengths: list[int]) -> Histories:
    """Make histories whose items are all different."""
    ends = np.cumsum(lengths)
    return histories([list(range(end - length, end)) for length, end in zip(lengths, ends, strict=True)])


@pytest.mark.parametrize("epoch", [1, 2, 3])
@pytest.mark.parametrize("length", [1, 3, 4, 50])
def test_every_event_but_the_first_is_a_target_once_an_epoch(length: int, epoch: int) -> None:
    train = numbered([2, 1, 9, 0, 17, 5])
    targets: Counter[int] = Counter()
    for item_BT, _, _ in Windows(train, 2, length, seed=1, device=CPU).epoch(epoch):
        assert item_BT.shape[1] <= length + 1
        for row in item_BT.tolist():
            real = [item for item in row if item >= 0]
            assert real == list(range(real[0], real[-1] + 1))  # consecutive events of one history
            assert row == real + [-1] * (len(row) - len(real))
            targets.update(real[1:])
    firsts = {0, 2, 3, 12, 29}
    assert targets == Counter(item for item in range(34) if item not in firsts)


def test_the_same_epoch_is_the_same_and_another_is_cut_elsewhere() -> None:
    train = numbered([30, 11])

    def drawn(epoch: int) -> list[list[int]]:
        return [row for batch in Windows(train, 2, 8, seed=1, device=CPU).epoch(epoch) for row in batch[0].tolist()]

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)


def test_samples_and_steps_are_what_an_epoch_yields() -> None:
    windows = Windows(numbered([30, 11, 2]), 2, 8, seed=1, device=CPU)
    batches = list(windows.epoch(1))
    # 29 targets need 4 windows of 8, 10 need 2, 1 needs 1.
    assert (windows.samples, windows.steps) == (7, 4)
    assert [len(batches), sum(len(batch[0]) for batch in batches)] == [4, 7]


def test_users_with_one_event_are_left_out_and_counted() -> None:
    assert Windows(numbered([1, 3, 1]), 2, 8, seed=1, device=CPU).left_out == 2


def test_nothing_to_learn_from_is_refused() -> None:
    with pytest.raises(AisleError, match="no user with two") as caught:
        Windows(numbered([1, 1]), 2, 8, seed=1, device=CPU)
    assert caught.value.code == "E510"
