from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from aisle.errors import AisleError
from aisle.features.histories import Histories
from aisle.models.two_tower import TwoTowerConfig
from aisle.train.tower_batches import TowerBatches
from tests.models.communities import histories

CONFIG = TwoTowerConfig(8, history=3, uniform_negatives=5)
# User 1 has one event: nothing comes before it. User 2 has none. Item 5 is nobody's.
TRAIN = histories([[0, 1, 2, 3, 4], [4], [], [7, 6, 7]])


def batches_of(train: Histories = TRAIN, config: TwoTowerConfig = CONFIG, *, size: int = 2, **more: object) -> TowerBatches:
    return TowerBatches(train, config, size, seed=1, device=torch.device("cpu"), **more)  # type: ignore[arg-type]


def examples(batches: TowerBatches, epoch: int = 1) -> list[tuple[int, list[int], int]]:
    """Return (user, items before, latest first, target) of an epoch, sorted."""
    found = []
    for user, item, event, target, _, _ in batches.epoch(epoch):
        for row in range(len(user)):
            before = item[row][event[row] > 0].tolist()
            found.append((int(user[row]), before, int(target[row])))
    return sorted(found)


def test_each_event_is_asked_from_the_latest_events_before_it() -> None:
    assert examples(batches_of()) == [(0, [0], 1), (0, [1, 0], 2), (0, [2, 1, 0], 3), (0, [3, 2, 1], 4), (3, [7], 6)]
    assert batches_of().samples == 5
    assert batches_of().steps == 3
    assert batches_of().left_out == 1  # the event of user 1


def test_repeats_are_targets_only_when_asked_for() -> None:
    asked = examples(batches_of(config=replace(CONFIG, repeats=True)))
    assert (3, [6, 7], 7) in asked
    assert len(asked) == 6


def test_a_model_of_user_ids_learns_from_first_events_too() -> None:
    asked = examples(batches_of(config=replace(CONFIG, user_ids=True)))
    assert {(0, (), 0), (1, (), 4), (3, (), 7)} <= {(user, tuple(before), target) for user, before, target in asked}


def test_a_target_sees_nothing_of_its_own_moment() -> None:
    # One invoice with items 1 and 2 after an event with item 0; then item 3.
    basket = replace(histories([[0, 1, 2, 3]]), time=np.array([10, 20, 20, 30]))
    assert examples(batches_of(basket)) == [(0, [0], 1), (0, [0], 2), (0, [2, 1, 0], 3)]
    # The same moment of another user is another matter.
    both = replace(histories([[0, 1], [2, 3]]), time=np.array([10, 20, 20, 30]))
    assert examples(batches_of(both)) == [(0, [0], 1), (1, [2], 3)]


def test_only_wanted_kinds_are_targets_and_every_kind_is_history() -> None:
    train = replace(TRAIN, event=np.array([1, 1, 6, 1, 6, 6, 1, 1, 6], np.uint8))
    assert examples(batches_of(train, kinds=(6,))) == [(0, [1, 0], 2), (0, [3, 2, 1], 4), (3, [6, 7], 7)]
    # User 3 bought item 7, which was only viewed before; a second purchase would be a repeat.
    again = replace(histories([[0, 1, 1, 1]]), event=np.array([1, 1, 6, 6], np.uint8))
    assert examples(batches_of(again, kinds=(6,))) == [(0, [1, 0], 1)]


def test_the_expected_draws_are_those_of_the_batch_and_of_the_even_ones() -> None:
    # Targets of an epoch are 1, 2, 3, 4, 6: each a fifth. A batch of 2 draws each 2/5 times, 5 even draws of the 7 items
    # with events 5/7 times each; items 0 and 7 are never targets, so only the even draws bring them.
    for _, _, _, target, even, log_draws in batches_of().epoch(1):
        item = torch.cat([target, even])
        share = torch.where(torch.isin(item, torch.tensor([0, 7])), 0.0, 0.2)
        torch.testing.assert_close(log_draws.exp(), len(target) * share + 5 / 7)


def test_items_are_drawn_evenly_among_those_with_events() -> None:
    train = histories([[0, 9, 0, 0], [0, 4]])
    batches = batches_of(train, replace(CONFIG, uniform_negatives=30_000, repeats=True), size=10)
    counts = np.bincount(next(iter(batches.epoch(1)))[4].numpy(), minlength=10)
    # 30,000 draws over items 0, 4, 9: 10,000 each, standard deviation sqrt(30,000 * 1/3 * 2/3) = 82.
    assert counts.sum() == counts[[0, 4, 9]].sum()
    assert np.abs(counts[[0, 4, 9]] - 10_000).max() < 5 * 82


def test_an_epoch_is_the_same_from_seed_and_number_alone() -> None:
    def numbers(batches: TowerBatches, epoch: int) -> list[list[float]]:
        return [tensor.flatten().tolist() for batch in batches.epoch(epoch) for tensor in batch]

    again = batches_of()
    list(again.epoch(1))
    assert numbers(batches_of(), 2) == numbers(again, 2)
    assert numbers(again, 1) != numbers(again, 2)


def test_a_part_without_anything_to_foresee_is_refused() -> None:
    with pytest.raises(AisleError, match="nothing to foresee"):
        batches_of(histories([[1], [2]]))
    with pytest.raises(AisleError, match="target_events"):
        batches_of(kinds=(2,))
    with pytest.raises(AisleError):
        batches_of(Histories.empty(3))
