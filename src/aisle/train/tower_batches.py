"""Each wanted event as a target, what its shopper did before it, and items drawn evenly: the batches of two towers."""

# E events   P targets   B targets of a step   L events of a history   M items drawn evenly   N = B + M candidates   V items

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aisle.errors import AisleError
from aisle.features.histories import Histories
from aisle.models.two_tower import TwoTowerConfig, latest, padded
from aisle.train.seeds import stream_seed

Batch = tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]


class TowerBatches:
    """Batches of what `models.two_tower.TwoTower.loss` takes, every epoch the same from (seed, epoch) alone.

    A target sees the latest events of its shopper that are strictly earlier: of what has the same time, as the lines of one
    invoice have, it sees nothing. A target before which nothing happened is left to models that know users by id.

    Args:
        train: one history a user, positive events only.
        config: the model's: how long a history is, what is foreseen, how many items are drawn.
        batch_size: targets a step; the last step of an epoch may have fewer.
        seed: with the number of the epoch it fixes order and items.
        device: where the batches are wanted; everything stays there.
        kinds: codes of the events to foresee; none means all.

    Raises:
        AisleError: E509 when there is nothing to foresee.
    """

    def __init__(
        self,
        train: Histories,
        config: TwoTowerConfig,
        batch_size: int,
        *,
        seed: int,
        device: torch.device,
        kinds: tuple[int, ...] = (),
    ) -> None:
        self.config, self.batch_size, self.seed, self.device = config, batch_size, seed, device
        row_E, end_E = train.rows, _earlier(train)
        wanted_E = np.isin(train.event, kinds) if kinds else np.ones(len(train.item), np.bool_)
        if not config.repeats:
            wanted_E &= _first_time(train, wanted_E)
        if not config.user_ids:
            wanted_E &= end_E > train.offsets[row_E]
        self.left_out = int(train.lengths[np.bincount(row_E[wanted_E], minlength=len(train)) == 0].sum())
        if not wanted_E.any():
            raise AisleError(
                f"nothing to foresee: of {len(train.item)} training events none is a wanted one with another before it",
                hint="give it more events, loosen the split's filters, or check parameters.target_events",
                code="E509",
            )
        self._events = padded(train, device)
        targets = (row_E, train.offsets[row_E], end_E, train.item)
        self._user_P, self._start_P, self._end_P, self._target_P = (self._put(array_E[wanted_E]) for array_E in targets)
        self._drawn_V = self._put(np.unique(train.item))
        self._share_V = torch.bincount(self._target_P, minlength=int(train.item.max()) + 1) / self.samples

    @property
    def samples(self) -> int:
        """Targets an epoch."""
        return len(self._target_P)

    @property
    def steps(self) -> int:
        """Batches an epoch."""
        return -(-self.samples // self.batch_size)

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """Yield (user_B, item_BL, event_BL, target_B, even_M, log_draws_N) batches, see `TwoTower.loss`.

        Args:
            epoch: 1-based number of the epoch.
        """
        generator = torch.Generator(self.device).manual_seed(stream_seed(self.seed, epoch, "towers"))
        order_P = torch.randperm(self.samples, generator=generator, device=self.device)
        shape, count = (self.config.uniform_negatives,), self.config.uniform_negatives
        for start in range(0, self.samples, self.batch_size):
            index_B = order_P[start : start + self.batch_size]
            item_BL, event_BL = latest(self._events, self._start_P[index_B], self._end_P[index_B], self.config.history)
            even_M = self._drawn_V[torch.randint(len(self._drawn_V), shape, generator=generator, device=self.device)]
            target_B = self._target_P[index_B]
            share_N = self._share_V[torch.cat([target_B, even_M])]
            log_draws_N = torch.log(len(index_B) * share_N + count / len(self._drawn_V))
            yield self._user_P[index_B], item_BL, event_BL, target_B, even_M, log_draws_N

    def _put(self, array: NDArray[np.integer]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array, np.int64)).to(self.device)


def _earlier(train: Histories) -> NDArray[np.int64]:
    """Return where the events strictly before each event end: (E,), the place of the first one with its user and time."""
    row_E, place_E = train.rows, np.arange(len(train.item))
    same_E = np.zeros(len(place_E), np.bool_)
    same_E[1:] = (row_E[1:] == row_E[:-1]) & (train.time[1:] == train.time[:-1])
    return np.maximum.accumulate(np.where(same_E, 0, place_E))


def _first_time(train: Histories, wanted_E: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Say which of the wanted events are the first such of their user with their item: (E,)."""
    key_W = (train.rows * (int(train.item.max(initial=0)) + 1) + train.item)[wanted_E]
    first_E = np.zeros(len(wanted_E), np.bool_)
    first_E[np.flatnonzero(wanted_E)[np.unique(key_W, return_index=True)[1]]] = True
    return first_E
