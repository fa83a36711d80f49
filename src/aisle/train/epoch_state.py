"""What the next epoch depends on, and what the loop asks of a place that keeps it. torch only: no file format is chosen here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from aisle.errors import AisleError


@dataclass(frozen=True)
class Checkpoint:
    """Everything that the next epoch depends on.

    Attributes:
        epoch: the last finished one, 1-based.
        model: the module's tensors by name.
        optimiser: parameter number -> its tensors by name.
        average: averaged weights by name; none where nothing is averaged.
        facts: JSON values: records, best epoch and value, loss scale.
    """

    epoch: int
    model: Mapping[str, Tensor]
    optimiser: Mapping[int, Mapping[str, Tensor]] = field(default_factory=dict)
    average: Mapping[str, Tensor] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)


class CheckpointStore(Protocol):
    """A place for checkpoints: `train.checkpoint.Checkpoints`, or another file format."""

    @property
    def folder(self) -> Path:
        """Where they lie, for messages."""

    @property
    def resume(self) -> bool:
        """Whether to go on from what is there."""

    def phase(self, name: str, settings: Mapping[str, str]) -> CheckpointStore:
        """Return the place of one phase; `settings` are more that a resumed run must share with the one it goes on from."""

    def clear(self) -> None:
        """Remove every checkpoint."""

    def sweep(self) -> None:
        """Remove what a killed run left half-written."""

    def save(self, name: str, checkpoint: Checkpoint) -> None:
        """Keep a checkpoint under a name, in place of the one before, all of it or nothing."""

    def load(self, name: str) -> Checkpoint | None:
        """Return a checkpoint; None when there is none."""


def check_identity(place: Path, seen: Mapping[str, str], wanted: Mapping[str, str]) -> None:
    """Refuse to go on with something else than what was begun.

    Args:
        place: the checkpoint or run, for the message.
        seen: what it was begun with, setting by setting.
        wanted: what is asked for now.

    Raises:
        AisleError: E506 when they differ.
    """
    for key in sorted({*seen, *wanted}):
        if seen.get(key) != wanted.get(key):
            raise AisleError(
                f"cannot resume from {place}: {key} was {seen.get(key)} there and is {wanted.get(key)} now",
                hint=f"put {key} back, or train again without --resume",
                code="E506",
            )


def load_optimiser(optimiser: torch.optim.Optimizer, state: Mapping[int, Mapping[str, Tensor]]) -> None:
    """Put saved state into a new optimiser that was made with the same settings."""
    groups = optimiser.state_dict()["param_groups"]
    optimiser.load_state_dict({"state": {number: dict(tensors) for number, tensors in state.items()}, "param_groups": groups})
