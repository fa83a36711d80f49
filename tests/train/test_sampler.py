from __future__ import annotations

import numpy as np
import pytest
import torch

from aisle.errors import AisleError
from aisle.features.histories import Histories
from aisle.train.sampler import PairSampler
from tests.models.communities import histories

CPU = torch.device("cpu")
# Item 6 is in the catalogue without events: it is never drawn. User 2 has no events.
TRAIN = histories([[0, 1, 1, 5], [4], [], [0, 1, 2, 3, 4]])


def _sampler(train: Histories = TRAIN, *, batch_size: int = 3, negatives: int = 4, seed: int = 1) -> PairSampler:
    return PairSampler(train, batch_size, negatives, seed=seed, device=CPU)


def _epoch(sampler: PairSampler, epoch: int) -> tuple[np.ndarray, np.ndarray]:
    users, items = zip(*sampler.epoch(epoch), strict=True)
    return torch.cat(users).numpy(), torch.cat(items).numpy()


def test_an_epoch_holds_every_training_event_once() -> None:
    user, item = _epoch(_sampler(), 1)
    pairs = sorted(zip(user.tolist(), item[:, 0].tolist(), strict=True))
    assert pairs == [(0, 0), (0, 1), (0, 1), (0, 5), (1, 4), (3, 0), (3, 1), (3, 2), (3, 3), (3, 4)]


def test_negatives_are_never_the_users_own_nor_items_without_events() -> None:
    sampler = _sampler(negatives=50)
    for epoch in range(1, 6):
        user, item = _epoch(sampler, epoch)
        for row, negatives in zip(user, item[:, 1:], strict=True):
            assert not set(negatives) & {*TRAIN.row(row).tolist(), 6}


def test_negatives_are_drawn_evenly_among_the_items_that_are_left() -> None:
    sampler = _sampler()
    drawn = sampler.draw(torch.zeros(30_000, dtype=torch.int64), torch.Generator().manual_seed(0))
    counts = np.bincount(drawn.numpy().ravel(), minlength=7)
    assert counts[[0, 1, 5, 6]].tolist() == [0, 0, 0, 0]
    # 120,000 draws over items 2, 3, 4: 40,000 each, standard deviation sqrt(120,000 * 1/3 * 2/3) = 163.
    assert np.abs(counts[2:5] - 40_000).max() < 5 * 163


def test_every_draw_agrees_with_a_plain_list_of_unseen_items() -> None:
    random = np.random.default_rng(3)
    train = histories([random.integers(0, 40, random.integers(0, 30)).tolist() for _ in range(50)])
    sampler = _sampler(train, negatives=200)
    everything = set(train.item.tolist())
    user = np.flatnonzero(train.lengths > 0)
    drawn = sampler.draw(torch.from_numpy(user), torch.Generator().manual_seed(0)).numpy()
    for row, negatives in zip(user.tolist(), drawn, strict=True):
        left = everything - set(train.row(row).tolist())
        assert set(negatives.tolist()) <= left
        assert len(set(negatives.tolist())) > 0.9 * len(left)


def test_an_epoch_repeats_exactly_and_epochs_and_seeds_differ() -> None:
    first, again, second, other = (
        _epoch(_sampler(), 1),
        _epoch(_sampler(), 1),
        _epoch(_sampler(), 2),
        _epoch(_sampler(seed=2), 1),
    )
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[1], second[1])
    assert not np.array_equal(first[1], other[1])


def test_an_epoch_does_not_depend_on_the_epochs_before() -> None:
    sampler = _sampler()
    _epoch(sampler, 1)
    assert np.array_equal(_epoch(sampler, 2)[1], _epoch(_sampler(), 2)[1])


def test_batches_have_the_size_asked_for_and_the_last_the_rest() -> None:
    sampler = _sampler()
    assert [len(user) for user, _ in sampler.epoch(1)] == [3, 3, 3, 1]
    assert (sampler.samples, sampler.steps) == (10, 4)


def test_users_who_have_every_item_are_left_out_and_counted() -> None:
    sampler = _sampler(histories([[0, 1, 2], [0], [2]]))
    assert sampler.left_out == 3
    assert set(_epoch(sampler, 1)[0].tolist()) == {1, 2}


@pytest.mark.parametrize("rows", [[[]], [[0, 0]], [[0, 1], [1, 0]]])
def test_nothing_to_tell_apart_is_an_error(rows: list[list[int]]) -> None:
    with pytest.raises(AisleError, match="E504"):
        _sampler(histories(rows))


def test_a_positive_brings_its_circumstances() -> None:
    context = np.stack([TRAIN.rows, TRAIN.item], axis=1).astype(np.int32)
    for user, item, asked_in in PairSampler(TRAIN, 3, 4, seed=1, device=CPU, context=context).epoch(1):
        assert torch.equal(asked_in, torch.stack([user, item[:, 0]], dim=1))


def test_own_items_are_drawn_where_they_compete() -> None:
    sampler = PairSampler(TRAIN, 3, 4, seed=1, device=CPU, own=True)
    drawn = sampler.draw(torch.zeros(30_000, dtype=torch.int64), torch.Generator().manual_seed(0))
    counts = np.bincount(drawn.numpy().ravel(), minlength=7)
    # 120,000 draws over items 0 to 5: 20,000 each, standard deviation sqrt(120,000 * 1/6 * 5/6) = 129; 6 has no events.
    assert counts[6] == 0
    assert np.abs(counts[:6] - 20_000).max() < 5 * 129
