from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from aisle.dataset.reader import Dataset
from aisle.errors import AisleError
from tests.dataset.logs import LOG, dataset_of

ITEMS = pl.DataFrame(
    {
        "sku": ["tea", "mug", "pot"],
        "name": ["Green tea", None, "Teapot"],
        "genres": [["drink", "hot"], [], ["ware"]],
        "price": ["2.5", "7", None],
        "available": [True, False, None],
        "brand": ["leaf", "clay", "clay"],
        "weight g": [100, 300, None],
    }
)


def feature(dataset: Dataset, name: str) -> dict[int | str, object]:
    column = dataset.item_feature(name)
    return {dataset.items[row]: column.value(row) for row in range(dataset.n_items)}


def test_every_catalogue_column_becomes_a_feature_of_its_kind(tmp_path: Path) -> None:
    dataset = dataset_of(LOG, tmp_path, items=ITEMS)
    assert dataset.manifest.item_features == {
        "title": "text", "category": "categories", "price": "number", "available": "number", "brand": "category",
        "weight_g": "number",
    }  # fmt: skip
    # cup has events but no row; pot has a row but no events.
    assert feature(dataset, "title") == {"cup": None, "mug": None, "pot": "Teapot", "tea": "Green tea"}
    assert feature(dataset, "category") == {"cup": None, "mug": None, "pot": "ware", "tea": "drink, hot"}
    assert feature(dataset, "price") == {"cup": None, "mug": 7.0, "pot": None, "tea": 2.5}
    assert feature(dataset, "available") == {"cup": None, "mug": 0.0, "pot": None, "tea": 1.0}
    assert feature(dataset, "brand") == {"cup": None, "mug": "clay", "pot": "clay", "tea": "leaf"}


def test_a_catalogue_of_json_lines_gives_its_lists_and_its_late_keys(tmp_path: Path) -> None:
    rows = [f'{{"item_id": "i{number}", "category": ["a", "b"]}}' for number in range(1000)]
    (tmp_path / "items.jsonl").write_text("\n".join([*rows, '{"item_id": "tea", "category": [], "price": 2.5}']))
    dataset = dataset_of(LOG, tmp_path, items=tmp_path / "items.jsonl")
    assert dataset.manifest.item_features == {"category": "categories", "price": "number"}
    assert feature(dataset, "category")["i7"] == "a, b"
    assert feature(dataset, "price")["tea"] == 2.5


def test_the_order_of_the_catalogue_does_not_matter(tmp_path: Path) -> None:
    hashes = {
        dataset_of(LOG, tmp_path / str(number), items=items).manifest.content_hash
        for number, items in enumerate([ITEMS, ITEMS[::-1], pl.concat([ITEMS, ITEMS])])
    }
    assert len(hashes) == 1


def test_text_may_hold_several_categories_where_the_recipe_says_so(tmp_path: Path) -> None:
    (tmp_path / "movies.dat").write_bytes("tea::Café (1995)::hot|drink\nmug::Mug::ware\n".encode("latin-1"))
    recipe = {
        "items": {
            "format": "csv", "separator": "::", "header": False, "names": ["id", "title", "genres"], "encoding": "latin-1",
            "columns": {"item_id": "id", "category": "genres"}, "lists": {"category": "|"},
        }
    }  # fmt: skip
    dataset = dataset_of(LOG, tmp_path, recipe, items=tmp_path / "movies.dat")
    assert feature(dataset, "category")["tea"] == "hot, drink"
    assert feature(dataset, "title")["tea"] == "Café (1995)"


def test_kinds_and_ignored_columns_follow_the_recipe(tmp_path: Path) -> None:
    recipe = {"items": {"kinds": {"price": "category", "brand": "text", "weight_g": "integer"}, "ignore": ["available"]}}
    dataset = dataset_of(LOG, tmp_path, recipe, items=ITEMS)
    assert feature(dataset, "price")["tea"] == "2.5"
    assert dataset.manifest.item_features["brand"] == "text"
    assert feature(dataset, "weight_g") == {"cup": None, "mug": 300, "pot": None, "tea": 100}
    with pytest.raises(AisleError, match="no integer"):
        dataset_of(LOG, tmp_path / "b", {"items": {"kinds": {"price": "integer"}}}, items=ITEMS)
    assert "available" not in dataset.manifest.item_features


def test_users_without_events_do_not_enter_through_the_users_table(tmp_path: Path) -> None:
    users = pl.DataFrame({"user": ["bob", "eve"], "age": ["33", "44"], "zip": ["02139", "10001"]})
    users.write_csv(tmp_path / "users.csv")
    dataset = dataset_of(LOG, tmp_path, users=tmp_path / "users.csv")
    assert dataset.users.decode([0, 1]) == ["ann", "bob"]
    assert dataset.manifest.user_features == {"age": "number", "zip": "category"}
    assert [dataset.user_feature("age").value(row) for row in range(2)] == [None, 33.0]
    assert [dataset.user_feature("zip").value(row) for row in range(2)] == [None, "02139"]


def test_a_catalogue_of_text_ids_fits_a_log_of_number_ids(tmp_path: Path) -> None:
    log = LOG.with_columns(item_id=pl.Series([1, 2, 3, 2, 1]))
    dataset = dataset_of(log, tmp_path, items=pl.DataFrame({"item_id": ["1", "4"], "title": ["one", "four"]}))
    assert dataset.manifest.item_id_type == "int"
    assert feature(dataset, "title") == {1: "one", 2: None, 3: None, 4: "four"}


@pytest.mark.parametrize(
    "items",
    [
        pl.DataFrame({"title": ["x"]}),
        pl.DataFrame({"item_id": ["tea", None], "title": ["x", "y"]}),
        pl.DataFrame({"item_id": ["tea", "tea"], "title": ["x", "y"]}),
        pl.DataFrame({"item_id": ["tea"], "price": ["cheap"]}),
        pl.DataFrame({"item_id": ["tea"], "id": ["x"]}),
        pl.DataFrame({"item_id": ["tea"], "a b": ["x"], "a/b": ["y"]}),
        pl.DataFrame({"item_id": ["tea"], "price": [float("inf")]}),
    ],
)
def test_a_catalogue_that_cannot_be_right_is_refused_and_nothing_is_left(items: pl.DataFrame, tmp_path: Path) -> None:
    with pytest.raises(AisleError, match="E204"):
        dataset_of(LOG, tmp_path, items=items)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("option", "key"), [("items", "item_id"), ("users", "user_id")])
def test_a_table_that_knows_no_id_of_the_log_is_refused(option: str, key: str, tmp_path: Path) -> None:
    table: dict[str, Any] = {option: pl.DataFrame({key: ["17", "18"], "colour": ["red", "blue"]})}
    with pytest.raises(AisleError, match=f"none of its 2 {key}s") as caught:
        dataset_of(LOG, tmp_path, **table)
    assert caught.value.code == "E204"
