"""Publish, promote, roll back: what is visible is whole, and history is never lost."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import pytest

from aisle.bundle.signature import make_key
from aisle.errors import AisleError
from aisle.registry.history import Entry
from aisle.registry.registry import Registry
from aisle.registry.store import Store
from tests.registry.bundles import make_bundle, sign_later


def code_of(caught: pytest.ExceptionInfo[AisleError]) -> str:
    return caught.value.code


def test_a_bundle_is_called_by_the_hash_of_its_manifest_and_published_once(registry: Registry, tmp_path: Path) -> None:
    made = make_bundle(tmp_path / "bundle", "gifts")
    first, again = registry.publish(tmp_path / "bundle"), registry.publish(tmp_path / "bundle")
    assert (first.id, first.name, first.is_new) == (made, "gifts", True)
    assert (again.id, again.is_new) == (made, False)
    assert [manifest.name for manifest in registry.bundles().values()] == ["gifts"]


def test_a_bundle_that_is_not_whole_is_not_published(registry: Registry, tmp_path: Path) -> None:
    make_bundle(tmp_path / "bundle")
    (tmp_path / "bundle" / "recipe.json").write_text("{ }")
    with pytest.raises(AisleError) as caught:
        registry.publish(tmp_path / "bundle")
    assert code_of(caught) == "E007"
    assert registry.bundles() == {}


def test_half_an_upload_is_no_bundle_and_the_next_publish_finishes_it(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_bundle(tmp_path / "bundle")
    real, put = Store.put, []

    def dies_at_the_second_file(self: Store, source: Path, path: str) -> None:
        put.append(path)
        if len(put) == 2:
            raise KeyboardInterrupt
        real(self, source, path)

    monkeypatch.setattr(Store, "put", dies_at_the_second_file)
    with pytest.raises(KeyboardInterrupt):
        registry.publish(tmp_path / "bundle")
    assert registry.bundles() == {}
    with pytest.raises(AisleError) as caught:
        registry.promote(made)
    assert code_of(caught) == "E041"

    monkeypatch.setattr(Store, "put", real)
    assert registry.publish(tmp_path / "bundle").is_new
    assert registry.fetch(made, tmp_path / "cache").name == made


def test_another_manifest_under_the_same_id_is_refused(registry: Registry, url: str, tmp_path: Path) -> None:
    made = make_bundle(tmp_path / "bundle")
    Store(url).create(f"bundles/{made}/manifest.json", b"{}")
    with pytest.raises(AisleError, match="another bundle under the id") as caught:
        registry.publish(tmp_path / "bundle")
    assert code_of(caught) == "E042"


def test_a_registry_with_a_key_takes_and_gives_only_what_that_key_signed(url: str, tmp_path: Path) -> None:
    public = make_key(tmp_path / "key")
    make_bundle(tmp_path / "plain")
    with pytest.raises(AisleError) as caught:
        Registry(url, public_key=public).publish(tmp_path / "plain")
    assert code_of(caught) == "E010"
    plain = Registry(url).publish(tmp_path / "plain").id
    with pytest.raises(AisleError) as caught:
        Registry(url, public_key=public).fetch(plain, tmp_path / "cache")
    assert code_of(caught) == "E010"
    signed = make_bundle(tmp_path / "signed", "signed", key=tmp_path / "key")
    registry = Registry(url, public_key=public)
    registry.publish(tmp_path / "signed")
    assert (registry.fetch(signed, tmp_path / "cache") / "manifest.sig").is_file()


def test_a_bundle_that_is_signed_later_gets_its_signature_and_never_another_one(
    registry: Registry, url: str, tmp_path: Path
) -> None:
    public, _ = make_key(tmp_path / "key"), make_key(tmp_path / "other")
    made = make_bundle(tmp_path / "bundle")
    assert not registry.publish(tmp_path / "bundle").is_signed_now
    sign_later(tmp_path / "bundle", tmp_path / "key")
    later, again = registry.publish(tmp_path / "bundle"), registry.publish(tmp_path / "bundle")
    assert [(one.is_new, one.is_signed_now) for one in (later, again)] == [(False, True), (False, False)]
    assert (Registry(url, public_key=public).fetch(made, tmp_path / "cache") / "manifest.sig").is_file()
    sign_later(tmp_path / "bundle", tmp_path / "other")
    with pytest.raises(AisleError, match="another key") as caught:
        registry.publish(tmp_path / "bundle")
    assert code_of(caught) == "E039"


def test_nothing_is_served_before_a_promote(registry: Registry, three: tuple[str, str, str]) -> None:
    assert registry.current() is None
    assert registry.version() == 0
    assert registry.history() == ()
    assert registry.channels() == []


def test_promote_says_who_when_and_why_and_history_keeps_it(registry: Registry, three: tuple[str, str, str]) -> None:
    first, second, _ = three
    registry.promote(first, why="first model", who="ann")
    registry.promote(second, why="NDCG@10 +0.01", who="ci")
    assert registry.current() == second
    assert registry.version() == 2
    assert [(entry.number, entry.action, entry.bundle, entry.who, entry.why) for entry in registry.history()] == [
        (1, "promote", first, "ann", "first model"),
        (2, "promote", second, "ci", "NDCG@10 +0.01"),
    ]
    assert registry.history()[0].when <= registry.history()[1].when


def test_promoting_what_is_served_adds_nothing(registry: Registry, three: tuple[str, str, str]) -> None:
    entry = registry.promote(three[0], who="ann")
    assert registry.promote(three[0], who="ben") == entry
    assert registry.version() == 1


def test_channels_stand_for_themselves(registry: Registry, three: tuple[str, str, str]) -> None:
    registry.promote(three[0])
    registry.promote(three[1], channel="trial")
    assert (registry.current(), registry.current("trial")) == (three[0], three[1])
    assert registry.channels() == ["production", "trial"]


def test_rollback_goes_back_once_and_twice_and_is_history_too(registry: Registry, three: tuple[str, str, str]) -> None:
    first, second, third = three
    for bundle in three:
        registry.promote(bundle)
    assert registry.rollback(why="complaints").bundle == second
    assert registry.rollback().bundle == first
    with pytest.raises(AisleError, match="it is the first") as caught:
        registry.rollback()
    assert code_of(caught) == "E044"
    # After 1 2 3 back back, what stands is 1; promoting 3 puts it on top of 1, not of what was taken back.
    registry.promote(third)
    assert registry.rollback().bundle == first
    assert [entry.action for entry in registry.history()] == ["promote"] * 3 + ["rollback"] * 2 + ["promote", "rollback"]
    assert [entry.bundle for entry in registry.history()] == [first, second, third, second, first, third, first]


def test_a_rollback_of_what_nobody_promoted_is_refused(registry: Registry) -> None:
    with pytest.raises(AisleError) as caught:
        registry.rollback()
    assert code_of(caught) == "E044"


def test_a_rollback_never_takes_back_what_it_did_not_see(
    registry: Registry, three: tuple[str, str, str], url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.promote(three[0])
    registry.promote(three[1])
    real = Store.create
    tried: list[str] = []

    def somebody_is_first(self: Store, path: str, content: bytes) -> bool:
        if not tried:
            tried.append(path)
            monkeypatch.setattr(Store, "create", real)
            Registry(url).promote(three[2], who="ben")
        return real(self, path, content)

    monkeypatch.setattr(Store, "create", somebody_is_first)
    with pytest.raises(AisleError, match="by ben") as caught:
        registry.rollback()
    assert code_of(caught) == "E045"
    assert registry.current() == three[2]


def test_promotes_at_the_same_time_lose_no_entry(url: str, three: tuple[str, str, str]) -> None:
    def promote(number: int) -> Entry:
        return Registry(url).promote(three[number % 3], why=str(number))

    with ThreadPoolExecutor(8) as pool:
        promised = list(pool.map(promote, range(60)))
    history = Registry(url).history()
    assert set(promised) == set(history)
    assert [entry.number for entry in history] == list(range(1, len(history) + 1))
    # A promote of what is served just then adds nothing, so neighbours differ; every entry stands on the one before.
    assert all(a.bundle != b.bundle for a, b in pairwise(history))
    assert [entry.back_to for entry in history] == [None, *range(1, len(history))]
    assert len({entry.why for entry in history}) == len(history)


def _promote_in_turn(url: str, bundles: tuple[str, str], who: str) -> None:
    for number in range(20):
        Registry(url).promote(bundles[number % 2], channel=f"trial-{number % 4}", who=who)


def test_processes_that_promote_at_the_same_time_lose_no_entry(tmp_path: Path) -> None:
    url = str(tmp_path / "registry")
    bundles = make_bundle(tmp_path / "a", content="a"), make_bundle(tmp_path / "b", content="b")
    for name in "ab":
        Registry(url).publish(tmp_path / name)
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_promote_in_turn, args=(url, bundles, str(number))) for number in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    for channel in Registry(url).channels():
        numbers = [entry.number for entry in Registry(url).history(channel)]
        assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.parametrize("bundle", ["0123456789ab", "..", "a/../b", ""])
def test_a_bundle_that_is_not_there_is_neither_promoted_nor_fetched(registry: Registry, tmp_path: Path, bundle: str) -> None:
    for ask in (lambda: registry.promote(bundle), lambda: registry.fetch(bundle, tmp_path / "cache")):
        with pytest.raises(AisleError) as caught:
            ask()
        assert code_of(caught) == "E041"


def test_a_misspelt_id_gets_the_nearest_one(registry: Registry, three: tuple[str, str, str]) -> None:
    with pytest.raises(AisleError) as caught:
        registry.promote(three[0][:-1] + "0" if three[0][-1] != "0" else three[0][:-1] + "1")
    assert three[0] in caught.value.hint


@pytest.mark.parametrize("channel", ["", "Production", "../x", "a/b"])
def test_a_channel_is_a_plain_word(registry: Registry, three: tuple[str, str, str], channel: str) -> None:
    with pytest.raises(AisleError) as caught:
        registry.promote(three[0], channel=channel)
    assert code_of(caught) == "E043"


def test_a_damaged_entry_is_named_not_skipped(registry: Registry, three: tuple[str, str, str], url: str, tmp_path: Path) -> None:
    registry.promote(three[0])
    for content in (b"", b"{}", b'{"number": 1'):
        (tmp_path / "damage").write_bytes(content)
        Store(url).put(tmp_path / "damage", "history/production/000001.json")
        with pytest.raises(AisleError, match=r"history/production/000001\.json") as caught:
            registry.current()
        assert code_of(caught) == "E046"


def test_an_altered_manifest_is_named(registry: Registry, three: tuple[str, str, str], url: str, tmp_path: Path) -> None:
    manifest = tmp_path / "a" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"shop"', '"sh0p"'))
    Store(url).put(manifest, f"bundles/{three[0]}/manifest.json")
    with pytest.raises(AisleError, match="altered") as caught:
        registry.bundles()
    assert code_of(caught) == "E046"
