"""LiGR: SASRec with learned gates on the residual path and a gated feed-forward layer; our strongest sequence model."""

# B shoppers   L events of a history   D width

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from aisle.models.next_item import NextItemConfig
from aisle.models.sasrec import Attention, SASRecEncoder, check_blocks


@dataclass(frozen=True)
class LiGRConfig(NextItemConfig):
    """Which network.

    Attributes:
        blocks: pairs of self-attention and gated feed-forward layers.
        heads: of the attention; they share the width.
        feed_forward: width of the hidden feed-forward layer as a multiple of `width`.
    """

    blocks: int = 2
    heads: int = 2
    feed_forward: int = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        check_blocks(self.width, self.blocks, self.heads, self.feed_forward)

    def encoder(self) -> nn.Module:
        """Return the untrained network."""
        return SASRecEncoder(self.width, self.length, (GatedBlock(self) for _ in range(self.blocks)))


class SwiGLU(nn.Module):
    """A feed-forward layer whose hidden units are gated."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.gate_and_value = nn.Linear(width, 2 * inner)
        self.out = nn.Linear(inner, width)

    def forward(self, x_BLD: Tensor) -> Tensor:
        """Transform each step by itself: (B, L, D) -> (B, L, D)."""
        gate, value = self.gate_and_value(x_BLD).chunk(2, dim=-1)
        out_BLD: Tensor = self.out(functional.silu(gate) * value)
        return out_BLD


class GatedBlock(nn.Module):
    """Attention, then a gated feed-forward layer; how much of each is let through, the input decides.

    Source: Borisyuk et al. (2025), From Features to Transformers: Redefining Ranking for Scalable Impact (LiGR), as eSASRec
    (Tikhonovich et al., 2025) puts it to use for the next item.
    """

    def __init__(self, config: LiGRConfig) -> None:
        super().__init__()
        width = config.width
        self.norm_attention, self.norm_feed = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, config.heads, config.dropout)
        self.feed = SwiGLU(width, width * config.feed_forward)
        self.gate_attention, self.gate_feed = nn.Linear(width, width), nn.Linear(width, width)
        self.dropout = config.dropout

    def forward(self, x_BLD: Tensor) -> Tensor:
        """Return the steps with what they learned from those before them: (B, L, D) -> (B, L, D)."""
        found_BLD = self.attention(self.norm_attention(x_BLD)) * torch.sigmoid(self.gate_attention(x_BLD))
        x_BLD = x_BLD + functional.dropout(found_BLD, self.dropout, self.training)
        made_BLD = self.feed(self.norm_feed(x_BLD)) * torch.sigmoid(self.gate_feed(x_BLD))
        return x_BLD + functional.dropout(made_BLD, self.dropout, self.training)
