from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aisle.features.vocabulary import Vocabulary
from aisle.storage.strings import Strings

NUMBERS = Vocabulary(np.array([-3, 0, 17, 2**62], np.int64))
TEXTS = Vocabulary(Strings.pack(["", "17", "a", "é"]))


def test_codes_are_places_and_unknown_ids_are_minus_one() -> None:
    assert NUMBERS.encode([17, 18, -3]).tolist() == [2, -1, 0]
    assert TEXTS.encode(["é", "b", ""]).tolist() == [3, -1, 0]
    assert NUMBERS.decode([3, 0]) == [2**62, -3]
    assert TEXTS.decode([3, 1]) == ["é", "17"]


def test_numbers_and_text_find_each_other() -> None:
    assert NUMBERS.encode(["17", " 17", "x"]).tolist() == [2, 2, -1]
    assert TEXTS.encode([17]).tolist() == [1]


@pytest.mark.parametrize("odd", [None, 2**70, "", "1.5", 17.5, float("nan"), float("inf"), "nan", np.iinfo(np.int64).min])
def test_what_is_no_id_is_unknown_and_never_an_exception(odd: object) -> None:
    assert NUMBERS.encode([odd]).tolist() == [-1]


def test_an_empty_vocabulary_knows_nothing() -> None:
    assert Vocabulary(np.zeros(0, np.int64)).encode([1]).tolist() == [-1]
    assert Vocabulary(Strings.pack([])).encode(["a"]).tolist() == [-1]


@given(st.sets(st.integers(-(2**62), 2**62), min_size=1))
def test_encode_undoes_decode(ids: set[int]) -> None:
    vocabulary = Vocabulary(np.array(sorted(ids), np.int64))
    codes = np.arange(len(ids))
    assert vocabulary.encode(vocabulary.decode(codes)).tolist() == codes.tolist()
