"""Histories cut into windows for models that predict the next item, every epoch the same from (seed, epoch) alone."""

# U users   W windows   B windows of a step   T events of a window: the length that the model reads, and one more as target

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aisle.errors import AisleError
from aisle.features.histories import Histories
from aisle.features.padded import padded
from aisle.train.seeds import stream_seed


class Windows:
    """Batches of windows of histories, padded on the right.

    Every event but the first of a history is a target once an epoch. A history longer than a window is cut into as few windows
    as hold it; where the cuts lie is drawn anew every epoch. Windows of like length share a batch.

    Args:
        train: one history a user, positive events only.
        batch_size: windows a step; the last step of an epoch may have fewer.
        length: events that the model reads; a window holds one more.
        seed: with the number of the epoch it fixes the cuts and the order.
        device: where the batches are wanted.

    Raises:
        AisleError: E510 when no history has two events.
    """

    def __init__(self, train: Histories, batch_size: int, length: int, *, seed: int, device: torch.device) -> None:
        self.batch_size, self.length, self.seed, self.device = batch_size, length, seed, device
        self.users = np.flatnonzero(train.lengths >= 2)
        self.left_out = int(train.lengths[train.lengths < 2].sum())
        if not len(self.users):
            raise AisleError(
                f"nothing to learn from: {len(train.item)} training events, and no user with two of them",
                hint="give it more events, loosen the split's filters, or take a model that reads no order",
                code="E510",
            )
        self.train = train
        self._targets_U = train.lengths[self.users] - 1
        self._windows_U = -(-self._targets_U // length)

    @property
    def samples(self) -> int:
        """Windows an epoch."""
        return int(self._windows_U.sum())

    @property
    def steps(self) -> int:
        """Batches an epoch."""
        return -(-self.samples // self.batch_size)

    def epoch(self, epoch: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Yield (item_BT, event_BT, gap_BT) int64 batches, see `features.padded`.

        Args:
            epoch: 1-based number of the epoch.
        """
        random = np.random.default_rng(stream_seed(self.seed, epoch, "sampler"))
        first_W, last_W = self._cuts(random)
        order = np.argsort(last_W - first_W + random.random(len(first_W)) * 0.5, kind="stable")
        batches = [order[start : start + self.batch_size] for start in range(0, len(order), self.batch_size)]
        for number in random.permutation(len(batches)):
            rows = random.permutation(batches[number])
            part = self._slices(first_W[rows], last_W[rows] + 1)
            yield tuple(torch.from_numpy(array).to(self.device) for array in padded(part, int(part.lengths.max())))  # type: ignore[misc]

    def _cuts(self, random: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the place of the first and the last event of each window: (W,), (W,)."""
        spare_U = self._windows_U * self.length - self._targets_U
        shift_U = random.integers(0, spare_U + 1)
        user_W = np.repeat(np.arange(len(self.users)), self._windows_U)
        place_W = np.arange(len(user_W)) - np.repeat(np.cumsum(self._windows_U) - self._windows_U, self._windows_U)
        # A window's targets are first + 1 .. last, and the next window begins with the last target of this one.
        start_W = place_W * self.length - shift_U[user_W]
        offset_W = self.train.offsets[self.users[user_W]]
        first_W = offset_W + np.maximum(start_W, 0)
        last_W = offset_W + np.minimum(start_W + self.length, self._targets_U[user_W])
        return first_W[last_W > first_W], last_W[last_W > first_W]

    def _slices(self, start_B: NDArray[np.int64], end_B: NDArray[np.int64]) -> Histories:
        lengths = end_B - start_B
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        index = np.repeat(start_B - offsets[:-1], lengths) + np.arange(offsets[-1])
        return Histories(offsets, self.train.item[index], self.train.event[index], self.train.time[index])
