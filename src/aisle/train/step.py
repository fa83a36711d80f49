"""One step: forward, backward, look, and only then let the optimiser store it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from aisle.errors import AisleError
from aisle.train.config import TrainConfig

_AUTOCAST = {"bfloat16": torch.bfloat16, "float16": torch.float16}


class Stepper:
    """Takes steps with one module and one optimiser.

    Args:
        module: has `loss(*batch)`.
        config: how to train.
        device: where the module is.
    """

    def __init__(self, module: torch.nn.Module, config: TrainConfig, device: torch.device) -> None:
        self.module, self.config, self.device = module, config, device
        self.parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
        self.optimiser = make_optimiser(self.parameters, config)
        # float16 gradients underflow without a scale; a scale of 1 is used otherwise.
        self.scaler = torch.amp.GradScaler(device.type, enabled=config.precision == "float16")

    def take(self, batch: Sequence[Tensor], where: str) -> float:
        """Take one step and return its loss.

        Args:
            batch: what the module's `loss` takes.
            where: epoch and step, for messages.

        Raises:
            AisleError: E507 when the loss or the gradient is not finite; the weights are then those of the step before.
        """
        self.optimiser.zero_grad(set_to_none=True)
        dtype = _AUTOCAST.get(self.config.precision)
        with torch.autocast(self.device.type, dtype=dtype, enabled=dtype is not None):
            loss = self._loss(batch)
        torch.autograd.backward(self.scaler.scale(loss))
        if self.scaler.is_enabled():
            self.scaler.unscale_(self.optimiser)
        norm = torch.nn.utils.get_total_norm([p.grad for p in self.parameters if p.grad is not None])
        # One host sync a step: the price of stopping before a NaN is stored.
        loss_value, norm_value = torch.stack([loss.detach().float(), norm.float()]).tolist()
        # With a loss scale an infinite gradient is part of the game: the scaler skips that step and halves the scale.
        self._check(loss_value, "loss", where)
        if not self.scaler.is_enabled():
            self._check(norm_value, "norm of the gradient", where)
        if self.config.gradient_clip:
            torch.nn.utils.clip_grads_with_norm_(self.parameters, self.config.gradient_clip, norm)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        return float(loss_value)

    def check_weights(self, where: str) -> None:
        """Refuse weights that are not finite: a last step can overflow with a finite gradient.

        Raises:
            AisleError: E507.
        """
        largest = torch.stack([parameter.detach().abs().max() for parameter in self.parameters if parameter.numel()]).max()
        self._check(float(largest), "largest weight", where)

    def _loss(self, batch: Sequence[Tensor]) -> Tensor:
        module: Any = self.module
        loss: Tensor = module.loss(*batch)
        return loss

    def _check(self, value: float, what: str, where: str) -> None:
        if math.isfinite(value):
            return
        raise AisleError(
            f"the {what} is {value} at {where}, learning rate {self.config.learning_rate}; training stopped before that step "
            "was stored",
            hint=f"try learning_rate = {self.config.learning_rate / 10:g}, gradient_clip = 1, or precision = float32; "
            "the last checkpoint holds good weights",
            code="E507",
        )


def make_optimiser(parameters: Sequence[Tensor], config: TrainConfig) -> torch.optim.Optimizer:
    """Make the optimiser that a config names; its fused form does all parameters in one pass."""
    rate, decay = config.learning_rate, config.weight_decay
    if config.optimiser == "sgd":
        return torch.optim.SGD(parameters, lr=rate, weight_decay=decay, fused=True)
    kind = torch.optim.Adam if config.optimiser == "adam" else torch.optim.AdamW
    return kind(parameters, lr=rate, weight_decay=decay, fused=True)
