from __future__ import annotations

import csv
import io
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aisle.errors import AisleError
from aisle.logs import blocks
from aisle.logs.delimited import open_delimited
from aisle.logs.recipe import FileRecipe
from aisle.logs.sources import Source


def cut(data: bytes, tmp_path: Path, recipe: FileRecipe | None = None) -> tuple[list[tuple[object, ...]], list[tuple[int, str]]]:
    """Return (line, fields...) of every row, and (line, reason) of every line that is none."""
    path = tmp_path / "log.csv"
    path.write_bytes(data)
    file = open_delimited(Source(path, "csv"), recipe or FileRecipe())
    rows: list[tuple[object, ...]] = []
    bad: list[tuple[int, str]] = []
    for batch in file.batches(list(file.schema)):
        rows += [(line, *fields) for line, fields in zip(batch.line.tolist(), batch.rows.iter_rows(), strict=True)]
        bad += [(entry.line, entry.reason) for entry in batch.bad]
    return rows, bad


def test_rows_know_their_lines_and_blank_lines_are_no_rows(tmp_path: Path) -> None:
    rows, bad = cut(b"a,b\n1,2\n\n3,\n", tmp_path)
    assert rows == [(2, "1", "2"), (4, "3", None)]
    assert bad == []


@pytest.mark.parametrize("data", [b"\xef\xbb\xbfa,b\n1,2\n", b"a,b\r\n1,2\r\n", b"a,b\n1,2", b"a,b\r\n1,2\r"])
def test_byte_order_marks_and_line_ends_do_not_matter(data: bytes, tmp_path: Path) -> None:
    assert cut(data, tmp_path) == ([(2, "1", "2")], [])


def test_quotes_hold_separators_line_breaks_and_quotes(tmp_path: Path) -> None:
    rows, bad = cut(b'a,b\n"x,y",1\n"p\nq",2\n"say ""hi""",3\n5,"6"\n', tmp_path)
    assert rows == [(2, "x,y", "1"), (3, "p\nq", "2"), (5, 'say "hi"', "3"), (6, "5", "6")]
    assert bad == []


def test_bad_lines_are_told_and_the_rest_goes_on(tmp_path: Path) -> None:
    data = b'a,b\n1,2\n1,2,3\n1\n\xff\xfe,1\nx\0,1\n"open,1\n"x"y,1\n7,8\n'
    rows, bad = cut(data, tmp_path)
    assert rows == [(2, "1", "2"), (9, "7", "8")]
    assert [line for line, _ in bad] == [3, 4, 5, 6, 7, 8]
    assert [reason.split(",")[0] for _, reason in bad] == [
        "3 fields", "1 fields", "broken UTF-8", "NUL byte", "misplaced quote", "misplaced quote",
    ]  # fmt: skip


def test_a_quote_left_open_costs_its_own_line_only(tmp_path: Path) -> None:
    rows, bad = cut(b'a,b\n"open,1\n2,3\n4,5\n', tmp_path)
    assert rows == [(3, "2", "3"), (4, "4", "5")]
    assert bad == [(2, "quote never closed")]


def test_a_quote_inside_a_field_is_a_plain_character(tmp_path: Path) -> None:
    assert cut(b'a,b\n5" pipe,1\n', tmp_path)[0] == [(2, '5" pipe', "1")]


def test_a_line_over_a_mebibyte_is_told_and_the_rest_goes_on(tmp_path: Path) -> None:
    rows, bad = cut(b"a,b\n1,2\n" + b"x" * (10 << 20) + b",2\n3,4\n", tmp_path)
    assert rows == [(2, "1", "2"), (4, "3", "4")]
    assert bad == [(3, "line over 1 MiB")]


def test_separators_may_be_long_or_several(tmp_path: Path) -> None:
    names = ("a", "b", "c")
    movies = FileRecipe(separator="::", header=False, names=names)
    assert cut(b'1::"Quoted" 5" (1995)::x\n', tmp_path, movies)[0] == [(1, "1", '"Quoted" 5" (1995)', "x")]
    frappe = FileRecipe(separator=("-", ","), header=False, names=names)
    assert cut(b"7-958,43\n", tmp_path, frappe)[0] == [(1, "7", "958", "43")]


def test_names_replace_a_header(tmp_path: Path) -> None:
    assert cut(b"a,b\n1,2\n", tmp_path, FileRecipe(names=("x", "y")))[0] == [(2, "1", "2")]


def test_latin_1_is_read_where_the_recipe_says_so(tmp_path: Path) -> None:
    assert cut("a,b\n1,café\n".encode("latin-1"), tmp_path, FileRecipe(encoding="latin-1"))[0] == [(2, "1", "café")]


@pytest.mark.parametrize("data", [b"\n\n", b"a,a\n1,2\n", "a,b\n1,2\n".encode("utf-16"), b"\x00\x01\x02\x03"])
def test_what_is_no_table_of_text_is_refused(data: bytes, tmp_path: Path) -> None:
    with pytest.raises(AisleError, match=r"log\.csv"):
        cut(data, tmp_path)


cells = st.text(st.characters(codec="utf-8", exclude_characters="\0\r", exclude_categories=["Cs"]), max_size=6)


@settings(max_examples=30, deadline=None)
@given(rows=st.lists(st.tuples(cells, cells), min_size=1, max_size=30), block_bytes=st.integers(5, 200))
def test_any_text_survives_csv_whatever_the_block_size(
    rows: list[tuple[str, str]], block_bytes: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows([("a", "b"), *rows])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "BLOCK_BYTES", block_bytes)
        read, bad = cut(text.getvalue().encode(), tmp_path_factory.mktemp("csv"))
    assert bad == []
    assert [fields[1:] for fields in read] == [tuple(cell or None for cell in row) for row in rows]


def test_fast_and_slow_lines_keep_the_order_of_the_file(tmp_path: Path) -> None:
    lines = [f'"{i}",{i}' if i % 7 == 0 else f"{i},{i}" for i in range(1000)]
    rows, _ = cut("\n".join(["a,b", *lines]).encode(), tmp_path)
    assert rows == [(i + 2, str(i), str(i)) for i in range(1000)]
    assert pl.Series([row[1] for row in rows]).cast(pl.Int64).is_sorted()


def test_a_header_with_misplaced_quotes_is_refused_and_says_so(tmp_path: Path) -> None:
    with pytest.raises(AisleError, match=r"header line of .* has misplaced quotes") as caught:
        cut(b'""user_id,item_id\n1,2\n', tmp_path)
    assert caught.value.code == "E102"
