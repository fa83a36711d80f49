"""Epoch records as TensorBoard events."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

from torch.utils.tensorboard import SummaryWriter

from aisle.train.watch import EpochRecord


class EpochBoard:
    """Write loss, validation metric and speed of each epoch where TensorBoard finds them."""

    def __init__(self, folder: Path) -> None:
        self._writer = SummaryWriter(str(folder))

    def write(self, record: EpochRecord) -> None:
        """Write one epoch."""
        scalars = {"loss": record.loss, "validation": record.validation, "samples_per_s": record.samples_per_s}
        for name, value in scalars.items():
            if value is not None:
                self._writer.add_scalar(f"{record.phase}/{name}", value, record.epoch)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._writer.close()
