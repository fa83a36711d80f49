"""Files at an address: whole or not there, and only one of two creators wins."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from aisle.errors import AisleError
from aisle.registry.store import Store


def test_what_was_put_is_read_back(url: str, tmp_path: Path) -> None:
    store = Store(url)
    (tmp_path / "one").write_bytes(b"first")
    store.put(tmp_path / "one", "deep/er/file")
    (tmp_path / "one").write_bytes(b"second")
    store.put(tmp_path / "one", "deep/er/file")
    assert store.read("deep/er/file") == b"second"
    assert store.get("deep/er/file", tmp_path / "two" / "copy")
    assert (tmp_path / "two" / "copy").read_bytes() == b"second"
    assert (store.names("deep"), store.names("deep/er")) == (["er"], ["file"])


def test_what_is_not_there_is_none_and_leaves_nothing(url: str, tmp_path: Path) -> None:
    store = Store(url)
    assert store.read("no/file") is None
    assert store.names("no") == []
    assert not store.get("no/file", tmp_path / "file")
    assert not (tmp_path / "file").exists()


def test_of_many_creators_exactly_one_wins_and_its_content_stays(url: str) -> None:
    store = Store(url)
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda number: store.create("channel/1.json", b"%d" % number), range(40)))
    assert sum(won) == 1
    assert store.read("channel/1.json") == b"%d" % won.index(True)
    assert store.names("channel") == ["1.json"]


def test_an_address_that_nothing_opens_is_named() -> None:
    with pytest.raises(AisleError, match="nosuch://shop") as caught:
        Store("nosuch://shop")
    assert caught.value.code == "E040"


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(AisleError, match="cannot be used") as caught:
        Store(str(tmp_path / "file")).create("a.json", b"")
    assert caught.value.code == "E040"
