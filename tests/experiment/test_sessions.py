"""The baselines of sessions, from the recipe to the saved model."""

from __future__ import annotations

from pathlib import Path

import pytest

from aisle.dataset.reader import Dataset
from aisle.experiment.recipe import load_recipe
from aisle.experiment.recommender import Recommender

SESSIONS = ['split.ask="next-in-session"', "split.repeats=true", "evaluate.filter_seen=false", "evaluate.resamples=0"]


def fitted(model: str, dataset: Dataset) -> Recommender:
    return Recommender(load_recipe("popularity", [f"model={model}", *SESSIONS])).fit(dataset)


@pytest.mark.parametrize("model", ["vs-knn", "recently-viewed"])
def test_what_was_done_last_says_more_about_the_next_item_than_popularity(model: str, dataset: Dataset, tmp_path: Path) -> None:
    trained = fitted(model, dataset)
    measured = trained.evaluate()
    assert measured.counts["cases"] > measured.counts["users"], "every event is its own question"
    assert measured.means["NDCG@10"] > fitted("popularity", dataset).evaluate().means["NDCG@10"]
    trained.save(tmp_path / "model")
    loaded = Recommender.load(tmp_path / "model", dataset)
    assert loaded.evaluate().means == measured.means
    users = dataset.users.decode(range(5))
    assert loaded.recommend(users, filter_seen=False).equals(trained.recommend(users, filter_seen=False))


def test_recently_viewed_shows_the_last_item_first(dataset: Dataset) -> None:
    model = fitted("recently-viewed", dataset)
    user = next(user for user in dataset.users.decode(range(dataset.n_users)) if len(model.known_events(user)) > 3)
    shown = model.recommend([user], k=1, filter_seen=False)
    assert shown["item_id"].to_list() == [model.known_events(user)[-1][0]]
