"""A model that was loaded measures what it measured when it was trained, segments of the users table included."""

from __future__ import annotations

from pathlib import Path

import pytest

from aisle.dataset.prepare import prepare
from aisle.dataset.reader import Dataset
from aisle.errors import AisleError
from aisle.experiment.recipe import load_recipe
from aisle.experiment.recommender import Recommender

QUICK = ["evaluate.resamples=50", "baselines=[]"]


@pytest.fixture(scope="module")
def with_segments(shop: Path, dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """The simulated shop with a users table: every third shopper gold, silver, or without a segment."""
    folder = tmp_path_factory.mktemp("segments")
    users = dataset.users.decode(range(dataset.n_users))
    lines = [f"{user},{['gold', 'silver', ''][place % 3]}" for place, user in enumerate(users)]
    (folder / "users.csv").write_text("\n".join(["user_id,segment", *lines, ""]))
    prepare([shop / "events.parquet"], folder / "data", items=shop / "items.parquet", users=folder / "users.csv")
    return Dataset(folder / "data")


def test_segments_of_the_users_table_are_slices_and_missing_ones_are_none(with_segments: Dataset) -> None:
    measured = Recommender(load_recipe("popularity", QUICK)).fit(with_segments).evaluate()
    sizes = {part.name: part.cases for part in measured.slices if part.name.startswith("segment")}
    assert set(sizes) == {"segment: gold", "segment: silver"}
    assert 0 < sum(sizes.values()) < measured.counts["cases"]


def test_a_model_loaded_with_its_dataset_measures_what_the_trained_one_did(with_segments: Dataset, tmp_path: Path) -> None:
    trained = Recommender(load_recipe("item-knn", QUICK)).fit(with_segments)
    trained.save(tmp_path / "model")
    loaded = Recommender.load(tmp_path / "model", with_segments)
    assert loaded.evaluate().to_json() == trained.evaluate().to_json()
    assert {"Revenue@10", "Diversity@10"} <= set(loaded.evaluate().means)


def test_a_model_loaded_alone_says_that_it_has_no_test_cases(with_segments: Dataset, tmp_path: Path) -> None:
    Recommender(load_recipe("popularity", QUICK)).fit(with_segments).save(tmp_path / "model")
    with pytest.raises(AisleError, match="E309"):
        Recommender.load(tmp_path / "model").evaluate()


def test_arrays_of_another_model_are_refused(with_segments: Dataset, tmp_path: Path) -> None:
    for name in ("popularity", "ncf"):
        Recommender(load_recipe(name, [*QUICK, "train.epochs=1"])).fit(with_segments).save(tmp_path / name)
    (tmp_path / "popularity" / "model.safetensors").replace(tmp_path / "ncf" / "model.safetensors")
    with pytest.raises(AisleError, match="E307"):
        Recommender.load(tmp_path / "ncf")


def test_an_item_that_was_only_viewed_is_recommended_when_only_purchases_count_as_seen(dataset: Dataset, tmp_path: Path) -> None:
    buying = [*QUICK, 'split.target_events=["purchase"]', 'split.seen_events=["purchase"]']
    model = Recommender(load_recipe("popularity", buying)).fit(dataset)
    viewed = bought = 0
    users = [user for user in dataset.users.decode(range(dataset.n_users)) if model.known_events(user)]
    shown = model.recommend(users, k=dataset.n_items)
    for (user,), table in shown.group_by("user_id"):
        met, items = model.known_events(user), set(table["item_id"])
        bought_items = {item for item, event in met if event == "purchase"}
        assert not bought_items & items
        bought += len(bought_items)
        viewed += len({item for item, event in met if event == "view"} & items)
    assert viewed > 0
    assert bought > 0
    model.save(tmp_path / "model")
    loaded = Recommender.load(tmp_path / "model")
    assert loaded.recommend(users[:20], k=5).equals(model.recommend(users[:20], k=5))


def test_a_model_that_may_know_the_last_events_still_hides_all_that_was_seen(dataset: Dataset, tmp_path: Path) -> None:
    short = Recommender(load_recipe("item-knn", [*QUICK, "split.known_events=2"])).fit(dataset)
    full = Recommender(load_recipe("popularity", QUICK)).fit(dataset)
    user = max(dataset.users.decode(range(dataset.n_users)), key=lambda user: len(full.known_events(user)))
    assert short.known_events(user) == full.known_events(user)[-2:]
    seen = {item for item, _ in full.known_events(user)}
    assert not seen & set(short.recommend([user], k=50)["item_id"])


def test_new_shoppers_are_answered_with_what_sold_lately_when_the_recipe_says_so(dataset: Dataset, tmp_path: Path) -> None:
    lately = Recommender(load_recipe("item-knn", [*QUICK, "evaluate.fallback_days=3"])).fit(dataset)
    shown = lately.recommend(["nobody"], k=10)
    recent = Recommender(load_recipe("popularity", [*QUICK, 'parameters.kind="recent"', "parameters.days=3"])).fit(dataset)
    best = recent.recommend(["nobody"], k=10)
    assert shown["source"].to_list() == ["popular"] * 10
    assert shown["score"].cast(int).to_list() == best["score"].cast(int).to_list()
    lately.save(tmp_path / "model")
    assert Recommender.load(tmp_path / "model").recommend(["nobody"], k=10).equals(shown)
    with pytest.raises(AisleError) as caught:
        Recommender(load_recipe("item-knn", [*QUICK, "evaluate.fallback_days=0"])).fit(dataset)
    assert caught.value.code == "E707"
