from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from aisle.errors import AisleError
from aisle.logs.jsonlines import open_jsonlines
from aisle.logs.recipe import FileRecipe
from aisle.logs.sources import Source


def load(text: str, tmp_path: Path) -> tuple[pl.DataFrame, list[tuple[int, str]]]:
    path = tmp_path / "log.jsonl"
    path.write_text(text)
    file = open_jsonlines(Source(path, "jsonl"), FileRecipe())
    batches = list(file.batches(list(file.schema)))
    return pl.concat([batch.rows for batch in batches]), [(bad.line, bad.reason) for batch in batches for bad in batch.bad]


def test_numbers_stay_numbers_and_a_missing_key_is_missing(tmp_path: Path) -> None:
    rows, _ = load('{"u": 1, "p": 2.5}\n{"u": 2}\n', tmp_path)
    assert rows.to_dicts() == [{"u": 1, "p": 2.5}, {"u": 2, "p": None}]


def test_mixed_types_become_text(tmp_path: Path) -> None:
    rows, _ = load('{"u": 1}\n{"u": "x"}\n{"u": true}\n{"u": [1]}\n', tmp_path)
    assert rows["u"].to_list() == ["1", "x", "true", "[1]"]


def test_broken_lines_are_told_and_the_rest_goes_on(tmp_path: Path) -> None:
    rows, bad = load('{"u": 1}\n{"u": \n7\n' + "[" * 100_000 + '\n\n{"u": 2}\n', tmp_path)
    assert rows["u"].to_list() == [1, 2]
    assert bad == [(2, "no JSON object"), (3, "no JSON object"), (4, "no JSON object")]


def test_numbers_beyond_64_bits_become_text(tmp_path: Path) -> None:
    rows, _ = load('{"u": 123456789012345678901234567890, "v": 1e999}\n', tmp_path)
    assert rows["u"].to_list() == ["123456789012345678901234567890"]
    assert rows["v"].to_list() == [float("inf")]


def test_ids_of_more_than_53_bits_stay_apart_beside_floats(tmp_path: Path) -> None:
    # As floats, 2^53 and 2^53 + 1 would be one id.
    rows, _ = load('{"u": 9007199254740992}\n{"u": 9007199254740993}\n{"u": NaN}\n{"u": 17.0}\n', tmp_path)
    assert rows["u"].to_list() == [9007199254740992, 9007199254740993, None, 17]


def test_a_whole_float_is_the_same_text_as_its_number(tmp_path: Path) -> None:
    rows, _ = load('{"u": 17.0}\n{"u": 17}\n{"u": 2.5}\n{"u": "x"}\n', tmp_path)
    assert rows["u"].to_list() == ["17", "17", "2.5", "x"]


def test_lists_of_words_are_lists(tmp_path: Path) -> None:
    rows, _ = load('{"c": ["a", "b"], "n": [[1]]}\n{"c": []}\n{"c": [7, null]}\n{}\n', tmp_path)
    assert rows["c"].to_list() == [["a", "b"], [], ["7", None], None]
    assert rows["n"].to_list() == ["[[1]]", None, None, None]


def test_a_key_that_comes_late_is_told(tmp_path: Path) -> None:
    path = _written('{"u": 1}\n' * 1000 + '{"u": 1, "late": 2}\n', tmp_path)
    file = open_jsonlines(Source(path, "jsonl"), FileRecipe())
    assert list(file.schema) == ["u"]
    list(file.batches(["u"]))
    assert list(file.schema) == ["u", "late"]


def test_lone_surrogates_do_not_stop_the_reader(tmp_path: Path) -> None:
    rows, _ = load('{"u": "\\ud800x"}\n', tmp_path)
    assert rows["u"].to_list() == ["?x"]


@pytest.mark.parametrize("text", ['[{"u": 1}]\n', '[\n{"u": 1}]\n', "u,i\n1,2\n", "\n"])
def test_what_is_no_json_lines_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(AisleError, match=r"log\.jsonl"):
        open_jsonlines(Source(_written(text, tmp_path), "jsonl"), FileRecipe())


def _written(text: str, tmp_path: Path) -> Path:
    (tmp_path / "log.jsonl").write_text(text)
    return tmp_path / "log.jsonl"
