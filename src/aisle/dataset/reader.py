"""Open a prepared dataset: memory-mapped, NumPy only, checked against its manifest."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aisle.dataset import layout
from aisle.errors import AisleError
from aisle.features.histories import Histories
from aisle.features.vocabulary import Vocabulary
from aisle.schema.columns import ColumnKind
from aisle.schema.manifest import MANIFEST_NAME, Manifest, parse_manifest
from aisle.storage.arrays import read_array
from aisle.storage.strings import Strings


@dataclass(frozen=True)
class Feature:
    """One column of the catalogue, the users table or the events.

    Attributes:
        kind: how `values` is to be read, see `dataset.layout`.
        values: (N,) numbers or codes; for kind "categories" the codes of all rows one after another; None for text.
        vocabulary: what the codes mean, for kinds "category" and "categories".
        offsets: (N + 1,) int64, for kind "categories".
        texts: N texts, for kind "text".
    """

    kind: ColumnKind
    values: NDArray[Any] | None = None
    vocabulary: Vocabulary | None = None
    offsets: NDArray[np.int64] | None = None
    texts: Strings | None = None

    def value(self, row: int) -> str | float | int | None:
        """Return one row for people to read; None where it is missing."""
        if self.texts is not None:
            return self.texts[row] or None
        assert self.values is not None
        if self.offsets is not None and self.vocabulary is not None:
            codes = self.values[self.offsets[row] : self.offsets[row + 1]]
            return ", ".join(str(text) for text in self.vocabulary.decode(codes)) or None
        cell = self.values[row].item()
        if self.vocabulary is not None:
            return self.vocabulary[cell] if cell >= 0 else None
        return None if np.isnan(cell) or (self.kind == "integer" and cell < 0) else cell


class Dataset:
    """A prepared dataset folder.

    Args:
        folder: where `aisle prepare` wrote.
        verify: check the SHA-256 of every array once (about 1 s a gigabyte).

    Raises:
        AisleError: E200 no dataset there, E201 to E203 when it is newer, damaged or altered.

    Example:
        >>> dataset = Dataset(Path("data/shop"))  # doctest: +SKIP
        >>> dataset.histories.row(0)              # doctest: +SKIP
    """

    def __init__(self, folder: Path, *, verify: bool = True) -> None:
        self.folder = Path(folder)
        self.manifest = _read_manifest(self.folder)
        self._arrays = {
            name: read_array(self.folder / f"{name}.npy", info, verify=verify) for name, info in self.manifest.arrays.items()
        }
        _check_ranges(self)

    @property
    def n_users(self) -> int:
        """Users in the dataset; codes are 0..n_users - 1."""
        return self.manifest.users

    @property
    def n_items(self) -> int:
        """Items in the dataset, those of the catalogue without events included; codes are 0..n_items - 1."""
        return self.manifest.items

    def array(self, name: str) -> NDArray[Any]:
        """Return an array by its name in `dataset.layout`."""
        return self._arrays[name]

    @cached_property
    def users(self) -> Vocabulary:
        """Raw user ids <-> codes."""
        return self._vocabulary(layout.USER_ID)

    @cached_property
    def items(self) -> Vocabulary:
        """Raw item ids <-> codes."""
        return self._vocabulary(layout.ITEM_ID)

    @cached_property
    def histories(self) -> Histories:
        """Every event, user by user, oldest first."""
        return Histories(*(self._arrays[name] for name in (layout.OFFSETS, layout.ITEM, layout.EVENT, layout.TIME)))

    def only(self, keep_E: NDArray[np.bool_]) -> Dataset:
        """Return the same dataset with some of its events: (E,) bool; users, items and their tables stay."""
        part = copy.copy(self)
        part.__dict__.pop("histories", None)  # what was computed from all events
        columns = (layout.ITEM, layout.EVENT, layout.TIME, *map(layout.event_column, self.manifest.event_columns))
        kept = {name: np.asarray(self._arrays[name])[keep_E] for name in columns if name in self._arrays}
        part._arrays = {**self._arrays, **kept, layout.OFFSETS: self.histories.where(keep_E).offsets}
        return part

    def event_column(self, name: str) -> Feature:
        """Return an optional or context column, one row an event."""
        return self._feature(layout.event_column(name), self.manifest.event_columns[name])

    def item_feature(self, name: str) -> Feature:
        """Return a catalogue column, one row an item."""
        return self._feature(layout.item_feature(name), self.manifest.item_features[name])

    def user_feature(self, name: str) -> Feature:
        """Return a users-table column, one row a user."""
        return self._feature(layout.user_feature(name), self.manifest.user_features[name])

    def _vocabulary(self, name: str) -> Vocabulary:
        return Vocabulary(self._arrays[name]) if name in self._arrays else Vocabulary(self._strings(name))

    def _strings(self, name: str) -> Strings:
        return Strings(self._arrays[f"{name}.offsets"], self._arrays[f"{name}.data"])

    def _feature(self, name: str, kind: ColumnKind) -> Feature:
        if kind == "text":
            return Feature(kind, texts=self._strings(name))
        vocabulary = Vocabulary(self._strings(f"{name}.vocabulary")) if kind in ("category", "categories") else None
        if kind == "categories":
            return Feature(kind, self._arrays[f"{name}.codes"], vocabulary, self._arrays[f"{name}.offsets"])
        return Feature(kind, self._arrays[name], vocabulary)


def _read_manifest(folder: Path) -> Manifest:
    path = folder / MANIFEST_NAME
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise AisleError(
            f"no prepared dataset at {folder}: {path.name} cannot be read ({error})",
            hint="make one with `aisle prepare LOGS --out DATASET`",
            code="E200",
        ) from error
    return parse_manifest(text, str(path))


def _check_ranges(dataset: Dataset) -> None:
    """Refuse arrays that would make a reader index out of bounds; cheap enough to do on every open."""
    histories = dataset.histories
    sound = (
        len(histories) == dataset.n_users
        and len(dataset.users) == dataset.n_users
        and len(dataset.items) == dataset.n_items
        and int(histories.offsets[0]) == 0
        and int(histories.offsets[-1]) == len(histories.item) == len(histories.event) == len(histories.time)
    )
    if not sound:
        raise AisleError(f"the arrays of {dataset.folder} do not fit together", hint="run `aisle prepare` again", code="E203")
