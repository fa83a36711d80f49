"""Positive events in a fresh order with fresh negatives, every epoch the same from (seed, epoch) alone."""

# E events   B events of a step   N positives first, then negatives: 1 + negatives   U users   V items of the catalogue

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aisle.errors import AisleError
from aisle.features.histories import Histories
from aisle.train.seeds import stream_seed


class PairSampler:
    """Batches of (user, positive item, negative items) from a training part.

    Negatives are drawn evenly among the items that the user has no training event with, exactly and without retries: the
    r-th such item is r plus the number of own items before it, found by one binary search. Only items with training
    events are drawn. Users who have them all have nothing to be told apart from; their events are left out.

    Args:
        train: one history a user, positive events only.
        batch_size: positive events a step; the last step of an epoch may have fewer.
        negatives: drawn for each positive.
        seed: with the number of the epoch it fixes order and negatives.
        device: where the batches are wanted; everything stays there.
        context: (E, F) the circumstances of each training event, which its negatives share; None for none.
        own: draw a user's own items too: for models that are asked which of these it will be, now.

    Raises:
        AisleError: E504 when no user has both a training event and an item without one.
    """

    def __init__(  # noqa: PLR0913 - what a batch is made of
        self,
        train: Histories,
        batch_size: int,
        negatives: int,
        *,
        seed: int,
        device: torch.device,
        context: NDArray[np.int32] | None = None,
        own: bool = False,
    ) -> None:
        self.batch_size, self.negatives, self.seed, self.device = batch_size, negatives, seed, device
        drawn_V = np.unique(train.item)
        place_E = np.searchsorted(drawn_V, train.item)
        own_O = np.unique(train.rows * len(drawn_V) + place_E) if not own else np.zeros(0, np.int64)
        own_user, own_place = np.divmod(own_O, max(len(drawn_V), 1))
        first_U = np.searchsorted(own_user, np.arange(len(train)))
        free_U = len(drawn_V) - np.bincount(own_user, minlength=len(train))
        keep_E = free_U[train.rows] > 0
        self.left_out = int((~keep_E).sum())
        if not keep_E.any():
            raise AisleError(
                f"nothing to learn from: {len(train.item)} training events, and no user without an event on some item",
                hint="give it more events, or loosen the split's filters",
                code="E504",
            )
        # own items before each own item are free to skip: what is left is the place among the items not owned
        skipped = own_user * len(drawn_V) + own_place - (np.arange(len(own_O)) - first_U[own_user])
        self._user_E = self._put(train.rows[keep_E])
        self._item_E = self._put(train.item[keep_E])
        self._context_EF = None if context is None else self._put(context[keep_E])
        self._drawn_V, self._skipped, self._first_U, self._free_U = map(self._put, (drawn_V, skipped, first_U, free_U))

    @property
    def samples(self) -> int:
        """Positive events an epoch."""
        return len(self._user_E)

    @property
    def steps(self) -> int:
        """Batches an epoch."""
        return -(-self.samples // self.batch_size)

    def epoch(self, epoch: int) -> Iterator[tuple[Tensor, ...]]:
        """Yield (user_B, item_BN) int64 batches; column 0 of item_BN holds the positives. With a context, context_BF too.

        Args:
            epoch: 1-based number of the epoch.
        """
        generator = torch.Generator(self.device).manual_seed(stream_seed(self.seed, epoch, "sampler"))
        order_E = torch.randperm(self.samples, generator=generator, device=self.device)
        for start in range(0, self.samples, self.batch_size):
            index_B = order_E[start : start + self.batch_size]
            user_B = self._user_E[index_B]
            item_BN = torch.cat([self._item_E[index_B].unsqueeze(1), self.draw(user_B, generator)], dim=1)
            yield (user_B, item_BN) if self._context_EF is None else (user_B, item_BN, self._context_EF[index_B])

    def draw(self, user_B: Tensor, generator: torch.Generator) -> Tensor:
        """Draw negatives for some users: (B,) -> (B, negatives)."""
        share_BN = torch.rand(len(user_B), self.negatives, generator=generator, device=self.device, dtype=torch.float64)
        place_BN = (share_BN * self._free_U[user_B].unsqueeze(1)).long()
        key_BN = place_BN + (user_B * len(self._drawn_V)).unsqueeze(1)
        before_BN = torch.searchsorted(self._skipped, key_BN, right=True) - self._first_U[user_B].unsqueeze(1)
        return self._drawn_V[place_BN + before_BN]

    def _put(self, array: NDArray[np.integer]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array, np.int64)).to(self.device)
