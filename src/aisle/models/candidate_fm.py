"""CandidateFM: orders the candidates of a question; every pair of features meets, and a small network reads them all."""

# B questions   N candidates of a question   F features   K factors

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from aisle.errors import AisleError

_BLOCK_CELLS = 4_000_000  # embedded cells held at once while scoring: 16 MB


@dataclass(frozen=True)
class CandidateFMConfig:
    """How wide.

    Attributes:
        buckets: how many parts each feature is cut into, the narrower the nearer to its ends, where the best candidates are.
        factors: width of the vector of each bucket.
        hidden: widths of the hidden layers of the network; none leaves the pure factorisation machine.
        dropout: share of the inputs of every hidden layer that is zeroed in training.
    """

    buckets: int = 24
    factors: int = 8
    hidden: tuple[int, ...] = (64, 32)
    dropout: float = 0.0

    def __post_init__(self) -> None:
        if self.buckets < 2 or self.factors < 1 or any(width < 1 for width in self.hidden) or not 0 <= self.dropout < 1:
            raise AisleError(
                f"the ranker needs buckets >= 2, factors and hidden >= 1 and 0 <= dropout < 1; seen {self}",
                hint="start from buckets=24, factors=8, hidden=[64, 32], dropout=0.0",
                code="E370",
            )


class CandidateFM(nn.Module):
    """A factorisation machine with a network beside it, as DeepFM, over the bucketed features of candidates.

    A bucket's own weight is the sum of steps from the first bucket up to it: a feature's effect is smooth until data say
    otherwise, and few thousand questions are enough to learn it.

    Args:
        config: how wide.
        n_features: F.
        n_codes: rows of the table: the buckets of all features together.

    Source: Guo et al. (2017), DeepFM. We depart in the loss, a softmax over the candidates of one question, and
    in the steps.
    """

    def __init__(self, config: CandidateFMConfig, n_features: int, n_codes: int) -> None:
        super().__init__()
        self.config = config
        self.vector = nn.Embedding(n_codes, config.factors)
        self.step = nn.Embedding(n_codes, 1)
        widths = [n_features * config.factors, *config.hidden]
        layers: list[nn.Module] = []
        for width_in, width_out in itertools.pairwise(widths):
            layers += [nn.Dropout(config.dropout), nn.Linear(width_in, width_out), nn.ReLU()]
        self.network = nn.Sequential(*layers, nn.Linear(widths[-1], 1, bias=False)) if config.hidden else None

    @classmethod
    def untrained(cls, config: CandidateFMConfig, n_features: int, n_codes: int, *, seed: int) -> CandidateFM:
        """Make a ranker with random vectors; `seed` fixes them."""
        model = cls(config, n_features, n_codes)
        generator = torch.Generator().manual_seed(seed)
        nn.init.normal_(model.vector.weight, std=0.1, generator=generator)
        nn.init.zeros_(model.step.weight)
        for layer in model.network or ():
            if isinstance(layer, nn.Linear):
                nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu", generator=generator)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
        return model

    @classmethod
    def from_state(cls, config: CandidateFMConfig, state: Mapping[str, NDArray[Any]]) -> CandidateFM:
        """Rebuild from what `state` returned."""
        model = cls(config, int(state["n_features"][0]), len(state["vector.weight"]))
        model.load_state_dict({name: torch.tensor(array) for name, array in state.items() if name != "n_features"})
        return model.eval()

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the arrays that make this model."""
        arrays = {name: tensor.detach().cpu().numpy().copy() for name, tensor in self.state_dict().items()}
        return arrays | {"n_features": np.array([self.n_features])}

    @property
    def n_features(self) -> int:
        """F; a machine without a network does not care, and says 0."""
        return 0 if self.network is None else self.network[1].in_features // self.config.factors  # type: ignore[operator,return-value]

    def forward(self, code_BNF: Tensor) -> Tensor:
        """Return the logit of every candidate: (B, N, F) int64 -> (B, N)."""
        part_BNFK = self.vector(code_BNF)
        pairs_BN = (part_BNFK.sum(dim=2).square().sum(dim=2) - part_BNFK.square().sum(dim=(2, 3))) / 2
        # What each feature begins at is the same for all candidates of a question, so the steps may run through all features.
        bias_T1 = self.step.weight.cumsum(0)
        logit_BN: Tensor = functional.embedding(code_BNF, bias_T1).sum(dim=(2, 3)) + pairs_BN
        if self.network is not None:
            logit_BN = logit_BN + self.network(part_BNFK.flatten(2)).squeeze(2)
        return logit_BN

    def loss(self, code_BNF: Tensor, right_BN: Tensor, there_BN: Tensor) -> Tensor:
        """Return the mean cross-entropy of the right candidates among all of a question.

        Args:
            code_BNF: codes of the features.
            right_BN: bool, the right answers; at least one a question.
            there_BN: bool, False where a question has fewer candidates.
        """
        logit_BN = self(code_BNF).float().masked_fill(~there_BN, -torch.inf)
        share_BN = right_BN / right_BN.sum(dim=1, keepdim=True)
        log_BN = functional.log_softmax(logit_BN, dim=1).masked_fill(~there_BN, 0)
        return -(share_BN * log_BN).sum(dim=1).mean()

    @torch.inference_mode()
    def score_codes(self, code_BNF: NDArray[np.int32]) -> NDArray[np.float32]:
        """Score candidates by their codes: (B, N, F) -> (B, N)."""
        was_training, device = self.training, self.step.weight.device
        if was_training:  # walking through the layers costs as much as a small question
            self.eval()
        score_BN = np.empty(code_BNF.shape[:2], np.float32)
        block = max(1, _BLOCK_CELLS // max(int(np.prod(code_BNF.shape[1:])) * self.config.factors, 1))
        for start in range(0, len(code_BNF), block):
            code = torch.tensor(code_BNF[start : start + block], dtype=torch.int64, device=device)
            score_BN[start : start + block] = self(code).float().cpu().numpy()
        if was_training:
            self.train()
        return score_BN
