from __future__ import annotations

import os
from pathlib import Path

import pytest

from aisle.errors import AisleError
from aisle.storage import atomic
from aisle.storage.atomic import atomic_folder, write_atomic


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_folder_appears_whole(tmp_path: Path) -> None:
    with atomic_folder(tmp_path / "new" / "out") as folder:
        (folder / "a").write_text("1")
        assert not (tmp_path / "new" / "out").exists()
    assert names(tmp_path / "new") == ["out"]
    assert names(tmp_path / "new" / "out") == ["a"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_whatever_is_raised_leaves_nothing(error: type[BaseException], tmp_path: Path) -> None:
    def build() -> None:
        with atomic_folder(tmp_path / "out") as folder:
            (folder / "a").write_text("1")
            raise error

    with pytest.raises(error):
        build()
    assert names(tmp_path) == []


def test_the_old_folder_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old").write_text("1")
    with pytest.raises(AisleError, match="E602"), atomic_folder(tmp_path / "out"):
        pass
    with pytest.raises(ValueError, match="stop"), atomic_folder(tmp_path / "out", overwrite=True):
        raise ValueError("stop")
    assert names(tmp_path / "out") == ["old"]
    with atomic_folder(tmp_path / "out", overwrite=True) as folder:
        (folder / "new").write_text("1")
    assert names(tmp_path / "out") == ["new"]
    assert names(tmp_path) == ["out"]


def test_two_builders_do_not_mix(tmp_path: Path) -> None:
    with atomic_folder(tmp_path / "out") as folder:
        (folder / "a").write_text("1")
        with pytest.raises(AisleError, match="E603"), atomic_folder(tmp_path / "out"):
            pass
        assert names(folder) == ["a"]
    assert names(tmp_path / "out") == ["a"]


def test_what_a_killed_builder_left_is_cleaned_up(tmp_path: Path) -> None:
    (tmp_path / ".out.partial").mkdir()
    (tmp_path / ".out.partial" / "half").write_text("1")
    with atomic_folder(tmp_path / "out") as folder:
        (folder / "a").write_text("1")
    assert names(tmp_path) == ["out"]
    assert names(tmp_path / "out") == ["a"]


@pytest.mark.parametrize("also_new", [False, True])
def test_a_replacement_killed_between_its_renames_is_undone_or_finished(also_new: bool, tmp_path: Path) -> None:
    (tmp_path / ".out.old").mkdir()
    (tmp_path / ".out.old" / "old").write_text("1")
    if also_new:
        (tmp_path / "out").mkdir()
    with pytest.raises(AisleError, match="E602"), atomic_folder(tmp_path / "out"):
        pass
    assert names(tmp_path) == ["out"]
    assert names(tmp_path / "out") == ([] if also_new else ["old"])


@pytest.mark.parametrize("can_exchange", [False, True])
def test_a_replacement_works_with_and_without_the_exchange(
    can_exchange: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old").write_text("1")
    if not can_exchange:
        monkeypatch.setattr(atomic, "_exchange", lambda one, other: False)
    with atomic_folder(tmp_path / "out", overwrite=True) as folder:
        (folder / "new").write_text("1")
    assert names(tmp_path / "out") == ["new"]
    assert names(tmp_path) == ["out"]


def test_a_reader_always_finds_a_folder_while_it_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old").write_text("1")
    (tmp_path / "other").mkdir()
    if not atomic._exchange(tmp_path / "other", tmp_path / "other"):
        pytest.skip("this system cannot exchange two paths")
    seen: list[list[str]] = []
    rename, exchange = Path.rename, atomic._exchange

    def look() -> None:
        seen.append(names(tmp_path / "out"))

    def watched_rename(one: Path, other: Path) -> Path:
        moved = rename(one, other)
        look()
        return moved

    def watched_exchange(one: Path, other: Path) -> bool:
        done = exchange(one, other)
        look()
        return done

    monkeypatch.setattr(Path, "rename", watched_rename)
    monkeypatch.setattr(atomic, "_exchange", watched_exchange)
    with atomic_folder(tmp_path / "out", overwrite=True) as folder:
        (folder / "new").write_text("1")
    # The old one until the exchange, the new one from then on, never nothing.
    assert seen == [["old"], ["new"]]


def test_a_builder_that_starts_during_a_replacement_touches_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old").write_text("1")
    exchange = atomic._exchange

    def meddled_exchange(one: Path, other: Path) -> bool:
        with pytest.raises(AisleError, match="E603"), atomic_folder(tmp_path / "out", overwrite=True):
            pass
        return exchange(one, other)

    monkeypatch.setattr(atomic, "_exchange", meddled_exchange)
    with atomic_folder(tmp_path / "out", overwrite=True) as folder:
        (folder / "new").write_text("1")
    assert names(tmp_path / "out") == ["new"]
    assert names(tmp_path) == ["out"]


def test_only_a_folder_of_its_own_kind_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_text("1")
    with pytest.raises(AisleError, match="E604"), atomic_folder(tmp_path / "photos", overwrite=True, marker="manifest.json"):
        pass
    assert names(tmp_path / "photos") == ["cat.jpg"]
    (tmp_path / "photos" / "manifest.json").write_text("{}")
    with atomic_folder(tmp_path / "photos", overwrite=True, marker="manifest.json") as folder:
        (folder / "new").write_text("1")
    assert names(tmp_path / "photos") == ["new"]


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    write_atomic(tmp_path / "a.json", "1")
    write_atomic(tmp_path / "a.json", b"2")
    assert (tmp_path / "a.json").read_text() == "2"
    assert names(tmp_path) == ["a.json"]


def test_a_parent_that_is_a_file_is_an_error_to_mend(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("1")
    with pytest.raises(AisleError, match="E601"), atomic_folder(tmp_path / "file" / "out"):
        pass
    with pytest.raises(AisleError, match="E601"):
        write_atomic(tmp_path / "file" / "a.json", "1")


def test_errors_that_are_our_own_are_not_blamed_on_the_disk(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic_folder(tmp_path / "out") as folder:
        os.rename(folder / "none", folder / "other")
    assert names(tmp_path) == []
