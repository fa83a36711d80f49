"""Questions with their candidates, in a fresh order every epoch, the same from (seed, epoch) alone."""

# Q questions   B questions of a step   N candidates of a question   M of them in a step   F features

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
    """Batches of questions, each with its right answers and a fresh draw of its other candidates.

    Args:
        questions: all of them; they stay on the CPU, a step's are sent to the device.
        batch_size: questions a step; the last step of an epoch may have fewer.
        candidates: most candidates of a question in a step.
        left_out: questions that nothing can be learned from, for the record.
        seed: with the number of the epoch it fixes the order.
        device: where the batches are wanted.

    Raises:
        AisleError: E504 when there is no question.
    """

    def __init__(
        self, questions: Questions, batch_size: int, candidates: int, *, left_out: int, seed: int, device: torch.device
    ) -> None:
        if not len(questions.right):
            raise AisleError(
                f"the ranker has nothing to learn from: no right answer is among the candidates of {left_out:,} questions",
                hint="let the recallers name more items (count), or make ranker_shares larger",
                code="E504",
            )
        self.left_out, self.batch_size, self.candidates, self.seed, self.device = left_out, batch_size, candidates, seed, device
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
        """Yield (code_BMF int64, right_BM bool, there_BM bool).

        Args:
            epoch: 1-based number of the epoch.
        """
        generator = torch.Generator().manual_seed(stream_seed(self.seed, epoch, "sampler"))
        order_Q = torch.randperm(self.samples, generator=generator)
        for start in range(0, self.samples, self.batch_size):
            index_B = order_Q[start : start + self.batch_size]
            place_BM = self._draw(index_B, generator)
            code_BMF, right_BM, there_BM = (part[index_B[:, None], place_BM].to(self.device) for part in self._parts)
            yield code_BMF.long(), right_BM, there_BM

    def _draw(self, index_B: Tensor, generator: torch.Generator) -> Tensor:
        """Choose candidates: right ones first, then others at random, then places without a candidate: (B,) -> (B, M)."""
        _, right_QN, there_QN = self._parts
        order_BN = torch.rand(len(index_B), right_QN.shape[1], generator=generator)
        order_BN += 2 * right_QN[index_B].float() + there_QN[index_B].float()
        return order_BN.topk(min(self.candidates, right_QN.shape[1]), dim=1).indices
