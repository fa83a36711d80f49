"""What a bundle knows of each item for people and for filters: title, category, brand, price, available. NumPy only, mapped."""

# V items of the catalogue

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aisle.errors import AisleError
from aisle.features.vocabulary import Vocabulary
from aisle.recommend.rules import Shelf
from aisle.storage.strings import Strings

NAMED, NUMBERS = ("category", "brand"), ("price", "available")
_HINT = "restore the bundle from a copy, or export it again"


@dataclass(frozen=True)
class Named:
    """A column of names, kept as codes.

    Attributes:
        code: (V,) int32, -1 missing.
        names: what the codes mean.
    """

    code: NDArray[np.int32]
    names: Vocabulary


@dataclass(frozen=True)
class Catalogue:
    """V items; None where the shop's catalogue has no such column.

    Attributes:
        n_items: V.
        title: V texts, empty where missing.
        category: codes and their names.
        brand: codes and their names.
        price: (V,) float32, NaN missing.
        available: (V,) float32, 0 = cannot be bought, NaN missing.
    """

    n_items: int
    title: Strings | None = None
    category: Named | None = None
    brand: Named | None = None
    price: NDArray[np.float32] | None = None
    available: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        for name in ("title", *NAMED, *NUMBERS):
            column = getattr(self, name)
            rows = len(column.code) if isinstance(column, Named) else self.n_items if column is None else len(column)
            if rows != self.n_items:
                raise AisleError(
                    f"the catalogue's {name} has {rows:,} rows; expected one for each of {self.n_items:,} items",
                    hint=_HINT,
                    code="E036",
                )

    @property
    def shelf(self) -> Shelf:
        """What rules look at."""
        return Shelf(self.available, self.price, None if self.category is None else self.category.code)

    def facts(self, item: int) -> dict[str, Any]:
        """Return what is known of one item code: the columns that there are, None where a value is missing.

        Example:
            >>> Catalogue(1, title=Strings.pack(["Tea"]), price=np.array([np.nan], np.float32)).facts(0)
            {'title': 'Tea', 'price': None}
        """
        facts: dict[str, Any] = {}
        if self.title is not None:
            facts["title"] = self.title[item] or None
        for name in NAMED:
            column: Named | None = getattr(self, name)
            if column is not None:
                code = int(column.code[item])
                facts[name] = column.names[code] if code >= 0 else None
        return facts | number_facts(self.price, self.available, item)


def number_facts(
    price: NDArray[np.float32] | None, available: NDArray[np.float32] | None, item: int
) -> dict[str, float | bool | None]:
    """Return price and availability of one item for people; a price as it was written, not as float32 keeps it."""
    facts: dict[str, float | bool | None] = {}
    if price is not None:
        facts["price"] = None if np.isnan(price[item]) else float(str(price[item]))
    if available is not None:
        facts["available"] = None if np.isnan(available[item]) else bool(available[item] != 0)
    return facts


def write_catalogue(folder: Path, catalogue: Catalogue) -> None:
    """Write the columns that there are as .npy files into a folder that is there."""
    for name, array in _arrays(catalogue).items():
        np.save(folder / f"{name}.npy", array, allow_pickle=False)


def read_catalogue(folder: Path, n_items: int) -> Catalogue:
    """Open what `write_catalogue` wrote, memory-mapped.

    Args:
        folder: the bundle's catalogue/.
        n_items: items of the bundle.

    Raises:
        AisleError: E036 where an array is damaged, one of a pair is missing, or the items are not as many.
    """
    arrays = {path.name.removesuffix(".npy"): _open(path) for path in sorted(folder.glob("*.npy"))}
    known = _names()
    if stray := sorted(set(arrays) - known):
        raise AisleError(f"the catalogue at {folder} holds {stray[0]}.npy, which it should not", hint=_HINT, code="E036")
    return Catalogue(
        n_items,
        title=_strings(arrays, "title", folder),
        category=_named(arrays, "category", folder),
        brand=_named(arrays, "brand", folder),
        price=_numbers(arrays, "price", folder),
        available=_numbers(arrays, "available", folder),
    )


def _arrays(catalogue: Catalogue) -> dict[str, NDArray[Any]]:
    arrays: dict[str, NDArray[Any]] = {}
    if catalogue.title is not None:
        arrays |= {"title.offsets": catalogue.title.offsets, "title.data": catalogue.title.data}
    for name in NAMED:
        column: Named | None = getattr(catalogue, name)
        if column is not None:
            texts = column.names.ids if isinstance(column.names.ids, Strings) else Strings.pack(map(str, column.names.ids))
            arrays |= {name: column.code, f"{name}.names.offsets": texts.offsets, f"{name}.names.data": texts.data}
    return arrays | {name: getattr(catalogue, name) for name in NUMBERS if getattr(catalogue, name) is not None}


def _names() -> set[str]:
    pairs = {f"{name}.{part}" for name in ("title", "category.names", "brand.names") for part in ("offsets", "data")}
    return pairs | {*NAMED, *NUMBERS}


def _open(path: Path) -> NDArray[Any]:
    try:
        array: NDArray[Any] = np.load(path, allow_pickle=False)[:] if _is_empty(path) else np.load(path, "r", allow_pickle=False)
    except Exception as error:  # NumPy parses a header as Python: damage raises whatever Python's parser raises
        raise AisleError(f"{path} cannot be read: {error}", hint=_HINT, code="E036") from error
    return array


def _is_empty(path: Path) -> bool:
    """Say whether a file holds no element: such a one cannot be mapped."""
    with path.open("rb") as file:
        version = np.lib.format.read_magic(file)
        shape, _, _ = np.lib.format.read_array_header_1_0(file) if version == (1, 0) else ((1,), False, None)
    return 0 in shape


def _strings(arrays: Mapping[str, NDArray[Any]], name: str, folder: Path) -> Strings | None:
    offsets, data = arrays.get(f"{name}.offsets"), arrays.get(f"{name}.data")
    if offsets is None and data is None:
        return None
    if offsets is None or data is None or not len(offsets) or offsets[0] != 0 or offsets[-1] != len(data):
        raise AisleError(f"the two files of {name} at {folder} do not belong together", hint=_HINT, code="E036")
    return Strings(offsets, data)


def _named(arrays: Mapping[str, NDArray[Any]], name: str, folder: Path) -> Named | None:
    code, names = arrays.get(name), _strings(arrays, f"{name}.names", folder)
    if code is None and names is None:
        return None
    if code is None or names is None or code.dtype != np.int32 or int(code.max(initial=-1)) >= len(names):
        raise AisleError(f"the files of {name} at {folder} do not belong together", hint=_HINT, code="E036")
    return Named(code, Vocabulary(names))


def _numbers(arrays: Mapping[str, NDArray[Any]], name: str, folder: Path) -> NDArray[np.float32] | None:
    column = arrays.get(name)
    if column is not None and column.dtype != np.float32:
        raise AisleError(f"{name}.npy at {folder} holds {column.dtype}; expected float32", hint=_HINT, code="E036")
    return column
