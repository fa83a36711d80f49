"""How a model is trained: everything that the loop can be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from aisle.errors import AisleError

_CHOICES = {
    "optimiser": ("adam", "adamw", "sgd"),
    "device": ("auto", "cpu", "cuda"),
    "precision": ("float32", "bfloat16", "float16"),
}


@dataclass(frozen=True)
class TrainConfig:
    """How to train.

    Attributes:
        epochs: the most passes over the training events; early stopping may end sooner.
        batch_size: positive events a step, each with its negatives.
        learning_rate: step size of the optimiser.
        weight_decay: L2 on all weights, as the optimiser understands it.
        negatives: items drawn for each positive event among those that the shopper has no training event with.
        optimiser: "adam", "adamw" or "sgd".
        average_epochs: validate and keep an exponential average of the weights that reaches back about so many epochs; 0
            takes the weights of the last step.
        gradient_clip: largest norm of the gradient of a step; 0 does not clip.
        patience: epochs without a better validation metric before training stops; 0 never stops early.
        refit: when the epochs are chosen, train once more from scratch on training and validation events together.
        seed: fixes the weights, the order, the negatives and the dropout.
        device: "auto" takes the GPU when there is one.
        precision: "float32", or mixed precision with "bfloat16" or "float16" (float16: GPU only). Weights stay
            float32.
        threads: CPU threads; 0 leaves the number to torch. A small model is about as fast with one, gives the same bits on
            any number of cores, and is not slowed down tenfold when other work holds a core that torch waits for.
    """

    epochs: int = 30
    batch_size: int = 2048
    learning_rate: float = 0.002
    weight_decay: float = 0.0
    negatives: int = 4
    optimiser: Literal["adam", "adamw", "sgd"] = "adam"
    average_epochs: float = 0.0
    gradient_clip: float = 0.0
    patience: int = 3
    refit: bool = True
    seed: int = 1
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    threads: int = 1

    def __post_init__(self) -> None:
        for key, known in _CHOICES.items():
            if getattr(self, key) not in known:
                seen = getattr(self, key)
                raise AisleError(f"train.{key} is {seen!r}", hint=f"use one of {', '.join(known)}", code="E501")
        for key, least in {"epochs": 1, "batch_size": 1, "negatives": 1, "patience": 0, "threads": 0, "seed": 0}.items():
            if getattr(self, key) < least:
                raise AisleError(f"train.{key} is {getattr(self, key)}", hint=f"set it to {least} or more", code="E501")
        if not self.learning_rate > 0:
            raise AisleError(f"train.learning_rate is {self.learning_rate}", hint="set it above 0, such as 0.002", code="E501")
        for key in ("weight_decay", "average_epochs", "gradient_clip"):
            if not getattr(self, key) >= 0:
                raise AisleError(f"train.{key} is {getattr(self, key)}", hint="set it to 0 or more", code="E501")
