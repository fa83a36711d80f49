"""A catalogue that changes while it is served: prices, availability, titles, new items. Each change makes a new snapshot.

A snapshot never changes: a request that holds one sees one state of the shop, whatever arrives meanwhile. Only the columns
that a change touches are copied, so give many changes at once.
"""

# V items: N of the bundle, then those that came later

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from aisle.bundle.catalogue import NAMED, Catalogue, Named, number_facts
from aisle.bundle.grown_vocabulary import GrownVocabulary
from aisle.errors import AisleError, did_you_mean
from aisle.features.vocabulary import Vocabulary
from aisle.recommend.rules import Shelf
from aisle.storage.strings import Strings


@dataclass(frozen=True)
class ItemChange:
    """What is new about one item; None = as it was. An item that the catalogue lacks is added to it.

    Attributes:
        item_id: raw id.
        price: 0 or more.
        available: whether it can be bought.
        title: for people, and for the vector of a new item.
        category: by name; a new name makes a new category.
        brand: by name.
    """

    item_id: int | str
    price: float | None = None
    available: bool | None = None
    title: str | None = None
    category: str | None = None
    brand: str | None = None

    def __post_init__(self) -> None:
        if self.price is not None and not (math.isfinite(self.price) and self.price >= 0):
            raise AisleError(
                f"the price of item {self.item_id!r} is {self.price}; expected 0 or more",
                hint="send the price as a number in the shop's currency",
                code="E037",
            )


@dataclass(frozen=True)
class Wanted:
    """Which items may be recommended; None = no such condition.

    Attributes:
        candidates: raw ids, the only ones.
        categories: names, one of which an item must have.
        min_price: leave out what is cheaper, or has no price.
        max_price: leave out what is dearer, or has no price.
        available_only: leave out what cannot be bought.
    """

    candidates: tuple[int | str, ...] | None = None
    categories: tuple[str, ...] | None = None
    min_price: float | None = None
    max_price: float | None = None
    available_only: bool = False


