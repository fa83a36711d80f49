import numpy as np
import polars as pl

from aisle.simulate.catalogue import make_catalogue, numbered
from aisle.simulate.config import ShopConfig


def test_the_catalogue_is_readable(items: pl.DataFrame) -> None:
    assert items.columns == ["item_id", "title", "category", "brand", "price", "available", "first_seen"]
    assert items.null_count().sum_horizontal().item() == 0
    assert items.select(pl.col("title").str.starts_with(pl.col("brand")).all()).item()
    assert items["title"].str.len_chars().max() < 80  # type: ignore[operator]
    assert items["title"].n_unique() > 0.9 * len(items)
    assert items["category"].n_unique() == 24
    assert items["brand"].n_unique() > 100


def test_prices_differ_between_and_within_categories(items: pl.DataFrame) -> None:
    price = items.group_by("category").agg(pl.col("price").median(), spread=pl.col("price").log().std())
    usual = dict(price.select("category", "price").iter_rows())
    assert usual["Laptops"] > 10 * usual["Tea"]
    assert price["spread"].mean() > 0.3  # type: ignore[operator]
    assert items["price"].min() > 0  # type: ignore[operator]


def test_a_category_is_never_empty() -> None:
    catalogue = make_catalogue(ShopConfig(users=1, items=240, events=1), np.random.default_rng(0))
    everything = np.arange(240)
    for day in range(60):
        shown = catalogue.shown(everything, np.full(240, day))
        assert len(np.unique(catalogue.category[shown])) == 24


def test_the_only_item_of_a_shop_is_there_on_every_day() -> None:
    for seed in range(50):
        alone = make_catalogue(ShopConfig(users=1, items=1, events=1), np.random.default_rng(seed))
        assert alone.first_day[0] <= 0
        assert alone.last_day[0] > 60


def test_some_items_are_new_and_some_go() -> None:
    catalogue = make_catalogue(ShopConfig(users=1, items=5_000, events=1), np.random.default_rng(0))
    assert 0.15 < np.mean(catalogue.first_day > 0) < 0.25
    assert 0.02 < np.mean(catalogue.last_day < 60) < 0.06
    assert (catalogue.first_day < catalogue.last_day).all()


def test_popularity_is_a_share() -> None:
    catalogue = make_catalogue(ShopConfig(users=1, items=1_000, events=1), np.random.default_rng(0))
    assert abs(catalogue.popularity.sum() - 1) < 1e-9
    assert catalogue.popularity.min() > 0


def test_ids_have_one_spelling() -> None:
    assert numbered("u", 9, 12).to_list() == ["u0000009", "u0000010", "u0000011"]
    assert numbered("i", 12_345_678, 12_345_679).to_list() == ["i12345678"]
