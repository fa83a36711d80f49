"""A live catalogue changes by snapshots: all of a change or nothing, and never under the feet of a request."""

from __future__ import annotations

import numpy as np
import pytest

from aisle.bundle.catalogue import Catalogue
from aisle.bundle.live_catalogue import ItemChange, LiveCatalogue, Wanted
from aisle.errors import AisleError
from aisle.features.vocabulary import Vocabulary
from aisle.storage.strings import Strings
from tests.bundle.test_catalogue import tea_shop


def live() -> LiveCatalogue:
    return LiveCatalogue.of(tea_shop(), Vocabulary(Strings.pack(["green", "kettle", "thing"])))


def test_a_snapshot_shows_the_bundles_catalogue() -> None:
    catalogue = live()
    assert [catalogue.facts(item) for item in range(3)] == [tea_shop().facts(item) for item in range(3)]
    assert catalogue.n_items == 3
    assert catalogue.revision == 0


def test_a_change_is_seen_in_the_new_snapshot_and_not_in_the_old() -> None:
    before = live()
    after = before.with_changes(
        [
            ItemChange("green", price=3.5),
            ItemChange("kettle", available=True, title="Red kettle"),
            ItemChange("thing", category="tea"),
        ]
    )
    assert (after.facts(0)["price"], after.facts(1)["available"], after.facts(1)["title"]) == (3.5, True, "Red kettle")
    assert after.facts(2)["category"] == "tea"
    assert before.facts(0)["price"] == 4.99
    assert before.facts(1) == tea_shop().facts(1)
    assert before.facts(2)["category"] is None
    assert after.shelf.price is not None
    assert after.shelf.price[0] == np.float32(3.5)
    assert after.revision == 1


def test_of_two_changes_of_one_item_the_later_counts() -> None:
    after = live().with_changes(
        [ItemChange("green", price=1, title="a"), ItemChange("green", price=2), ItemChange("green", title="b")]
    )
    assert after.facts(0)["price"] == 2
    assert after.facts(0)["title"] == "b"


def test_new_items_get_the_codes_after_the_bundles_and_what_is_not_said_is_missing() -> None:
    after = live().with_changes([ItemChange("new", title="White tea", category="white", price=7)])
    after = after.with_changes([ItemChange("newer", brand="Leaf"), ItemChange("new", available=False)])
    assert after.items.encode(["new", "newer", "green", "?"]).tolist() == [3, 4, 0, -1]
    assert after.facts(3) == {"title": "White tea", "category": "white", "brand": None, "price": 7.0, "available": False}
    assert after.facts(4) == {"title": None, "category": None, "brand": "Leaf", "price": None, "available": None}
    assert after.new_codes.tolist() == [3, 4]
    assert len(after.columns["price"]) == after.n_items == 5


def test_a_column_that_the_bundle_lacks_begins_with_the_first_change() -> None:
    bare = LiveCatalogue.of(Catalogue(2), Vocabulary(np.array([10, 20])))
    after = bare.with_changes([ItemChange(20, price=5, category="a"), ItemChange("30", title="Third")])
    assert after.facts(0) == {"title": None, "category": None, "price": None}
    assert after.facts(1) == {"title": None, "category": "a", "price": 5.0}
    assert after.items.decode([2]) == [30]
    assert bare.facts(0) == {}


def test_a_change_that_is_refused_changes_nothing() -> None:
    numbers = LiveCatalogue.of(Catalogue(1, price=np.array([1], np.float32)), Vocabulary(np.array([10])))
    with pytest.raises(AisleError, match="E037"):
        numbers.with_changes([ItemChange(10, price=9), ItemChange("x7", price=1)])
    assert numbers.facts(0)["price"] == 1
    for price in (-1.0, float("nan"), float("inf")):
        with pytest.raises(AisleError, match="E037"):
            ItemChange(10, price=price)


def test_masks_hold_what_is_wanted() -> None:
    catalogue = live().with_changes([ItemChange("new", category="tea", price=20, available=True)])

    def items(**wanted: object) -> list[int]:
        mask_V = catalogue.mask(Wanted(**wanted))  # type: ignore[arg-type]
        return [] if mask_V is None else np.flatnonzero(mask_V).tolist()

    assert catalogue.mask(Wanted()) is None
    assert items(candidates=("green", "new", "?")) == [0, 3]
    assert items(categories=("tea",)) == [0, 3]
    assert items(categories=("tea", "pots")) == [0, 3]
    assert items(max_price=5) == [0]
    assert items(min_price=5) == [3]
    assert items(available_only=True) == [0, 2, 3]  # missing is not unavailable, as for the shop's rules
    assert items(categories=("tea",), max_price=10.0, available_only=True) == [0]
    assert items(candidates=("kettle",), categories=("tea",)) == []


def test_a_mask_follows_the_snapshot() -> None:
    first = live()
    assert np.flatnonzero(first.mask(Wanted(available_only=True))).tolist() == [0, 2]  # type: ignore[arg-type]
    second = first.with_changes([ItemChange("green", available=False)])
    assert np.flatnonzero(second.mask(Wanted(available_only=True))).tolist() == [2]  # type: ignore[arg-type]
    assert np.flatnonzero(first.mask(Wanted(available_only=True))).tolist() == [0, 2]  # type: ignore[arg-type]


def test_a_mask_is_made_once_a_snapshot_and_cannot_be_written_to() -> None:
    catalogue = live()
    mask_V = catalogue.mask(Wanted(categories=("tea",)))
    assert mask_V is not None
    assert catalogue.mask(Wanted(categories=("tea",))) is mask_V
    with pytest.raises(ValueError, match="read-only"):
        mask_V[0] = False


def test_masks_that_are_kept_stay_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aisle.bundle.live_catalogue._MOST_MASK_BYTES", 30)  # ten masks of three items
    catalogue = live()
    for cents in range(100):
        catalogue.mask(Wanted(max_price=cents / 100))
    assert 0 < len(catalogue._masks) <= 10


@pytest.mark.parametrize("wanted", [Wanted(categories=("teas",)), Wanted(candidates=("?",)), Wanted(categories=("tea", "boats"))])
def test_a_filter_that_nothing_can_meet_is_refused(wanted: Wanted) -> None:
    with pytest.raises(AisleError, match="E038"):
        live().mask(wanted)


def test_a_filter_on_a_column_that_is_not_there_is_refused() -> None:
    with pytest.raises(AisleError, match="needs the catalogue column 'price'"):
        LiveCatalogue.of(Catalogue(1), Vocabulary(np.array([10]))).mask(Wanted(max_price=1))


def test_a_number_written_otherwise_changes_its_own_item() -> None:
    """A catalogue of 10, to which 7 and 8 came later."""
    numbers = LiveCatalogue.of(Catalogue(1, price=np.array([1], np.float32)), Vocabulary(np.array([10])))
    numbers = numbers.with_changes([ItemChange(7, price=7), ItemChange(8, price=8)])
    numbers = numbers.with_changes([ItemChange("007", price=99, title="Seven")])
    assert (numbers.facts(1)["price"], numbers.title(1)) == (99, "Seven")
    assert (numbers.n_items, numbers.facts(2)["price"], numbers.title(2)) == (3, 8, "")


@pytest.mark.parametrize("item_id", ["--5", "5-", "", "9" * 19, "1e3"])
def test_what_is_no_number_of_64_bits_is_refused_by_a_catalogue_of_numbers(item_id: str) -> None:
    numbers = LiveCatalogue.of(Catalogue(1), Vocabulary(np.array([10])))
    with pytest.raises(AisleError, match="E037"):
        numbers.with_changes([ItemChange(item_id, price=1)])
