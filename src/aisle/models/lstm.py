"""LSTM over histories of any length: embedding, LSTM, the whole catalogue as output."""

# B shoppers   L events of a history   D width   H hidden

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional

from aisle.models.next_item import NextItemConfig


@dataclass(frozen=True)
class LSTMConfig(NextItemConfig):
    """Which network.

    Attributes:
        hidden: units of the LSTM, at least 1; 0 takes as many as `width`.
        layers: LSTMs one above the other.
    """

    hidden: int = 0
    layers: int = 1

    def encoder(self) -> nn.Module:
        """Return the untrained network."""
        return LSTMEncoder(self.width, self.hidden or self.width, self.layers, self.dropout)


class LSTMEncoder(nn.Module):
    """The state after each step. A step sees those before it alone, so padding on the right needs no packing.

    Source: Hidasi et al. (2016), Session-based Recommendations with Recurrent Neural Networks. We depart: an LSTM, trained on
    every position of a history with the loss over the whole catalogue.
    """

    def __init__(self, width: int, hidden: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.lstm = nn.LSTM(width, hidden, layers, batch_first=True, dropout=dropout if layers > 1 else 0.0)
        self.out = nn.Linear(hidden, width)
        self.dropout = dropout

    def forward(self, x_BLD: Tensor) -> Tensor:
        """Return the state after each step: (B, L, D) -> (B, L, D)."""
        state_BLH, _ = self.lstm(x_BLD)
        state_BLD: Tensor = self.out(functional.dropout(state_BLH, self.dropout, self.training))
        return state_BLD
