from __future__ import annotations

import pytest

from aisle.errors import AisleError
from aisle.train.config import TrainConfig


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"optimiser": "adan"}, "use one of adam, adamw, sgd"),
        ({"device": "gpu"}, "use one of auto, cpu, cuda"),
        ({"precision": "bf16"}, "bfloat16"),
        ({"epochs": 0}, "train.epochs is 0"),
        ({"batch_size": -1}, "1 or more"),
        ({"patience": -1}, "0 or more"),
        ({"learning_rate": float("nan")}, "train.learning_rate is nan"),
        ({"weight_decay": -0.1}, "train.weight_decay is -0.1"),
    ],
)
def test_wrong_settings_are_refused_with_a_hint(settings: dict[str, object], words: str) -> None:
    with pytest.raises(AisleError, match="E501") as error:
        TrainConfig(**settings)  # type: ignore[arg-type]
    assert words in str(error.value)
