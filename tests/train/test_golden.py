"""The golden loss curves: a refactor keeps them to the last digit shown, whatever it moves around.

They depend on the formulas, the order of the events, the negatives, the initial weights and the optimiser. Of the
machine they depend on rounding alone, dropout being off: one thread, two threads and torch without AVX agree within
1e-7 here, so 1e-5 leaves room for other CPUs and is still far below what a real change makes.
A changed curve is a changed result: say so in the changelog.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from aisle.features.histories import Histories
from aisle.models.fm import FM, FMConfig
from aisle.models.ncf import NCF, NCFConfig
from aisle.train.fit import pair_batches, train_model
from tests.train.worlds import CONFIG, ITEMS, small_part

BUILD: dict[str, Callable[[Histories], torch.nn.Module]] = {
    "NCF": lambda train: NCF.untrained(NCFConfig("neumf", 4, 4, (8, 4)), train, ITEMS, seed=7),
    "FM": lambda train: FM.untrained(FMConfig(4), train, ITEMS, seed=7),
}
GOLDEN: dict[str, list[float]] = {
    "NCF": [0.5771959, 0.5049815, 0.4817168, 0.4525952, 0.4081934],
    "FM": [0.6276542, 0.5283730, 0.4859283, 0.4670973, 0.4442354],
}


@pytest.mark.parametrize("name", GOLDEN)
def test_the_loss_curve_is_the_golden_one(name: str) -> None:
    # 180 events in batches of 15: twelve steps an epoch.
    result = train_model(BUILD[name], small_part(), None, replace(CONFIG, batch_size=15), batches=pair_batches)
    assert [record.loss for record in result.records] == pytest.approx(GOLDEN[name], abs=1e-5)