@dataclass(frozen=True)
class LiveCatalogue:
    """One state of the catalogue; begin with `LiveCatalogue.of`.

    Attributes:
        base: the bundle's.
        items: raw ids <-> codes, later ones included.
        category, brand: names <-> codes, later ones included.
        columns: (V,) "price", "available", "category", "brand": those that there are.
        titles: of changed and new items, by code.
        revision: how many times it was changed.
        changed: (N,) int64 codes of the items that the last change named, in the order of it.
    """

    base: Catalogue
    items: GrownVocabulary
    names: Mapping[str, GrownVocabulary]
    columns: Mapping[str, NDArray[Any]]
    titles: Mapping[int, str] = field(default_factory=dict, repr=False)
    revision: int = 0
    changed: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64), compare=False, repr=False)
    _masks: dict[Wanted, NDArray[np.bool_]] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def of(cls, catalogue: Catalogue, items: Vocabulary) -> Self:
        """Return the catalogue as the bundle has it."""
        named: dict[str, Named] = {name: getattr(catalogue, name) for name in NAMED if getattr(catalogue, name) is not None}
        columns: dict[str, NDArray[Any]] = {name: column.code for name, column in named.items()}
        columns |= {name: getattr(catalogue, name) for name in _MISSING if name not in NAMED and hasattr(catalogue, name)}
        columns = {name: column for name, column in columns.items() if column is not None}
        names = {name: GrownVocabulary(column.names) for name, column in named.items()}
        return cls(catalogue, GrownVocabulary(items), names, columns)

    @property
    def n_items(self) -> int:
        """V, later ones included."""
        return len(self.items)

    @property
    def new_codes(self) -> NDArray[np.int64]:
        """Codes of the items that are not in the bundle."""
        return np.arange(self.base.n_items, self.n_items)

    @property
    def shelf(self) -> Shelf:
        """What rules look at, later items included."""
        return Shelf(self.columns.get("available"), self.columns.get("price"), self.columns.get("category"))

    def facts(self, item: int) -> dict[str, Any]:
        """Return what is known of one item code, as `Catalogue.facts` does."""
        facts: dict[str, Any] = {}
        if self.base.title is not None or self.titles:
            facts["title"] = self.title(item) or None
        for name, names in self.names.items():
            code = int(self.columns[name][item])
            facts[name] = names[code] if code >= 0 else None
        return facts | number_facts(self.columns.get("price"), self.columns.get("available"), item)

    def title(self, item: int) -> str:
        """Return an item's title; empty where it has none."""
        if item in self.titles:
            return self.titles[item]
        return self.base.title[item] if self.base.title is not None and item < self.base.n_items else ""

    def with_changes(self, changes: Sequence[ItemChange]) -> LiveCatalogue:
        """Return the catalogue with some changes: all of them or, where one is refused, none.

        Args:
            changes: of two for one item, what the later one says counts.

        Raises:
            AisleError: E037 for an id that cannot be one.
        """
        ids = [self._as_id(change.item_id) for change in changes]
        items = self.items.grow(ids)
        code = items.encode(ids)
        columns, names = {name: _room(name, column, len(items)) for name, column in self.columns.items()}, dict(self.names)
        for name, missing in _MISSING.items():
            place = [row for row, change in enumerate(changes) if getattr(change, name) is not None]
            if not place:
                continue
            values = [getattr(changes[row], name) for row in place]
            if name in NAMED:
                names[name] = names.get(name, GrownVocabulary(Vocabulary(Strings.pack([])))).grow(values)
                values = names[name].encode(values).tolist()
            column = columns.get(name)
            columns[name] = _room(name, missing[:0], len(items)) if column is None else np.array(column)
            columns[name][code[place]] = values  # of two for one item the later one stays
        titles = {int(at): change.title for at, change in zip(code, changes, strict=True) if change.title is not None}
        all_titles = {**self.titles, **titles} if titles else self.titles
        return LiveCatalogue(self.base, items, names, columns, all_titles, self.revision + 1, code)

    def mask(self, wanted: Wanted) -> NDArray[np.bool_] | None:
        """Return which items may be recommended: (V,) bool, not to be written to; None where all may.

        Raises:
            AisleError: E038 for a category or a column that the catalogue lacks, or when no candidate is in it; E373 for a column
                that a rule needs.
        """
        if wanted.candidates is not None:
            among_V = self._candidates(wanted.candidates)
            others_V = self.mask(replace(wanted, candidates=None))
            return among_V if others_V is None else among_V & others_V
        if wanted == Wanted():
            return None
        kept_V = self._masks.get(wanted)
        if kept_V is None:  # two threads may both make it, to the same effect
            kept_V = np.logical_and.reduce(self._conditions(wanted))
            kept_V.setflags(write=False)
            if (len(self._masks) + 1) * self.n_items > _MOST_MASK_BYTES:
                self._masks.clear()
            self._masks[wanted] = kept_V
        return kept_V

    def _conditions(self, wanted: Wanted) -> list[NDArray[np.bool_]]:
        masks = []
        if wanted.categories is not None:
            masks.append(self._categories(wanted.categories))
        if wanted.min_price is not None or wanted.max_price is not None:
            price_V = self._column("price", "min_price and max_price", rule=True)
            low, high = wanted.min_price or 0.0, np.inf if wanted.max_price is None else wanted.max_price
            masks.append((price_V >= low) & (price_V <= high))  # a missing price is within nothing
        if wanted.available_only:
            masks.append(self._column("available", "available_only", rule=True) != 0)
        return masks

    def _candidates(self, raw: Sequence[int | str]) -> NDArray[np.bool_]:
        code = self.items.encode(raw)
        if not (code >= 0).any():
            raise AisleError(
                f"none of the {len(raw)} candidates is in the catalogue",
                hint="candidates are raw item ids as in the log",
                code="E038",
            )
        mask_V = np.zeros(self.n_items, np.bool_)
        mask_V[code[code >= 0]] = True
        return mask_V

    def _categories(self, wanted: tuple[str, ...]) -> NDArray[np.bool_]:
        category_V = self._column("category", "categories")
        names = self.names["category"]
        codes = names.encode(wanted)
        for name, code in zip(wanted, codes, strict=True):
            if code < 0:
                known = [str(names[place]) for place in range(min(len(names), 1000))]
                hint = did_you_mean(name, known)[:300]
                raise AisleError(f"no item has the category '{name[:80]}'", hint=hint, code="E038")
        inside_V: NDArray[np.bool_] = np.isin(category_V, codes)
        return inside_V

    def _column(self, name: str, condition: str, *, rule: bool = False) -> NDArray[Any]:
        if name not in self.columns:
            raise AisleError(
                f"the {'rule' if rule else 'condition'} {condition} needs the catalogue column '{name}', which this bundle's "
                "catalogue lacks",
                hint=f"leave it out, or prepare the log with a catalogue (--items) that has '{name}', and export again",
                code="E373" if rule else "E038",
            )
        return self.columns[name]

    def _as_id(self, item_id: int | str) -> int | str:
        """Return an id as the vocabulary writes it: "007" and 7 are one item of a catalogue of numbers."""
        if self.items.base.kind == "string":
            return str(item_id)
        if _WHOLE.fullmatch(str(item_id)) and abs(int(item_id)) < _TOO_LARGE:
            return int(item_id)
        raise AisleError(
            f"item id {item_id!r} is no whole number of 64 bits, as the ids of this catalogue are",
            hint="send the id as the shop's log has it",
            code="E037",
        )


_WHOLE = re.compile(r"-?[0-9]{1,19}")
_TOO_LARGE = 2**63
_MOST_MASK_BYTES = 64_000_000  # of masks kept a snapshot, a byte an item each
_MISSING: dict[str, NDArray[Any]] = {
    "price": np.array([np.nan], np.float32),
    "available": np.array([np.nan], np.float32),
    "category": np.array([-1], np.int32),
    "brand": np.array([-1], np.int32),
}


def _room(name: str, column: NDArray[Any], n_items: int) -> NDArray[Any]:
    """Return a column with a row for each item, missing for those that have none yet; itself where it is long enough."""
    more = n_items - len(column)
    return np.concatenate([column, np.repeat(_MISSING[name], more)]) if more else column
