"""What the loop tells those who watch it, and the one thing it asks them: how good is this model?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from aisle.recommend.scorer import Scorer


@dataclass(frozen=True)
class Progress:
    """Where training is, about five times a second.

    Attributes:
        phase: "choose" while epochs are chosen on validation, "refit" in the second training.
        epoch: 1-based.
        epochs: the most there will be.
        step: 1-based, within the epoch.
        steps: in an epoch.
        loss: mean over the epoch so far.
        samples_per_s: positive events a second, this epoch.
        eta_s: seconds until the last epoch ends, validation included; early stopping may end sooner.
    """

    phase: str
    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    samples_per_s: float
    eta_s: float


@dataclass(frozen=True)
class EpochRecord:
    """One finished epoch.

    Attributes:
        phase: as in `Progress`.
        epoch: 1-based.
        loss: mean over the epoch's steps, weighted by their events.
        validation: the metric that early stopping looks at, None where there is no validation.
        best: whether this was the best epoch so far.
        samples_per_s: positive events a second, without validation.
        seconds: the whole epoch, validation included.
    """

    phase: str
    epoch: int
    loss: float
    validation: float | None
    best: bool
    samples_per_s: float
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """Return the record for a line of JSON."""
        return asdict(self)


def _ignore(_: object) -> None:
    return None


@dataclass(frozen=True)
class Watch:
    """Who watches.

    Attributes:
        validate: returns a metric of the model as it is, higher is better; None trains for all epochs.
        on_epoch: called after an epoch's checkpoint is on disk.
        on_progress: called about five times a second and at the end of an epoch.
    """

    validate: Callable[[Scorer], float] | None = None
    on_epoch: Callable[[EpochRecord], object] = _ignore
    on_progress: Callable[[Progress], object] = _ignore
