"""Two towers on the simulated shop: what of the catalogue is read, what is foreseen, what an index gets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from aisle.dataset.reader import Dataset
from aisle.errors import AisleError
from aisle.experiment.kinds.item_text import item_text_vectors, item_texts
from aisle.experiment.recipe import load_recipe
from aisle.experiment.recommender import Recommender
from aisle.models.two_tower import TwoTower

QUICK = ["evaluate.resamples=20", "baselines=[]", "train.epochs=2", "train.batch_size=256", "parameters.width=16"]


def fit(dataset: Dataset, *settings: str) -> Recommender:
    return Recommender(load_recipe("two-tower", [*QUICK, *settings])).fit(dataset)


def towers(model: Recommender) -> TwoTower:
    assert model.fitted is not None
    assert isinstance(model.fitted.model, TwoTower)
    return model.fitted.model


def test_the_text_of_an_item_is_its_text_columns(dataset: Dataset) -> None:
    titles = dataset.item_feature("title").texts
    assert titles is not None
    assert item_texts(dataset) == list(titles)
    vectors = item_text_vectors(dataset, 8)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(dataset.n_items))


def test_a_recipe_decides_what_is_read(dataset: Dataset) -> None:
    model = towers(fit(dataset, "parameters.text=4", "parameters.fields=false"))
    assert model.item.text.shape == (dataset.n_items, 4)
    assert model.item.feature.num_embeddings == 0
    bare = towers(fit(dataset, "parameters.text=0"))
    assert bare.item.text.shape == (dataset.n_items, 0)
    assert bare.item.feature.num_embeddings > 0
    words = towers(fit(dataset, "parameters.text=0", "parameters.fields=false", "parameters.hashed_words=50"))
    assert words.item.feature.num_embeddings == 50
    assert words.item.present.all()


def test_only_events_of_the_wanted_kind_are_foreseen(dataset: Dataset) -> None:
    everything, purchases = (fit(dataset, *more).records[0].loss for more in ((), ('parameters.target_events=["purchase"]',)))
    assert everything != purchases
    with pytest.raises(AisleError, match="E253"):
        fit(dataset, 'parameters.target_events=["buy"]')


def test_an_item_that_nothing_was_learned_from_is_recommended_by_what_it_is(dataset: Dataset, tmp_path: Path) -> None:
    model = fit(dataset, "split.cold_items=0.2")
    new = np.setdiff1d(np.arange(dataset.n_items), model._split.train.item)  # type: ignore[union-attr]
    assert len(new) >= 0.2 * dataset.n_items
    assert (np.linalg.norm(towers(model).item_vectors()[new], axis=1) > 0.99).all()
    measured = model.evaluate()
    assert any(part.name.startswith("items: new") for part in measured.slices)
    assert measured.counts["unreachable_targets"] == 0
    model.save(tmp_path / "model")
    again = Recommender.load(tmp_path / "model", dataset)
    assert again.evaluate().means == measured.means
