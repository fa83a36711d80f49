"""The catalogue in a bundle reads back what was written, mapped, and refuses what is damaged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from aisle.bundle.catalogue import Catalogue, Named, read_catalogue, write_catalogue
from aisle.errors import AisleError
from aisle.features.vocabulary import Vocabulary
from aisle.storage.strings import Strings


def tea_shop() -> Catalogue:
    """Three items: all known, only a title, nothing known."""
    return Catalogue(
        n_items=3,
        title=Strings.pack(["Green tea 口", "Kettle", ""]),
        category=Named(np.array([1, -1, -1], np.int32), Vocabulary(Strings.pack(["pots", "tea"]))),
        brand=Named(np.array([0, -1, -1], np.int32), Vocabulary(Strings.pack(["Leaf"]))),
        price=np.array([4.99, np.nan, np.nan], np.float32),
        available=np.array([1, 0, np.nan], np.float32),
    )


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write_catalogue(tmp_path, tea_shop())
    catalogue = read_catalogue(tmp_path, 3)
    assert catalogue.facts(0) == {"title": "Green tea 口", "category": "tea", "brand": "Leaf", "price": 4.99, "available": True}
    assert catalogue.facts(1) == {"title": "Kettle", "category": None, "brand": None, "price": None, "available": False}
    assert catalogue.facts(2) == {"title": None, "category": None, "brand": None, "price": None, "available": None}
    assert isinstance(catalogue.price, np.memmap)
    assert catalogue.shelf.category is not None
    assert catalogue.shelf.category.tolist() == [1, -1, -1]


def test_columns_that_a_shop_lacks_are_not_told(tmp_path: Path) -> None:
    write_catalogue(tmp_path, Catalogue(2, price=np.array([1, 2], np.float32)))
    catalogue = read_catalogue(tmp_path, 2)
    assert catalogue.facts(1) == {"price": 2.0}
    assert catalogue.shelf.available is None
    assert read_catalogue(tmp_path / "empty", 5).facts(4) == {}


def test_a_shop_without_any_title_or_name_is_read(tmp_path: Path) -> None:
    nameless = Named(np.full(2, -1, np.int32), Vocabulary(Strings.pack([])))
    write_catalogue(tmp_path, Catalogue(2, title=Strings.pack(["", ""]), category=nameless))
    assert read_catalogue(tmp_path, 2).facts(0) == {"title": None, "category": None}


def test_another_number_of_items_is_refused(tmp_path: Path) -> None:
    write_catalogue(tmp_path, tea_shop())
    with pytest.raises(AisleError, match=r"title has 3 rows; expected one for each of 4 items(.|\n)*E036"):
        read_catalogue(tmp_path, 4)


@pytest.mark.parametrize("name", ["title.data", "title.offsets", "category", "category.names.data", "price", "available"])
@pytest.mark.parametrize("damage", ["cut", "gone", "another type"])
def test_a_damaged_file_is_refused(name: str, damage: str, tmp_path: Path) -> None:
    write_catalogue(tmp_path, tea_shop())
    path = tmp_path / f"{name}.npy"
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-1])
    elif damage == "another type":
        np.save(path, np.array(["x"] * 3))
    elif "." in name or name == "category":
        path.unlink()
    else:
        path.rename(tmp_path / "colour.npy")
    with pytest.raises(AisleError, match="E036"):
        read_catalogue(tmp_path, 3).facts(0)


def test_codes_without_a_name_are_refused(tmp_path: Path) -> None:
    write_catalogue(tmp_path, tea_shop())
    np.save(tmp_path / "brand.npy", np.array([5, 0, 0], np.int32))
    with pytest.raises(AisleError, match="brand"):
        read_catalogue(tmp_path, 3)
