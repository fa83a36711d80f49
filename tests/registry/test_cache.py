"""Copies on this machine: whole, checked, few."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from aisle.bundle.check import check_bundle
from aisle.bundle.signature import make_key
from aisle.errors import AisleError
from aisle.registry.registry import Registry
from aisle.registry.store import Store
from tests.registry.bundles import make_bundle, sign_later


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


@pytest.mark.parametrize("damage", ["altered", "cut short", "gone", "another bundle"])
def test_a_copy_that_is_not_the_bundle_any_more_is_fetched_again(
    damage: str, registry: Registry, three: tuple[str, str, str], tmp_path: Path
) -> None:
    folder = registry.fetch(three[0], tmp_path / "cache")
    if damage == "another bundle":  # whole in itself, under the name of this one
        folder.rename(tmp_path / "away")
        make_bundle(folder, content="other")
    elif damage == "gone":
        (folder / "recipe.json").unlink()
    else:
        (folder / "recipe.json").write_text("[]" if damage == "altered" else "")
    again = registry.fetch(three[0], tmp_path / "cache")
    assert (again, check_bundle(again)) == (folder, check_bundle(tmp_path / "a"))
    assert copies(tmp_path / "cache") == {three[0]}


def test_a_key_that_is_given_later_is_held_against_the_copy_too(registry: Registry, url: str, tmp_path: Path) -> None:
    public, stranger = make_key(tmp_path / "key"), make_key(tmp_path / "stranger")
    made = make_bundle(tmp_path / "bundle")
    registry.publish(tmp_path / "bundle")
    registry.fetch(made, tmp_path / "cache")
    asks = Registry(url, public_key=public)
    with pytest.raises(AisleError) as caught:
        asks.fetch(made, tmp_path / "cache")
    assert caught.value.code == "E010"
    sign_later(tmp_path / "bundle", tmp_path / "key")
    registry.publish(tmp_path / "bundle")
    assert (asks.fetch(made, tmp_path / "cache") / "manifest.sig").is_file()
    with pytest.raises(AisleError) as caught:
        Registry(url, public_key=stranger).fetch(made, tmp_path / "cache")
    assert caught.value.code == "E011"


def test_what_is_not_signed_is_refused_before_its_files_are_fetched(
    registry: Registry, url: str, three: tuple[str, str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, got = Store.get, []

    def note(self: Store, path: str, target: Path) -> bool:
        got.append(target.name)
        return real(self, path, target)

    monkeypatch.setattr(Store, "get", note)
    with pytest.raises(AisleError):
        Registry(url, public_key=make_key(tmp_path / "key")).fetch(three[0], tmp_path / "cache")
    assert set(got) == {"manifest.json", "manifest.sha256", "manifest.sig"}
