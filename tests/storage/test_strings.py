from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from aisle.storage.strings import Strings

texts = st.lists(st.text(st.characters(codec="utf-8")))


@given(texts)
def test_texts_survive_packing(given_texts: list[str]) -> None:
    packed = Strings.pack(given_texts)
    assert list(packed) == given_texts
    assert len(packed) == len(given_texts)
    assert int(packed.offsets[-1]) == len(packed.data) == sum(len(text.encode()) for text in given_texts)
