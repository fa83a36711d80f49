"""Items that came after training: a vector from what they say of themselves, and a search beside the index.

A new item is likened to the items of the bundle by the words of its title, its category and its brand; its vector is the
weighted mean of those most alike. One that has nothing in common with an item that the model scores is refused a vector:
it can be found by filters, and be recommended as a popular item once it is one, but no score is made up for it.
"""

# V items of the bundle   M items that came later   N items most alike   D width   H hashed words   P word-item pairs

from __future__ import annotations

import time
import weakref
import zlib
from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from aisle.bundle.catalogue import Catalogue
from aisle.bundle.exact import ExactIndex
from aisle.bundle.found import Found, best_of
from aisle.bundle.index_config import NOTHING, Index, check_query
from aisle.bundle.live_catalogue import LiveCatalogue
from aisle.features.words import words_of
from aisle.storage.strings import Strings

_BUCKETS = 1 << 18
_AT_ONCE = 128  # titles, about a millisecond of holding the interpreter
_GIVE_WAY_S = 0.0001  # long enough for a thread that waits to take it; 1 s a million titles
_MOST_ALIKE = 30
_MOST_TIED = 2_000  # where nothing but the category is shared all of its items are equally alike; so many of them say enough
_SAME_CATEGORY, _SAME_BRAND = 0.3, 0.1  # beside the cosine of the titles, 0 to 1


@dataclass(frozen=True)
class Kin:
    """The items of the bundle that a new one is most like.

    Attributes:
        item_N: (N,) int64 codes, the most alike first; the first can stand for the new one in a history.
        weight_N: (N,) float32, adds up to 1.
    """

    item_N: NDArray[np.int64]  # noqa: N815 - shape letter
    weight_N: NDArray[np.float32]  # noqa: N815


class Kinship:
    """Finds the items that are like a described one: TF-IDF of hashed title words, category, brand.

    Making it reads every title once: about 10 s and 80 MB for a million of them. Asking takes milliseconds. It is to be made in a
    thread of its own, and gives way to the others every 128 titles: who answers meanwhile waits about a millisecond at most.

    Args:
        catalogue: of the bundle.
        scorable_V: (V,) bool, the items that have a vector.

    Source: weights as in Manning et al. (2008), Introduction to Information Retrieval, 6.2, of distinct words.
    """

    def __init__(self, catalogue: Catalogue, scorable_V: NDArray[np.bool_]) -> None:
        self.scorable_V = scorable_V
        self._columns = ((catalogue.category, _SAME_CATEGORY), (catalogue.brand, _SAME_BRAND))
        bucket, words = array("i"), np.zeros(catalogue.n_items, np.int64)
        titles = Strings.pack([]) if catalogue.title is None else catalogue.title
        for start in range(0, len(titles), _AT_ONCE):
            items = start + np.flatnonzero(scorable_V[start : start + _AT_ONCE])
            for item, title in zip(items.tolist(), titles.take(items), strict=True):
                found = _buckets(title)
                bucket.extend(found)
                words[item] = len(found)
            time.sleep(_GIVE_WAY_S)
        bucket_P, item_P = np.frombuffer(bucket, np.int32), np.repeat(np.arange(len(words), dtype=np.int32), words)
        items_H = np.bincount(bucket_P, minlength=_BUCKETS)
        self._rarity_H = (1 + np.log((1 + len(words)) / (1 + items_H))).astype(np.float32)
        length_V = np.sqrt(np.bincount(item_P, self._rarity_H[bucket_P] ** 2, minlength=len(words)))
        order_P = np.argsort(bucket_P, kind="stable")
        self._offsets_H = np.concatenate([[0], np.cumsum(items_H)])
        self._item_P = item_P[order_P]
        self._weight_P = (self._rarity_H[bucket_P] / np.maximum(length_V[item_P], 1e-9)).astype(np.float32)[order_P]

    def kin(self, title: str, category: int, brand: int) -> Kin | None:
        """Return the items most like a described one; None where no item that can be scored has anything in common with it.

        Args:
            title: words; may be empty.
            category: code in the bundle's catalogue; -1, or a code that came later, is like none.
            brand: the same.
        """
        likeness_V = self._titles_alike(title)
        for (column, gain), code in zip(self._columns, (category, brand), strict=True):
            if column is not None and code >= 0:
                likeness_V += np.float32(gain) * (column.code == code)
        likeness_V[~self.scorable_V] = 0
        alike = np.flatnonzero(likeness_V)
        if not len(alike):
            return None
        if len(alike) > _MOST_ALIKE:
            last = np.partition(likeness_V[alike], len(alike) - _MOST_ALIKE)[len(alike) - _MOST_ALIKE]
            better, tied = alike[likeness_V[alike] > last], alike[likeness_V[alike] == last]
            # Spread over all that tie: neighbouring codes may be variants of one another.
            alike = np.concatenate([better, tied[np.unique(np.linspace(0, len(tied) - 1, _MOST_TIED).astype(np.int64))]])
        alike = alike[np.argsort(-likeness_V[alike], kind="stable")]
        return Kin(alike, likeness_V[alike] / likeness_V[alike].sum())

    def _titles_alike(self, title: str) -> NDArray[np.float32]:
        """Return the cosine of a title and those of all items: (V,)."""
        buckets = _buckets(title)
        likeness_V = np.zeros(len(self.scorable_V), np.float32)
        length = max(float(np.sqrt((self._rarity_H[buckets] ** 2).sum())), 1e-9)
        for bucket in buckets:
            pairs = slice(self._offsets_H[bucket], self._offsets_H[bucket + 1])
            likeness_V[self._item_P[pairs]] += self._weight_P[pairs] * (self._rarity_H[bucket] / np.float32(length))
        return likeness_V


