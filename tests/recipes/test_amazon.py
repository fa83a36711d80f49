import gzip
import json
from pathlib import Path

import polars as pl
import pytest

from aisle.errors import AisleError
from tests.recipes.conftest import SECOND_US, Prepare, rows


def test_the_s3rec_cut_has_an_order_and_a_catalogue(tmp_path: Path, prepared: Prepare) -> None:
    log, items = tmp_path / "sequences.parquet", tmp_path / "items.parquet"
    pl.DataFrame({"user": [1, 1, 2], "item": [2, 1, 1], "pos": [1, 0, 0]}).write_parquet(log)
    pl.DataFrame(
        {"item": [1, 2], "asin": ["B01", "B02"], "words": ["nail file", "hair brush"], "attributes": [[173, 1], [328]]}
    ).write_parquet(items)
    dataset = prepared("amazon-beauty-5core", log, items=items)
    assert rows(dataset) == [(1, 1, "rating", 0), (1, 2, "rating", 1), (2, 1, "rating", 0)]
    assert dataset.manifest.time_kind == "order"
    assert dataset.manifest.item_features == {"asin": "text", "title": "text", "category": "categories"}
    assert [dataset.item_feature(name).value(0) for name in ("asin", "title", "category")] == ["B01", "nail file", "173, 1"]


def test_the_bert4rec_cut_is_ordered_by_its_position(tmp_path: Path, prepared: Prepare) -> None:
    log = tmp_path / "sequences.parquet"
    pl.DataFrame({"user": [1, 1, 2], "item": [4, 9, 4], "pos": [1, 0, 0]}).write_parquet(log)
    assert rows(prepared("amazon-beauty-bert4rec", log)) == [(1, 9, "rating", 0), (1, 4, "rating", 1), (2, 4, "rating", 0)]


def test_published_lines_keep_their_order(tmp_path: Path, prepared: Prepare) -> None:
    published = tmp_path / "my_beauty.txt"
    published.write_text("1 9\n1 4\n2 4\n1 2\n")
    dataset = prepared("amazon-beauty-bert4rec-original", published)
    assert [row[:3] for row in rows(dataset)] == [(1, 9, "rating"), (1, 4, "rating"), (1, 2, "rating"), (2, 4, "rating")]
    assert dataset.manifest.time_kind == "order"


def test_a_file_of_the_publishers_name_must_be_the_publishers_file(tmp_path: Path, prepared: Prepare) -> None:
    (tmp_path / "beauty.txt").write_text("1 9\n")
    with pytest.raises(AisleError, match=r"beauty\.txt has SHA-256") as caught:
        prepared("amazon-beauty-bert4rec-original", tmp_path / "beauty.txt")
    assert caught.value.code == "E113"
    assert not (tmp_path / "dataset").exists()


def test_published_reviews_are_json_lines(tmp_path: Path, prepared: Prepare) -> None:
    reviews = [
        {"reviewerID": "A2", "asin": "0001", "overall": 5.0, "unixReviewTime": 1_391_040_000, "reviewText": "Very nice."},
        {"reviewerID": "A1", "asin": "B9", "overall": 2.0, "unixReviewTime": 1_397_779_200, "summary": "no, thanks"},
    ]
    log = tmp_path / "reviews_Beauty_5.json.gz"
    log.write_bytes(gzip.compress("".join(json.dumps(review) + "\n" for review in reviews).encode()))
    dataset = prepared("amazon-reviews", log)
    assert rows(dataset) == [
        ("A1", "B9", "rating", 1_397_779_200 * SECOND_US),
        ("A2", "0001", "rating", 1_391_040_000 * SECOND_US),
    ]
    assert dataset.array("events.weight").tolist() == [2, 5]
