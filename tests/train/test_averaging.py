from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from aisle.train.averaging import WeightAverage
from aisle.train.watch import Watch
from tests.train.worlds import CONFIG, mean_score, run, same_bits, small_part, weights


class One(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([0.0]))

    def become(self, value: float) -> None:
        with torch.no_grad():
            self.weight.fill_(value)


def test_the_average_moves_by_one_share_of_the_window() -> None:
    one = One()
    average = WeightAverage(one, window_steps=4)
    one.become(8)
    average.update(step=1000)
    assert average.average["weight"].item() == pytest.approx(8 / 4)
    average.update(step=1001)
    assert average.average["weight"].item() == pytest.approx(2 + (8 - 2) / 4)


def test_a_young_average_forgets_its_start() -> None:
    one = One()
    average = WeightAverage(one, window_steps=10**6)
    one.become(8)
    average.update(step=1)  # 10 / (1 + 10) of the way
    assert average.average["weight"].item() == pytest.approx(8 * 10 / 11)


def test_the_average_is_shown_for_a_while_only() -> None:
    one = One()
    average = WeightAverage(one, window_steps=2)
    one.become(8)
    average.update(step=1000)
    with average.shown():
        assert one.weight.item() == 4
    assert one.weight.item() == 8
    average.keep()
    assert one.weight.item() == 4


def test_no_window_no_average() -> None:
    one = One()
    average = WeightAverage(one, window_steps=0)
    one.become(8)
    average.update(step=1)
    with average.shown():
        assert one.weight.item() == 8
    assert average.average == {}


def test_averaging_changes_what_is_kept_but_not_how_training_goes() -> None:
    plain, averaged = run(config=replace(CONFIG, average_epochs=0)), run(config=CONFIG)
    assert [record.loss for record in plain.records] == [record.loss for record in averaged.records]
    assert not same_bits(plain.model, averaged.model)


def test_what_is_validated_is_what_is_kept() -> None:
    seen: list[bytes] = []

    def validate(model: object) -> float:
        assert isinstance(model, nn.Module)
        seen.append(weights(model)["out.weight"].tobytes())
        return float(len(seen))

    result = run(watch=Watch(validate), refit=small_part(2), config=replace(CONFIG, refit=False))
    assert weights(result.model)["out.weight"].tobytes() == seen[-1]
    assert run(watch=Watch(mean_score)).best_value is not None
