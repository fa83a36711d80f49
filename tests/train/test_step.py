from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from aisle.errors import AisleError
from aisle.train.config import TrainConfig
from aisle.train.step import Stepper, make_optimiser

CPU = torch.device("cpu")


class Line(nn.Module):
    """A weight whose loss, and gradient, is weight * x."""

    def __init__(self, start: float = 2.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([start]))

    def loss(self, x: Tensor) -> Tensor:
        return (self.weight * x).sum()


class Cliff(Line):
    """A finite loss with an infinite gradient: the square root at 0."""

    def loss(self, x: Tensor) -> Tensor:
        return (self.weight - 2).abs().sqrt().sum()


def _stepper(module: nn.Module, **settings: object) -> Stepper:
    config = TrainConfig(**{"optimiser": "sgd", "learning_rate": 0.1, **settings})  # type: ignore[arg-type]
    return Stepper(module, config, CPU)


def test_a_step_goes_down_the_gradient() -> None:
    line = Line()
    assert _stepper(line).take([torch.tensor([3.0])], "epoch 1, step 1") == 6.0
    assert line.weight.item() == pytest.approx(2 - 0.1 * 3)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_a_loss_that_is_not_finite_stops_before_it_is_stored(bad: float) -> None:
    line = Line()
    with pytest.raises(AisleError, match="E507") as error:
        _stepper(line).take([torch.tensor([bad])], "epoch 4, step 9 of 12")
    assert line.weight.item() == 2.0
    for words in (f"loss is {bad}", "epoch 4, step 9 of 12", "learning rate 0.1", "learning_rate = 0.01"):
        assert words in str(error.value)


def test_a_gradient_that_is_not_finite_stops_before_it_is_stored() -> None:
    cliff = Cliff()
    with pytest.raises(AisleError, match="norm of the gradient"):
        _stepper(cliff).take([torch.tensor([1.0])], "epoch 1, step 1")
    assert cliff.weight.item() == 2.0


def test_weights_that_overflow_are_noticed() -> None:
    line = Line(3e38)
    stepper = _stepper(line, learning_rate=1e38)
    stepper.take([torch.tensor([-1.1])], "epoch 1, step 1")
    with pytest.raises(AisleError, match="largest weight is inf at end of epoch 1"):
        stepper.check_weights("end of epoch 1")


def test_a_clipped_gradient_has_the_norm_asked_for() -> None:
    line = Line()
    _stepper(line, gradient_clip=0.5).take([torch.tensor([3.0])], "epoch 1, step 1")
    assert line.weight.item() == pytest.approx(2 - 0.1 * 0.5, abs=1e-6)


@pytest.mark.parametrize(("name", "kind"), [("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW), ("sgd", torch.optim.SGD)])
def test_the_optimiser_is_the_one_that_was_named(name: str, kind: type[torch.optim.Optimizer]) -> None:
    config = TrainConfig(optimiser=name, learning_rate=0.3, weight_decay=0.2)  # type: ignore[arg-type]
    optimiser = make_optimiser(list(Line().parameters()), config)
    assert type(optimiser) is kind
    assert (optimiser.defaults["lr"], optimiser.defaults["weight_decay"]) == (0.3, 0.2)
