from __future__ import annotations

from pathlib import Path

import pytest

from aisle.errors import AisleError
from aisle.logs.recipe import LogRecipe
from aisle.logs.sources import find_sources
from tests.logs.files import ROWS, write


def found(*paths: Path | str) -> list[str]:
    return [source.path.name for source in find_sources(paths, LogRecipe())]


def test_a_folder_gives_its_logs_sorted_and_nothing_else(tmp_path: Path) -> None:
    for name in ("b.csv", "a.parquet", "deep/c.jsonl.gz", ".hidden.csv", "_SUCCESS.csv"):
        write(ROWS, tmp_path / name)
    (tmp_path / "README.md").write_text("words")
    assert found(tmp_path) == ["a.parquet", "b.csv", "c.jsonl.gz"]


def test_a_glob_gives_its_matches_sorted(tmp_path: Path) -> None:
    for name in ("day-2.csv", "day-1.csv", "other.csv"):
        write(ROWS, tmp_path / name)
    assert found(str(tmp_path / "day-*.csv")) == ["day-1.csv", "day-2.csv"]


def test_files_keep_the_order_they_are_given_in(tmp_path: Path) -> None:
    paths = [write(ROWS, tmp_path / name) for name in ("b.csv", "a.csv")]
    assert found(*paths) == ["b.csv", "a.csv"]


def test_a_file_whose_name_has_brackets_is_no_glob(tmp_path: Path) -> None:
    assert found(write(ROWS, tmp_path / "day[1].csv")) == ["day[1].csv"]


@pytest.mark.parametrize(("name", "content"), [("none.csv", None), ("log.dat", b"1::2"), ("empty.csv", b"")])
def test_what_cannot_be_a_log_is_refused(tmp_path: Path, name: str, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(AisleError, match=name):
        find_sources([tmp_path / name], LogRecipe())


def test_a_recipe_says_what_a_file_with_another_suffix_is(tmp_path: Path) -> None:
    (tmp_path / "ratings.dat").write_bytes(b"1::2")
    assert find_sources([tmp_path / "ratings.dat"], LogRecipe(format="csv"))[0].format == "csv"
