"""The average of the weights over the latest steps: what is validated and kept, while training goes on with its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

_WARM_UP_STEPS = 10  # the average is young for about ten times its age: early weights change too fast to be averaged long


class WeightAverage:
    """An exponential average of a module's parameters.

    A step of Adam jumps around the minimum by about its learning rate; the average lies closer to it.

    Args:
        module: whose parameters are averaged.
        window_steps: the average reaches back about so many steps; 0 keeps no average and shows the weights as they are.

    Source: Polyak and Juditsky (1992), with an exponential window instead of a plain mean.
    """

    def __init__(self, module: nn.Module, window_steps: float) -> None:
        self.window_steps = window_steps
        self.parameters = dict(module.named_parameters()) if window_steps else {}
        self.average = {name: parameter.detach().clone() for name, parameter in self.parameters.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after a step; steps are counted from 1 over all epochs."""
        if self.average:
            share = max(1 / max(self.window_steps, 1), _WARM_UP_STEPS / (step + _WARM_UP_STEPS))
            torch._foreach_lerp_(list(self.average.values()), list(self.parameters.values()), share)

    @torch.no_grad()
    def load(self, saved: Mapping[str, Tensor]) -> None:
        """Go on from a saved average."""
        for name, average in self.average.items():
            average.copy_(saved[name])

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Put the average into the module for a while, then its own weights back, bit for bit."""
        own = {name: parameter.detach().clone() for name, parameter in self.parameters.items()}
        self.keep()
        try:
            yield
        finally:
            self._put(own)

    def keep(self) -> None:
        """Put the average into the module for good."""
        self._put(self.average)

    @torch.no_grad()
    def _put(self, weights: Mapping[str, Tensor]) -> None:
        for name, weight in weights.items():
            self.parameters[name].copy_(weight)
