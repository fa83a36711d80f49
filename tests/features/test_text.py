from __future__ import annotations

import numpy as np
import pytest

from aisle.errors import AisleError
from aisle.features.text import hashed_words, text_vectors
from aisle.features.words import words_of

SHOP = ["red nail polish", "blue nail polish", "nail polish remover", "beard oil", "beard balm and oil", "zzz", ""]


def many_texts(count: int = 900) -> list[str]:
    """Simulated titles of two kinds of goods that share no word: enough of them for the sparse solver."""
    random = np.random.default_rng(4)
    return [" ".join(f"{'ab'[row % 2]}{word}" for word in random.integers(0, 300, 8)) for row in range(count)]


def test_words_are_lower_case_without_punctuation_and_ideographs_stand_alone() -> None:
    assert words_of("Nail-Lacquer, N°5 (15ml) 口红abc _x_") == ["nail", "lacquer", "n", "5", "15ml", "口", "红", "abc", "x"]


def test_texts_that_share_words_are_alike_and_others_are_not() -> None:
    vectors = text_vectors(SHOP, 2)
    alike = vectors @ vectors.T
    assert alike[0, 1] > 0.95
    assert alike[3, 4] > 0.95
    assert abs(alike[0, 3]) < 1e-6


def test_every_vector_has_length_one_and_a_text_that_says_nothing_has_none() -> None:
    vectors = text_vectors(SHOP, 4)
    assert vectors.dtype == np.float32
    assert vectors.shape == (7, 4)
    # "zzz" stands in one text only: it makes no two texts alike.
    assert np.linalg.norm(vectors, axis=1).round(5).tolist() == [1, 1, 1, 1, 1, 0, 0]


def test_the_weights_are_those_of_the_formula() -> None:
    # a in 2 of 2 texts: 1 + log(3 / 3) = 1. One kept word: one direction, both texts on it.
    assert text_vectors(["a b", "a c"], 2, pairs=False).tolist() == [[1, 0], [1, 0]]
    # Two words in both texts, once "x" twice: rows (1, 1) and (1 + log 2, 1), both of length 1 afterwards; all directions
    # kept, so the cosine is that of the rows: (1.693 + 1) / (sqrt(2) * sqrt(1.693^2 + 1)) = 0.968.
    vectors = text_vectors(["x y", "x y x"], 2, pairs=False)
    assert float(vectors[0] @ vectors[1]) == pytest.approx((2 + np.log(2)) / np.sqrt(2 * ((1 + np.log(2)) ** 2 + 1)))


@pytest.mark.parametrize("texts", [SHOP, many_texts()], ids=["dense", "sparse"])
def test_the_same_texts_give_the_same_vectors(texts: list[str]) -> None:
    assert np.array_equal(text_vectors(texts, 8), text_vectors(texts, 8))


def test_the_sparse_solver_finds_what_the_dense_one_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = many_texts()
    quick = text_vectors(texts, 6)
    monkeypatch.setattr("aisle.features.text._DENSE_CELLS", 10**9)
    np.testing.assert_allclose(quick, text_vectors(texts, 6), atol=1e-5)


def test_the_order_of_the_texts_does_not_change_what_is_alike() -> None:
    texts = many_texts()
    order = np.random.default_rng(1).permutation(len(texts))
    vectors, shuffled = text_vectors(texts, 6), text_vectors([texts[place] for place in order], 6)
    np.testing.assert_allclose(shuffled @ shuffled.T, (vectors @ vectors.T)[order][:, order], atol=1e-4)


@pytest.mark.parametrize("texts", [[], [""], ["alone"], ["", "..."]])
def test_without_words_there_are_zeros(texts: list[str]) -> None:
    assert np.array_equal(text_vectors(texts, 3), np.zeros((len(texts), 3), np.float32))


def test_only_the_most_frequent_words_are_kept_when_there_are_many() -> None:
    vectors = text_vectors(["a b", "a b", "a c", "c"], 2, pairs=False, max_words=1)
    assert np.abs(vectors).sum(axis=1).tolist() == [1, 1, 1, 0]


def test_a_width_that_makes_no_vector_is_refused() -> None:
    with pytest.raises(AisleError, match="width 0"):
        text_vectors(["a"], 0)


def test_hashed_words_are_codes_that_do_not_depend_on_other_texts() -> None:
    field = hashed_words("title", ["red nail red", "", "nail"], 1000)
    alone = hashed_words("title", ["nail"], 1000)
    assert (field.size, field.code.shape) == (1000, (3, 2))
    assert field.code[0, 1] == field.code[2, 0] == alone.code[0, 0]
    assert field.code[1].tolist() == [-1, -1]
    assert hashed_words("title", ["a b c d"], 1000, max_words=2).code.shape == (1, 2)
