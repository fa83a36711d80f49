from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from aisle.dataset import layout
from aisle.errors import AisleError
from tests.dataset.logs import LOG, dataset_of

NCF = {"test": {"format": "tsv", "header": False, "names": ["u", "i", "rating", "time"]}}


def written(folder: Path, rating: str, negative: str | None = None) -> dict[str, Path]:
    (folder / "test.rating").write_text(rating)
    if negative is None:
        return {"test": folder / "test.rating"}
    (folder / "test.negative").write_text(negative)
    return {"test": folder / "test.rating", "negatives": folder / "test.negative"}


def test_cases_are_one_a_user_with_all_its_answers(tmp_path: Path) -> None:
    answers = pl.DataFrame({"user": ["zoe", "ann", "ann", "ann"], "item": ["tea", "tea", "cup", "tea"]})
    dataset = dataset_of(LOG, tmp_path, test=answers)
    assert dataset.users.decode(dataset.array(layout.TEST_USER)) == ["ann", "zoe"]
    assert dataset.array(layout.TEST_OFFSETS).tolist() == [0, 2, 3]
    assert dataset.items.decode(dataset.array(layout.TEST_ITEM)) == ["cup", "tea", "tea"]
    # zoe has no events, but is asked about.
    assert dataset.histories.lengths.tolist() == [3, 2, 0]
    assert layout.TEST_NEGATIVES not in dataset.manifest.arrays


def test_ncf_negatives_stand_beside_their_case_without_its_own_answer(tmp_path: Path) -> None:
    files = written(tmp_path, "bob\ttea\t5\t1\nann\tmug\t4\t2\n", "(ann,mug)\tjar\tmug\ttea\n(bob,tea)\tcup\tmug\tjar\n")
    dataset = dataset_of(LOG, tmp_path, NCF, **files)
    negatives = dataset.array(layout.TEST_NEGATIVES)
    assert dataset.users.decode(dataset.array(layout.TEST_USER)) == ["ann", "bob"]
    # ann's own answer, mug, is not among her negatives; her row is padded.
    assert dataset.items.decode(negatives[0, :2]) == ["jar", "tea"]
    assert negatives[0, 2] == -1
    assert dataset.items.decode(negatives[1]) == ["cup", "mug", "jar"]
    # jar is only a negative, and yet an item that can be ranked.
    assert "jar" in list(dataset.items.ids)


def test_test_files_are_part_of_the_content_and_of_the_sources(tmp_path: Path) -> None:
    plain = dataset_of(LOG, tmp_path / "plain").manifest
    files = written(tmp_path, "bob\ttea\t5\t1\n", "(bob,tea)\tcup\n")
    tested = dataset_of(LOG, tmp_path / "tested", NCF, **files).manifest
    assert tested.content_hash != plain.content_hash
    assert [Path(source.path).name for source in tested.sources] == ["test.rating", "test.negative", "<frame>"]


@pytest.mark.parametrize(
    ("rating", "negative"),
    [
        ("", None),
        ("bob\t\t5\t1\n", None),
        ("bob\ttea\n", None),
        ("bob\ttea\t5\t1\n", "(ann,tea)\tcup\n"),
        ("bob\ttea\t5\t1\n", "bob\ttea\tcup\n"),
        ("bob\ttea\t5\t1\n", "(bob,tea)\n"),
        ("bob\ttea\t5\t1\n", "\xff\xfe\0"),
    ],
)
def test_test_files_that_do_not_fit_are_refused_and_nothing_is_left(rating: str, negative: str | None, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    with pytest.raises(AisleError, match=r"test\."):
        dataset_of(LOG, folder, NCF, **written(tmp_path, rating, negative))
    assert list(folder.iterdir()) == []


def test_negatives_need_a_test_file(tmp_path: Path) -> None:
    with pytest.raises(AisleError, match="E205"):
        dataset_of(LOG, tmp_path, negatives=tmp_path / "test.negative")
