"""Checkpoints as .npz files, for a machine where safetensors is not installed: NumPy arrays and JSON, no pickle."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from aisle.train.epoch_state import Checkpoint, check_identity

_HEADER = "header"


@dataclass(frozen=True)
class NumpyCheckpoints:
    """A `train.epoch_state.CheckpointStore` that needs NumPy alone; always goes on from what is there.

    Attributes:
        folder: made when missing.
        identity: what a resumed run must share with the one it goes on from.
    """

    folder: Path
    identity: Mapping[str, str] = field(default_factory=dict)
    resume: bool = True

    def phase(self, name: str, settings: Mapping[str, str]) -> NumpyCheckpoints:
        """Return the same for one phase, with more in its identity."""
        return NumpyCheckpoints(self.folder / name, {**self.identity, **settings}, self.resume)

    def clear(self) -> None:
        """Remove every checkpoint."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def sweep(self) -> None:
        """Remove what a killed run left half-written."""
        for partial in self.folder.glob(".*.partial.npz"):
            partial.unlink()

    def save(self, name: str, checkpoint: Checkpoint) -> None:
        """Write a checkpoint: a reader sees the old file or the new one."""
        arrays = {f"model/{key}": _array(tensor) for key, tensor in checkpoint.model.items()}
        arrays |= {f"average/{key}": _array(tensor) for key, tensor in checkpoint.average.items()}
        for number, state in checkpoint.optimiser.items():
            arrays |= {f"optimiser/{number}/{key}": _array(tensor) for key, tensor in state.items()}
        header = {"epoch": checkpoint.epoch, "identity": dict(self.identity), "facts": dict(checkpoint.facts)}
        arrays[_HEADER] = np.frombuffer(json.dumps(header).encode(), np.uint8)
        self.folder.mkdir(parents=True, exist_ok=True)
        partial = self.folder / f".{name}.partial.npz"
        np.savez(partial, **arrays)  # type: ignore[arg-type]
        os.replace(partial, self._path(name))

    def load(self, name: str) -> Checkpoint | None:
        """Read a checkpoint; None when there is none.

        Raises:
            AisleError: E506 when it belongs to another run.
        """
        if not self._path(name).exists():
            return None
        with np.load(self._path(name), allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
        header = json.loads(arrays.pop(_HEADER).tobytes())
        check_identity(self._path(name), header["identity"], self.identity)
        parts: dict[str, dict[str, Tensor]] = {"model": {}, "average": {}, "optimiser": {}}
        for key, array in arrays.items():
            part, _, rest = key.partition("/")
            parts[part][rest] = torch.from_numpy(array)
        optimiser: dict[int, dict[str, Tensor]] = {}
        for key, tensor in parts["optimiser"].items():
            number, _, rest = key.partition("/")
            optimiser.setdefault(int(number), {})[rest] = tensor
        return Checkpoint(header["epoch"], parts["model"], optimiser, parts["average"], header["facts"])

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.npz"


def _array(tensor: Tensor) -> np.ndarray[tuple[int, ...], np.dtype[np.generic]]:
    array: np.ndarray[tuple[int, ...], np.dtype[np.generic]] = tensor.detach().cpu().numpy()
    return array
