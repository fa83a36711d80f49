"""What a split hands to models and to evaluation: what may be learned from, and what is asked."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aisle.features.histories import Histories


@dataclass(frozen=True)
class Cases:
    """C questions: this user, knowing these events, what comes next?

    Attributes:
        user: (C,) int32 user codes of the dataset.
        known: C histories: everything that happened before the question, the model's input.
        target_offsets: (C + 1,) int64 into target_item.
        target_item: (T,) int32, the right answers, distinct within a case and never empty.
        negatives: (C, N) int32 fixed wrong answers for a sampled protocol, -1 where a row has fewer; None = full ranking.
        seen: C histories: the events that make an item no news to the shopper; None = those that are known.
        rating: (T,) float32, how the shopper rated each right answer, for rating prediction; None where items are asked for.
    """

    user: NDArray[np.int32]
    known: Histories
    target_offsets: NDArray[np.int64]
    target_item: NDArray[np.int32]
    negatives: NDArray[np.int32] | None = None
    seen: Histories | None = None
    rating: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.user)

    @property
    def no_news(self) -> Histories:
        """C histories of items that the shopper has met: what a filter of seen items takes out."""
        return self.known if self.seen is None else self.seen

    def take(self, index: NDArray[np.integer]) -> Cases:
        """Select cases, in the order given."""
        starts = self.target_offsets[index]
        lengths = self.target_offsets[index + 1] - starts
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        place = np.repeat(starts - offsets[:-1], lengths) + np.arange(offsets[-1])
        negatives = None if self.negatives is None else self.negatives[index]
        seen = None if self.seen is None else self.seen.take(index)
        rating = None if self.rating is None else self.rating[place]
        return Cases(self.user[index], self.known.take(index), offsets, self.target_item[place], negatives, seen, rating)


@dataclass(frozen=True)
class Split:
    """A dataset cut into what is learned from and what is asked.

    Attributes:
        train: one history a user of the dataset (empty for users without training events), positive events only. Every
            statistic and every weight comes from here and from nowhere else.
        train_index: (E,) int64, the row of the dataset's event arrays that each training event came from, in order.
        validation: for early stopping and for choosing settings. May have no cases.
        test: looked at once.
        refit: like `train`, with the validation answers added: for training once more when the epochs are chosen.
        refit_index: like `train_index`, for `refit`.
        description: the protocol in words and numbers: kind, cut times, k-core, counts of train, validation and test.
    """

    train: Histories
    train_index: NDArray[np.int64]
    validation: Cases
    test: Cases
    refit: Histories
    refit_index: NDArray[np.int64]
    description: dict[str, object]
