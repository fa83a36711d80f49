"""Batches of ratings: whole users together, so that what they have rated is summed once for all of their ratings."""

# E ratings of the training part   B ratings of a batch   S users of a batch   F context columns

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aisle.errors import AisleError
from aisle.features.histories import Histories
from aisle.train.seeds import stream_seed


class RatingSampler:
    """Batches of (user, item, rating, context), and the histories of their users where these are wanted.

    Args:
        train: one history a user.
        rating_E: (E,) the rating of each event.
        batch_size: ratings a step; with `whole_users` on average, as a step takes all ratings of some users.
        seed: with the number of the epoch it fixes the order.
        device: where the batches are wanted; everything stays there.
        context: (E, F) the circumstances of each rating; None for none.
        whole_users: take users, not ratings, in random order, and give their histories.

    Raises:
        AisleError: E504 when there are no ratings.
    """

    left_out = 0

    def __init__(  # noqa: PLR0913 - what a batch is made of
        self,
        train: Histories,
        rating_E: NDArray[np.float32],
        batch_size: int,
        *,
        seed: int,
        device: torch.device,
        context: NDArray[np.int32] | None = None,
        whole_users: bool = False,
    ) -> None:
        if not len(train.item):
            raise AisleError(
                "nothing to learn from: no ratings", hint="give it more events, or loosen the split's filters", code="E504"
            )
        self.seed, self.device, self.whole_users = seed, device, whole_users
        context_EF = np.zeros((len(train.item), 0), np.int32) if context is None else context
        self._user_E, self._item_E, self._start_U = (self._put(array) for array in (train.rows, train.item, train.offsets))
        self._context_EF = self._put(context_EF)
        self._rating_E = torch.from_numpy(np.ascontiguousarray(rating_E, np.float32)).to(device)
        self._asked = self._put(np.flatnonzero(train.lengths)) if whole_users else torch.arange(len(train.item), device=device)
        ratings_each = len(train.item) / len(self._asked)
        self._at_once = max(1, round(batch_size / ratings_each))

    @property
    def samples(self) -> int:
        """Ratings an epoch."""
        return len(self._rating_E)

    @property
    def steps(self) -> int:
        """Batches an epoch."""
        return -(-len(self._asked) // self._at_once)

    def epoch(self, epoch: int) -> Iterator[tuple[Tensor, ...]]:
        """Yield (user_B, item_B1, rating_B, context_BF), and with `whole_users` what these users have rated.

        That is row_B, which of the S users of the batch each rating is of; their items one after another, item_B; and where
        each user's begin, offset_S.

        Args:
            epoch: 1-based number of the epoch.
        """
        generator = torch.Generator(self.device).manual_seed(stream_seed(self.seed, epoch, "sampler"))
        order = torch.randperm(len(self._asked), generator=generator, device=self.device)
        for start in range(0, len(order), self._at_once):
            chosen = self._asked[order[start : start + self._at_once]]
            if not self.whole_users:
                yield self._ratings(chosen)
                continue
            first_S, count_S = self._start_U[chosen], self._start_U[chosen + 1] - self._start_U[chosen]
            offset_S = count_S.cumsum(0) - count_S
            row_B = torch.repeat_interleave(torch.arange(len(chosen), device=self.device), count_S)
            index_B = torch.arange(len(row_B), device=self.device) + (first_S - offset_S)[row_B]
            yield (*self._ratings(index_B), row_B, self._item_E[index_B], offset_S)

    def _ratings(self, index_B: Tensor) -> tuple[Tensor, ...]:
        return self._user_E[index_B], self._item_E[index_B].unsqueeze(1), self._rating_E[index_B], self._context_EF[index_B]

    def _put(self, array: NDArray[np.integer]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array, np.int64)).to(self.device)
