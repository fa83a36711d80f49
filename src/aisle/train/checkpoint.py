"""A checkpoint an epoch: weights and optimiser as safetensors, the rest as JSON in its header, one file, atomic."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from aisle.errors import AisleError
from aisle.storage.atomic import remove, write_atomic
from aisle.train.epoch_state import Checkpoint, check_identity

_HEADER = "aisle"
_MODEL, _OPTIMISER, _AVERAGE = "model/", "optimiser/", "average/"


@dataclass(frozen=True)
class Checkpoints:
    """Where the checkpoints of a run lie.

    Attributes:
        folder: made when missing. Holds `choose/` and `refit/`, each with `last.safetensors`, and `best.safetensors`
            where there is validation.
        identity: what a resumed run must share with the one it goes on from, such as the dataset's content hash.
        resume: go on from what is there (or start, when nothing is). When false, what is there is removed.
    """

    folder: Path
    identity: Mapping[str, str] = field(default_factory=dict)
    resume: bool = False

    def phase(self, name: str, settings: Mapping[str, str]) -> Checkpoints:
        """Return the same for one phase, with more in its identity."""
        return Checkpoints(self.folder / name, {**self.identity, **settings}, self.resume)

    def clear(self) -> None:
        """Remove every checkpoint."""
        remove(self.folder)

    def sweep(self) -> None:
        """Remove what a killed run left half-written."""
        for partial in self.folder.glob(".*.partial"):
            remove(partial)

    def save(self, name: str, checkpoint: Checkpoint) -> None:
        """Write a checkpoint: a reader sees the old file or the new one.

        Raises:
            AisleError: E601 when the disk is full or the place cannot be written.
        """
        tensors = {_MODEL + key: tensor for key, tensor in checkpoint.model.items()}
        tensors |= {_AVERAGE + key: tensor for key, tensor in checkpoint.average.items()}
        for number, state in checkpoint.optimiser.items():
            tensors |= {f"{_OPTIMISER}{number}/{key}": tensor for key, tensor in state.items()}
        header = {"epoch": checkpoint.epoch, "identity": dict(self.identity), "facts": dict(checkpoint.facts)}
        self.folder.mkdir(parents=True, exist_ok=True)
        plain = {key: tensor.detach().cpu().contiguous() for key, tensor in tensors.items()}
        write_atomic(self._path(name), save(plain, {_HEADER: json.dumps(header)}))

    def load(self, name: str) -> Checkpoint | None:
        """Read a checkpoint; None when there is none.

        Raises:
            AisleError: E505 when the file is damaged, E506 when it belongs to another run.
        """
        path = self._path(name)
        if not path.exists():
            return None
        try:
            with safe_open(path, framework="pt") as file:
                header = json.loads(file.metadata()[_HEADER])
                tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (a file, not a dict)
        except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
            raise AisleError(
                f"checkpoint {path} is damaged: {error}", hint="train again without --resume", code="E505"
            ) from error
        check_identity(path, header["identity"], self.identity)
        model, average = _below(_MODEL, tensors), _below(_AVERAGE, tensors)
        return Checkpoint(header["epoch"], model, _optimiser_state(tensors), average, header["facts"])

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.safetensors"


def _optimiser_state(tensors: Mapping[str, Tensor]) -> dict[int, dict[str, Tensor]]:
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in _below(_OPTIMISER, tensors).items():
        number, name = key.split("/")
        state.setdefault(int(number), {})[name] = tensor
    return state


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): tensor for key, tensor in tensors.items() if key.startswith(prefix)}
