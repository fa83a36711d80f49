"""Questions with their candidates, in a fresh order every epoch, the same from (seed, epoch) alone."""

# Q questions   B questions of a step   N candidates of a question   F features

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aisle.errors import AisleError
from aisle.train.seeds import stream_seed


@dataclass(frozen=True)
class Questions:
    """What a ranker learns from: Q questions with at least one right answer among their candidates.

    Attributes:
        code: (Q, N, F) int32 codes of the candidates' features.
        right: (Q, N) bool, the right answers.
        there: (Q, N) bool, False where a question has fewer candidates.
    """

    code: NDArray[np.int32]
    right: NDArray[np.bool_]
    there: NDArray[np.bool_]


class QuestionBatches:
    """Batches of whole questions.

    Args:
        questions: all of them; they stay on the CPU, a step's are sent to the device.
        batch_size: questions a step; the last step of an epoch may have fewer.
        left_out: questions that nothing can be learned from, for the record.
        seed: with the number of the epoch it fixes the order.
        device: where the batches are wanted.

    Raises:
        AisleError: E504 when there is no question.
    """

    def __init__(self, questions: Questions, batch_size: int, *, left_out: int, seed: int, device: torch.device) -> None:
        if not len(questions.right):
            raise AisleError(
                f"the ranker has nothing to learn from: no right answer is among the candidates of {left_out:,} questions",
                hint="let the recallers name more items (count), or make ranker_share larger",
                code="E504",
            )
        self.left_out, self.batch_size, self.seed, self.device = left_out, batch_size, seed, device
        self._parts = tuple(map(torch.from_numpy, (questions.code, questions.right, questions.there)))

    @property
    def samples(self) -> int:
        """Questions an epoch."""
        return len(self._parts[0])

    @property
    def steps(self) -> int:
        """Batches an epoch."""
        return -(-self.samples // self.batch_size)

    def epoch(self, epoch: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Yield (code_BNF int64, right_BN bool, there_BN bool).

        Args:
            epoch: 1-based number of the epoch.
        """
        generator = torch.Generator().manual_seed(stream_seed(self.seed, epoch, "sampler"))
        order_Q = torch.randperm(self.samples, generator=generator)
        for start in range(0, self.samples, self.batch_size):
            index_B = order_Q[start : start + self.batch_size]
            code_BNF, right_BN, there_BN = (part[index_B].to(self.device) for part in self._parts)
            yield code_BNF.long(), right_BN, there_BN
