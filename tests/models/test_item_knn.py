from __future__ import annotations

import numpy as np
import pytest

from aisle.errors import AisleError
from aisle.models import item_knn
from aisle.models.item_knn import ItemKNN, ItemKNNConfig
from tests.models.communities import histories

# Item 0 is known by users 0, 1, 2; item 1 by 0, 1; item 2 by 2; item 3 by nobody.
TRAIN = histories([[0, 1], [1, 0, 0], [0, 2]])
PLAIN = ItemKNNConfig(neighbours=10, shrink=0, weighting="none")


def test_similarity_is_the_cosine_of_who_knows_an_item() -> None:
    similar = ItemKNN.fit(PLAIN, TRAIN, 4).similar(np.array([0]))[0]
    # 0 and 1 share two users: 2 / (sqrt(3) sqrt(2)). 0 and 2 share one: 1 / (sqrt(3) sqrt(1)).
    assert similar[1:3] == pytest.approx([2 / np.sqrt(6), 1 / np.sqrt(3)])
    assert np.isneginf(similar[[0, 3]]).all()


def test_shrink_is_added_to_the_denominator() -> None:
    similar = ItemKNN.fit(ItemKNNConfig(10, 5, "none"), TRAIN, 4).similar(np.array([0]))[0]
    assert similar[1:3] == pytest.approx([2 / (np.sqrt(6) + 5), 1 / (np.sqrt(3) + 5)])


def test_tfidf_lets_long_histories_count_less() -> None:
    # Items 0 and 1 share a shopper of 2 items, 0 and 2 one of 3 (2, 3 make it long): the first pair is closer.
    train = histories([[0, 1], [0, 2, 3], [1], [2], [3], [4]])
    similar = ItemKNN.fit(ItemKNNConfig(10, 0, "tfidf"), train, 5).similar(np.array([0]))[0]
    rare, common = np.log(6 / 3), np.log(6 / 4)  # ln((items + 1) / (length + 1))
    single = np.log(6 / 2)
    norm_0 = np.hypot(rare, common)
    assert similar[1] == pytest.approx(rare**2 / (norm_0 * np.hypot(rare, single)))
    assert similar[2] == pytest.approx(common**2 / (norm_0 * np.hypot(common, single)))


def test_a_score_is_the_sum_of_similarities_to_the_distinct_known_items() -> None:
    model = ItemKNN.fit(PLAIN, TRAIN, 4)
    score = model.score(np.array([-1, -1]), histories([[1, 2, 2, 1], [3]]))
    # Item 0: cosine to 1 plus cosine to 2, however often they were bought. Item 1 and 2 share no shopper: nothing to say.
    assert score[0, :3] == pytest.approx([2 / np.sqrt(6) + 1 / np.sqrt(3), -np.inf, -np.inf])
    assert score[1, :3].tolist() == [-np.inf] * 3


def test_neighbours_are_kept_for_each_recommended_item() -> None:
    model = ItemKNN.fit(ItemKNNConfig(1, 0, "none"), TRAIN, 4)
    score = model.score(np.array([0]), histories([[0]]))[0]
    # Item 0's nearest is item 1; items 1 and 2 both keep item 0, their only neighbour.
    assert score[1:3] == pytest.approx([2 / np.sqrt(6), 1 / np.sqrt(3)])
    assert model.score(np.array([0]), histories([[2]]))[0, 0] == -np.inf


def test_every_pair_of_items_agrees_with_the_plain_formula() -> None:
    random = np.random.default_rng(2)
    train = histories([random.integers(0, 15, 6).tolist() for _ in range(40)])
    known_UV = np.zeros((40, 15))
    known_UV[train.rows, train.item] = 1
    norm_V = np.linalg.norm(known_UV, axis=0)
    expected = known_UV.T @ known_UV / (np.outer(norm_V, norm_V) + 3)
    expected[expected == 0] = -np.inf  # nobody knows both: nothing can be said
    np.fill_diagonal(expected, -np.inf)
    similar = ItemKNN.fit(ItemKNNConfig(15, 3, "none"), train, 15).similar(np.arange(15))
    np.testing.assert_allclose(similar, expected, rtol=1e-6)


@pytest.mark.parametrize("cells", [1, 7, 1000])
def test_the_size_of_a_block_never_changes_the_model(cells: int, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(2)
    train = histories([random.integers(0, 15, 6).tolist() for _ in range(40)])
    expected = ItemKNN.fit(ItemKNNConfig(4), train, 15)
    wanted = expected.score(np.zeros(40, np.int64), train)
    monkeypatch.setattr(item_knn, "_BLOCK_CELLS", cells)
    model = ItemKNN.fit(ItemKNNConfig(4), train, 15)
    assert np.array_equal(model.score(np.zeros(40, np.int64), train), wanted)
    every = np.tile(np.arange(15), (40, 1))
    assert np.array_equal(model.score_items(np.zeros(40, np.int64), train, every), wanted)


def test_a_shopper_without_trained_items_is_not_known() -> None:
    model = ItemKNN.fit(PLAIN, TRAIN, 4)
    assert model.knows(np.array([0, 1, -1]), histories([[3], [], [3, 2]])).tolist() == [False, False, True]


def test_an_empty_catalogue_and_an_empty_log_do_not_crash() -> None:
    assert ItemKNN.fit(PLAIN, histories([[]]), 0).score(np.array([0]), histories([[]])).shape == (1, 0)
    assert np.isneginf(ItemKNN.fit(PLAIN, histories([[]]), 3).score(np.array([0]), histories([[1]]))).all()


@pytest.mark.parametrize("settings", [{"neighbours": 0}, {"shrink": -1.0}, {"weighting": "tf-idf"}])
def test_wrong_settings_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(AisleError, match="E302"):
        ItemKNNConfig(**settings)  # type: ignore[arg-type]