def _buckets(title: str) -> list[int]:
    """Return the hashes of the distinct words of a title."""
    return list(dict.fromkeys(zlib.crc32(word.encode()) % _BUCKETS for word in words_of(title)))


def blend(matrix_VD: NDArray[np.float32], kin: Kin, width: int | None = None) -> NDArray[np.float32]:
    """Return a vector for a new item from rows of any matrix of the model, of inputs or of outputs: (D,) float32.

    Args:
        matrix_VD: (V, D) one row an item.
        kin: the items most like it.
        width: columns that say what an item is like; those behind it, biases, are averaged. None = all.

    The mean of vectors is shorter than they are, the more so the less they agree, and would lose against every one of them;
    so the mean gives the direction, and the mean of their lengths the length.
    """
    row_ND = np.asarray(matrix_VD[kin.item_N], np.float32)
    mean_D = kin.weight_N @ row_ND
    part = slice(0, width)
    length = float(np.linalg.norm(mean_D[part]))
    if length > 1e-9:
        mean_D[part] *= kin.weight_N @ np.linalg.norm(row_ND[:, part], axis=1) / length
    return np.asarray(mean_D, np.float32)


@dataclass(frozen=True)
class NewItems:
    """The items of a live catalogue that the bundle does not know, with the items that each is most like.

    Attributes:
        kinship: finds those.
        kin_M: of each new item, in order of code; None where nothing is like it.
        said_M: (title, category, brand) that it was found by.
    """

    kinship: Kinship
    kin_M: tuple[Kin | None, ...] = ()  # noqa: N815 - shape letter
    said_M: tuple[tuple[str, int, int], ...] = field(default=(), repr=False)  # noqa: N815

    def follow(self, live: LiveCatalogue, changed: Iterable[int] | None = None) -> NewItems:
        """Return the new items of another state of the catalogue; itself where they say of themselves what they said.

        Args:
            live: that state.
            changed: codes of all items that came or changed since this state; None = any may have.
        """
        n_base, n_later = live.base.n_items, live.n_items - live.base.n_items
        kin, said = list(self.kin_M[:n_later]), list(self.said_M[:n_later])
        same = len(kin) == len(self.kin_M)
        places = range(n_later) if changed is None else sorted({code - n_base for code in changed if code >= n_base})
        for place in places:
            names = [int(live.columns[name][n_base + place]) if name in live.columns else -1 for name in ("category", "brand")]
            says = (live.title(n_base + place), names[0], names[1])
            if place < len(kin) and said[place] == says:
                continue
            same = False
            kin[place:], said[place:] = [self.kinship.kin(*says), *kin[place + 1 :]], [says, *said[place + 1 :]]
        return self if same else NewItems(self.kinship, tuple(kin), tuple(said))

    @property
    def has_vector(self) -> NDArray[np.bool_]:
        """(M,) whether a vector could be made; the others are refused a score."""
        return np.array([kin is not None for kin in self.kin_M], np.bool_)

    @property
    def stand_in(self) -> NDArray[np.int64]:
        """(M,) the item of the bundle that counts for each in a history; -1 where nothing is like it."""
        return np.array([NOTHING if kin is None else kin.item_N[0] for kin in self.kin_M], np.int64)

    def vectors(
        self,
        matrix_VD: NDArray[np.float32],
        width: int | None = None,
        made: tuple[NewItems, NDArray[np.float32]] | None = None,
    ) -> NDArray[np.float32]:
        """Return rows for the new items, as those of one of the model's matrices: (M, D), zeros where refused; see `blend`.

        Args:
            matrix_VD: (V, D) one row an item.
            width: columns that say what an item is like; None = all.
            made: another state of the new items with the rows that this gave for it; those that are the same are copied.
        """
        row_MD = np.zeros((len(self.kin_M), matrix_VD.shape[1]), np.float32)
        kin_before: tuple[Kin | None, ...] = ()
        if made is not None:
            kin_before = made[0].kin_M[: len(self.kin_M)]
            row_MD[: len(kin_before)] = made[1][: len(kin_before)]
        for place, kin in enumerate(self.kin_M):
            if place >= len(kin_before) or kin is not kin_before[place]:
                row_MD[place] = 0 if kin is None else blend(matrix_VD, kin, width)
        return row_MD


