"""Texts -> codes while a log streams by, and the sorted vocabulary that the codes mean in the end."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from aisle.logs.values import whole_ids
from aisle.schema.manifest import ArrayInfo
from aisle.storage.arrays import ArrayWriter, write_array

_PACK_ROWS = 1_000_000


class Dictionary:
    """Every distinct text so far, numbered by first appearance.

    Polars' categories do the work: a hash map that grows while batches pass, in the memory of the distinct texts alone.
    """

    def __init__(self) -> None:
        self._categories = pl.Categories.random()
        self._type = pl.Categorical(self._categories)
        # Categories live as long as something uses them.
        self._anchor = pl.Series([], dtype=self._type)

    def encode(self, texts: pl.Series) -> NDArray[np.int32]:
        """Number texts: (N,) -> (N,) int32, -1 where null."""
        codes = texts.cast(self._type).to_physical()
        if codes.null_count():
            return codes.cast(pl.Int32).fill_null(-1).to_numpy()
        return codes.to_numpy().view(np.int32)

    def texts(self) -> pl.Series:
        """Return the distinct texts by number."""
        return self._categories.to_series()


class Ids(Dictionary):
    """The ids of users or items: a dictionary that also knows whether they are numbers."""

    def __init__(self) -> None:
        super().__init__()
        self._text_by_type = False

    def note_type(self, numbers: bool | None) -> None:
        """Remember what a typed file says its ids are; None = the file does not say, the texts decide."""
        self._text_by_type |= numbers is False

    def finish(self) -> FinalIds:
        """Sort the ids; numbers by value if all are whole numbers and no typed file holds them as text."""
        texts = self.texts()
        if not self._text_by_type and whole_ids(texts):
            numbers = texts.str.strip_suffix(".0").cast(pl.Int64).to_numpy()
            ids, final = np.unique(numbers, return_inverse=True)
            return FinalIds("int", pl.Series(ids), final.astype(np.int32))
        return FinalIds("string", *_sorted(texts))


class FinalIds:
    """Sorted ids and what each provisional number became.

    Attributes:
        kind: "int" or "string".
        ids: (V,) sorted: Int64 or String.
        final: (provisional,) int32 codes.
    """

    def __init__(self, kind: Literal["int", "string"], ids: pl.Series, final: NDArray[np.int32]) -> None:
        self.kind: Literal["int", "string"] = kind
        self.ids = ids
        self.final = final

    def __len__(self) -> int:
        return len(self.ids)

    def find(self, texts: pl.Series) -> NDArray[np.int32]:
        """Return the final code of ids as text: (N,) -> (N,) int32, -1 where unknown."""
        keys = texts.str.strip_suffix(".0").cast(pl.Int64, strict=False) if self.kind == "int" else texts
        known = pl.DataFrame({"id": self.ids, "code": np.arange(len(self.ids), dtype=np.int32)})
        found = keys.to_frame("id").join(known, on="id", how="left", maintain_order="left")
        return found["code"].fill_null(-1).to_numpy()

    def write(self, folder: Path, name: str) -> dict[str, ArrayInfo]:
        """Write the vocabulary's arrays."""
        if self.kind == "int":
            return {name: write_array(folder / f"{name}.npy", self.ids.to_numpy())}
        return write_texts(folder, name, self.ids)


def final_categories(dictionary: Dictionary) -> tuple[pl.Series, NDArray[np.int32]]:
    """Return a category column's sorted vocabulary, and what each provisional number became."""
    return _sorted(dictionary.texts())


def _sorted(texts: pl.Series) -> tuple[pl.Series, NDArray[np.int32]]:
    order = texts.arg_sort().to_numpy()
    final = np.empty(len(order), np.int32)
    final[order] = np.arange(len(order), dtype=np.int32)
    return texts[order], final


def write_texts(folder: Path, name: str, texts: pl.Series) -> dict[str, ArrayInfo]:
    """Write a String column as `<name>.offsets` and `<name>.data` (see `storage.strings`); null is empty."""
    texts = texts.fill_null("")
    offsets = np.zeros(len(texts) + 1, np.int64)
    np.cumsum(texts.str.len_bytes().to_numpy(), out=offsets[1:])
    with ArrayWriter(folder / f"{name}.data.npy", np.dtype(np.uint8)) as data:
        for start in range(0, len(texts), _PACK_ROWS):
            joined = texts[start : start + _PACK_ROWS].str.join("").item()
            data.append(np.frombuffer(joined.encode(), np.uint8))
    return {f"{name}.offsets": write_array(folder / f"{name}.offsets.npy", offsets), f"{name}.data": data.info}
