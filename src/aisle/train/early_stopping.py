"""When to stop, and which epoch was best."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class EarlyStopping:
    """The best validation value so far.

    Attributes:
        patience: epochs without improvement before stopping; 0 never stops.
        best_epoch: 1-based, 0 before the first value.
        best_value: higher is better; NaN never is.
        last_epoch: the latest epoch that was seen.

    Example:
        >>> stopping = EarlyStopping(patience=1)
        >>> [stopping.improves(1, 0.5), stopping.improves(2, 0.4), stopping.stop]
        [True, False, True]
    """

    patience: int
    best_epoch: int = 0
    best_value: float = -float("inf")
    last_epoch: int = 0

    def improves(self, epoch: int, value: float) -> bool:
        """Note an epoch's value; say whether it is the best. An equal value is not better: the earlier epoch stays."""
        self.last_epoch = epoch
        if not value > self.best_value:
            return False
        self.best_epoch, self.best_value = epoch, value
        return True

    @property
    def stop(self) -> bool:
        """Whether patience has run out."""
        return 0 < self.patience <= self.last_epoch - self.best_epoch