class GrownIndex:
    """An index with new items beside it, which are scored one and all; `search` is that of `index_config.Index`.

    Args:
        base: of the bundle's V items.
        n_base: V.
        vector_MD: (M, D) of the new items, with codes V to V + M - 1.
        scorable_M: (M,) those that have a vector.
    """

    def __init__(self, base: Index, n_base: int, vector_MD: NDArray[np.float32], scorable_M: NDArray[np.bool_]) -> None:
        self.kind = base.kind
        self.base, self.n_base = base, n_base
        self._later = ExactIndex(vector_MD, scorable_M)
        self._parts: dict[int, tuple[weakref.ref[NDArray[np.bool_]], NDArray[np.bool_]]] = {}  # by the identity of the mask

    def _of_base(self, allowed_V: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return the bundle's part of a mask: always the same one of a mask that cannot change, which the index knows again."""
        if allowed_V.flags.writeable:
            return allowed_V[: self.n_base]
        kept = self._parts.get(id(allowed_V))
        if kept is None or kept[0]() is not allowed_V:
            part_V = allowed_V[: self.n_base].copy()  # no view, which would hold the whole mask
            part_V.setflags(write=False)
            kept = (weakref.ref(allowed_V), part_V)
            self._parts = {key: one for key, one in self._parts.items() if one[0]() is not None} | {id(allowed_V): kept}
        return kept[1]

    def search(
        self,
        vector_BD: NDArray[np.float32],
        k: int,
        allowed_V: NDArray[np.bool_] | None = None,
        left_out: NDArray[np.int64] | None = None,
    ) -> Found:
        """Return the k best of the bundle's items and the new ones; `allowed_V` is of both, (V + M,)."""
        n_later, dim = self._later.item_VD.shape
        check_query(vector_BD, k, allowed_V, (self.n_base + n_later, dim))
        old, new = (None, None) if allowed_V is None else (self._of_base(allowed_V), allowed_V[self.n_base :])
        left_out_old = left_out_new = None
        if left_out is not None:
            row, item = np.divmod(left_out, self.n_base + n_later)
            is_old = item < self.n_base
            left_out_old = row[is_old] * self.n_base + item[is_old]
            left_out_new = row[~is_old] * n_later + item[~is_old] - self.n_base
        item_BK, score_BK = self.base.search(vector_BD, k, old, left_out_old)
        later_BK, later_score_BK = self._later.search(vector_BD, min(k, n_later), new, left_out_new)
        later_BK = np.where(later_BK == NOTHING, 0, later_BK + self.n_base)
        item_BN = np.concatenate([np.maximum(item_BK, 0), later_BK], axis=1)
        return best_of(np.concatenate([score_BK, later_score_BK], axis=1), item_BN, k)
