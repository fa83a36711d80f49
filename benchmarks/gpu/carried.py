"""A split as plain .npy files under 60 MB: what a bare machine with torch and NumPy alone needs to train and measure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aisle.dataset.cases import Cases, Split
from aisle.errors import AisleError
from aisle.features.histories import Histories

ABOUT_NAME = "about.json"
_HISTORY: dict[str, type[np.integer]] = {"offsets": np.int64, "item": np.int32, "event": np.uint8, "time": np.int64}
_CASES: dict[str, type[np.integer]] = {"user": np.int32, "target_offsets": np.int64, "target_item": np.int32}


@dataclass(frozen=True)
class Carried:
    """What is in the folder.

    Attributes:
        about: the dataset's name and content hash, the number of items, the split in words.
        train: one history a user.
        validation, test: the questions.
    """

    about: dict[str, Any]
    train: Histories
    validation: Cases
    test: Cases

    @property
    def n_items(self) -> int:
        """Size of the catalogue."""
        return int(self.about["n_items"])


def write_carried(split: Split, about: dict[str, Any], folder: Path) -> int:
    """Write a split; return the bytes of all files.

    Args:
        split: of a log without context, asked in full ranking.
        about: goes into `about.json`.
        folder: made when missing.
    """
    for cases in (split.validation, split.test):
        if any(part is not None for part in (cases.negatives, cases.seen, cases.rating, cases.known.context)):
            raise AisleError(
                "only cases without negatives, ratings, context and seen items of their own can be carried",
                hint="carry the leave-one-out split of a log without context",
                code="E701",
            )
    folder.mkdir(parents=True, exist_ok=True)
    parts = {"train": split.train, "validation": split.validation.known, "test": split.test.known}
    for name, histories in parts.items():
        for field in _HISTORY:
            _write(folder / f"{name}.{field}.npy", getattr(histories, field))
    for name, cases in {"validation": split.validation, "test": split.test}.items():
        for field in _CASES:
            _write(folder / f"{name}.{field}.npy", getattr(cases, field))
    (folder / ABOUT_NAME).write_text(json.dumps({**about, "split": split.description}, indent=1) + "\n")
    return sum(file.stat().st_size for file in folder.iterdir())


def read_carried(folder: Path) -> Carried:
    """Read what `write_carried` wrote."""
    try:
        about = json.loads((folder / ABOUT_NAME).read_text())
        histories = {name: _histories(folder, name) for name in ("train", "validation", "test")}
        validation, test = (_cases(folder, name, histories[name]) for name in ("validation", "test"))
    except (OSError, ValueError) as error:
        raise AisleError(
            f"no carried data set can be read at {folder}: {error}",
            hint="make one with `python -m benchmarks.gpu.export --out FOLDER`",
            code="E203",
        ) from error
    return Carried(about, histories["train"], validation, test)


def _histories(folder: Path, name: str) -> Histories:
    return Histories(*(_read(folder / f"{name}.{field}.npy", dtype) for field, dtype in _HISTORY.items()))


def _cases(folder: Path, name: str, known: Histories) -> Cases:
    user, offsets, item = (_read(folder / f"{name}.{field}.npy", dtype) for field, dtype in _CASES.items())
    return Cases(user, known, offsets, item)


def _write(path: Path, array: NDArray[Any]) -> None:
    """Write an array in the narrowest type of whole numbers that holds it: a log of a million events takes 20 MB, not 70."""
    low, high = int(array.min(initial=0)), int(array.max(initial=0))
    np.save(path, array.astype(np.promote_types(np.min_scalar_type(low), np.min_scalar_type(high))), allow_pickle=False)


def _read(path: Path, dtype: type[np.integer]) -> NDArray[Any]:
    narrow: NDArray[np.integer] = np.load(path, allow_pickle=False)
    return narrow.astype(dtype)
