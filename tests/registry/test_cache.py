"""Copies on this machine: whole, checked, few."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from aisle.bundle.check import check_bundle
from aisle.errors import AisleError
from aisle.registry.registry import Registry
from aisle.registry.store import Store
from tests.registry.bundles import make_bundle


def copies(cache: Path) -> set[str]:
    return {path.name for path in cache.iterdir() if path.is_dir()}


def test_a_fetched_bundle_is_the_published_one(registry: Registry, three: tuple[str, str, str], tmp_path: Path) -> None:
    folder = registry.fetch(three[1], tmp_path / "cache")
    assert folder == tmp_path / "cache" / three[1]
    assert check_bundle(folder) == check_bundle(tmp_path / "b")
    assert (folder / "model" / "scorer.json").read_text() == "b"


def test_a_copy_that_is_there_is_not_fetched_again(
    registry: Registry, three: tuple[str, str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = registry.fetch(three[0], tmp_path / "cache")
    monkeypatch.setattr(Store, "get", None)
    assert registry.fetch(three[0], tmp_path / "cache") == folder


def test_the_copies_that_were_not_used_for_longest_are_removed(registry: Registry, tmp_path: Path) -> None:
    ids = []
    for number in range(4):
        make_bundle(tmp_path / str(number), content=str(number))
        ids.append(registry.publish(tmp_path / str(number)).id)
    cache = tmp_path / "cache"
    for number in (0, 1, 0):
        registry.fetch(ids[number], cache, keep=2)
    registry.fetch(ids[2], cache, keep=2)
    assert copies(cache) == {ids[0], ids[2]}
    registry.fetch(ids[3], cache, keep=1)
    assert copies(cache) == {ids[3]}


def test_a_bundle_that_was_altered_in_the_registry_never_arrives(
    registry: Registry, three: tuple[str, str, str], url: str, tmp_path: Path
) -> None:
    for path, content, code in (("recipe.json", b"[]", "E006"), ("model/scorer.json", b"long", "E007")):
        (tmp_path / "altered").write_bytes(content)
        Store(url).put(tmp_path / "altered", f"bundles/{three[0]}/{path}")
        with pytest.raises(AisleError, match=path) as caught:
            registry.fetch(three[0], tmp_path / "cache")
        assert caught.value.code == code
        assert copies(tmp_path / "cache") == set()


def test_a_file_that_is_gone_from_the_registry_is_named(three: tuple[str, str, str], url: str, tmp_path: Path) -> None:
    if url.startswith("memory"):
        pytest.skip("one way to remove a file is enough")
    (Path(url) / "bundles" / three[0] / "recipe.json").unlink()
    with pytest.raises(AisleError, match=r"recipe\.json") as caught:
        Registry(url).fetch(three[0], tmp_path / "cache")
    assert caught.value.code == "E005"


def test_many_who_want_the_same_bundle_get_it_whole(registry: Registry, three: tuple[str, str, str], tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        folders = set(pool.map(lambda _: registry.fetch(three[2], tmp_path / "cache"), range(16)))
    (folder,) = folders
    check_bundle(folder)
