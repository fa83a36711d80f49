"""SASRec: self-attention over the latest events of a history."""

# B shoppers   L events of a history   D width   H heads   W width of a head

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from aisle.errors import AisleError
from aisle.models.next_item import NextItemConfig


@dataclass(frozen=True)
class SASRecConfig(NextItemConfig):
    """Which network.

    Attributes:
        blocks: pairs of self-attention and feed-forward layers.
        heads: of the attention; they share the width.
        feed_forward: width of the hidden feed-forward layer as a multiple of `width`.
    """

    blocks: int = 2
    heads: int = 2
    feed_forward: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        check_blocks(self.width, self.blocks, self.heads, self.feed_forward)

    def encoder(self) -> nn.Module:
        """Return the untrained network."""
        return SASRecEncoder(self.width, self.length, (Block(self) for _ in range(self.blocks)))


def check_blocks(width: int, blocks: int, heads: int, feed_forward: int) -> None:
    """Refuse sizes that make no transformer.

    Raises:
        AisleError: E361.
    """
    if min(blocks, heads, feed_forward) < 1 or width % max(heads, 1):
        raise AisleError(
            f"a transformer needs blocks, heads and feed_forward of at least 1 and a width that the heads can share; seen blocks "
            f"{blocks}, heads {heads}, feed_forward {feed_forward}, width {width}",
            hint="start from blocks=2, heads=2, feed_forward=1, width=64",
            code="E361",
        )


class Attention(nn.Module):
    """Causal self-attention: a step looks at itself and those before it."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.query_key_value = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x_BLD: Tensor) -> Tensor:
        """Return what each step found: (B, L, D) -> (B, L, D)."""
        parts = self.query_key_value(x_BLD).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        dropout = self.dropout if self.training else 0.0
        found_BHLW = functional.scaled_dot_product_attention(parts[0], parts[1], parts[2], dropout_p=dropout, is_causal=True)
        out_BLD: Tensor = self.out(found_BHLW.transpose(1, 2).flatten(2))
        return out_BLD


class Block(nn.Module):
    """Attention, then a feed-forward layer at each step, both around a residual path."""

    def __init__(self, config: SASRecConfig) -> None:
        super().__init__()
        width, inner = config.width, config.width * config.feed_forward
        self.norm_attention, self.norm_feed = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, config.heads, config.dropout)
        self.feed = nn.Sequential(nn.Linear(width, inner), nn.GELU(), nn.Linear(inner, width))
        self.dropout = config.dropout

    def forward(self, x_BLD: Tensor) -> Tensor:
        """Return the steps with what they learned from those before them: (B, L, D) -> (B, L, D)."""
        x_BLD = x_BLD + functional.dropout(self.attention(self.norm_attention(x_BLD)), self.dropout, self.training)
        return x_BLD + functional.dropout(self.feed(self.norm_feed(x_BLD)), self.dropout, self.training)


class SASRecEncoder(nn.Module):
    """Learned places, blocks of attention, a last norm.

    Source: Kang and McAuley (2018), Self-Attentive Sequential Recommendation. We depart: the norm stands before each layer on
    the attention's keys and values too, GELU instead of ReLU, places are counted from the oldest event that is read.
    """

    def __init__(self, width: int, length: int, blocks: Iterable[nn.Module]) -> None:
        super().__init__()
        self.place = nn.Embedding(length, width)
        self.blocks = nn.ModuleList(blocks)
        self.norm = nn.LayerNorm(width)

    def forward(self, x_BLD: Tensor) -> Tensor:
        """Return the state after each step: (B, L, D) -> (B, L, D)."""
        x_BLD = x_BLD + self.place(torch.arange(x_BLD.shape[1], device=x_BLD.device))
        for block in self.blocks:
            x_BLD = block(x_BLD)
        state_BLD: Tensor = self.norm(x_BLD)
        return state_BLD
