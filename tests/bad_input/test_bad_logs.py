"""More than 40 kinds of bad input: each ends in an error that the user can mend or in counted rejects, in nothing else."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import zstandard

from aisle.dataset.prepare import prepare
from aisle.dataset.reader import Dataset
from aisle.errors import AisleError
from aisle.logs.recipe import make_log_recipe

HEADER = "user_id,item_id,event,timestamp\n"
GOOD = "".join(f"u{i % 9},i{i % 7},view,{1_500_000_000 + i}\n" for i in range(98))
FRAME = pl.read_csv((HEADER + GOOD).encode())

Make = Callable[[Path], Any]


@dataclass(frozen=True)
class Case:
    """A bad input: how it is made, and what must come of it: an error's code, or the reasons of rejects."""

    name: str
    make: Make
    code: str = ""
    rejects: dict[str, int] = field(default_factory=dict)
    recipe: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)


def text(name: str, content: str | bytes) -> Make:
    return lambda folder: put(folder / name, content.encode() if isinstance(content, str) else content)


def put(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def rows(extra: str) -> Make:
    return text("log.csv", HEADER + GOOD + extra)


def frame(**columns: Any) -> Make:
    return lambda _: FRAME.with_columns(**columns)


def parquet(cut: slice) -> Make:
    def make(folder: Path) -> Path:
        FRAME.write_parquet(folder / "log.parquet")
        return put(folder / "log.parquet", (folder / "log.parquet").read_bytes()[cut])

    return make


def damaged_parquet(folder: Path) -> Path:
    FRAME.write_parquet(folder / "log.parquet")
    data = bytearray((folder / "log.parquet").read_bytes())
    data[40:400] = b"\xff" * 360
    return put(folder / "log.parquet", bytes(data))


def two_files(folder: Path) -> list[Path]:
    FRAME.write_csv(folder / "a.csv")
    return [folder / "a.csv", put(folder / "b.csv", b"")]


def folder_of_other_things(folder: Path) -> Path:
    put(folder / "README.md", b"words")
    return folder


def folder_named_as_a_file(folder: Path) -> Path:
    (folder / "log.csv").mkdir()
    return folder / "log.csv"


def dangling_link(folder: Path) -> Path:
    (folder / "log.csv").symlink_to(folder / "none")
    return folder / "log.csv"


def json_lines(*lines: str) -> Make:
    good = '{"user_id": 1, "item_id": 2, "event": "view", "timestamp": 1500000000}\n'
    return text("log.jsonl", good * 98 + "\n".join(lines) + "\n")


COMPRESSED = zstandard.compress((HEADER + GOOD).encode())
EVERYTHING = {"reason": "x", "column": "event", "op": "not_null"}
CASES = [
    # files
    Case("no such file", lambda folder: folder / "none.csv", "E101"),
    Case("glob without match", lambda folder: str(folder / "*.csv"), "E101"),
    Case("folder without logs", folder_of_other_things, "E101"),
    Case("empty folder", lambda folder: folder, "E101"),
    Case("folder named as a file", folder_named_as_a_file, "E101"),
    Case("no sources", lambda _: [], "E101"),
    Case("dangling link", dangling_link, "E101"),
    Case("suffix that names no format", text("log.dat", HEADER + GOOD), "E102"),
    Case("parquet named csv", lambda folder: _renamed(folder, "log.csv"), "E102"),
    Case("csv named parquet", text("log.parquet", HEADER + GOOD), "E102"),
    Case("gzip that is none", text("log.csv.gz", HEADER + GOOD), "E102"),
    Case("zstd that is none", text("log.csv.zst", HEADER + GOOD), "E102"),
    Case("csv named gzip inside zst", lambda folder: put(folder / "log.csv.zst", gzip.compress(b"x")), "E102"),
    Case("csv named xlsx", text("log.xlsx", HEADER + GOOD), "E102"),
    Case("zip named xlsx", text("log.xlsx", b"PK\x03\x04" + b"\0" * 100), "E104"),
    Case("object that is no log", lambda _: {"user_id": [1]}, "E102"),
    # content of files
    Case("empty file", text("log.csv", ""), "E103"),
    Case("one empty file of two", two_files, "E103"),
    Case("blank lines only", text("log.csv", "\n\n\n"), "E103"),
    Case("header only", text("log.csv", HEADER), "E103"),
    Case("frame without rows", lambda _: FRAME.clear(), "E103"),
    Case("empty gzip", lambda folder: put(folder / "log.csv.gz", gzip.compress(b"")), "E103"),
    Case("binary named csv", text("log.csv", bytes(range(256)) * 10), "E102"),
    Case("utf-16", text("log.csv", (HEADER + GOOD).encode("utf-16")), "E102"),
    Case("wrong delimiter", text("log.csv", (HEADER + GOOD).replace(",", ";")), "E105"),
    Case("old Mac line ends", text("log.csv", (HEADER + GOOD).replace("\n", "\r")), "E102"),
    Case("truncated gzip", lambda folder: put(folder / "log.csv.gz", gzip.compress((HEADER + GOOD).encode())[:-20]), "E104"),
    Case("gzip of one byte", lambda folder: put(folder / "log.csv.gz", b"\x1f\x8b"), "E104"),
    Case("truncated zstd", lambda folder: put(folder / "log.csv.zst", COMPRESSED[:-9]), "E104"),
    Case("damaged zstd", lambda folder: put(folder / "log.csv.zst", COMPRESSED[:9] + b"\xff" * 9 + COMPRESSED[18:]), "E104"),
    Case("truncated parquet", parquet(slice(0, -100)), "E104"),
    Case("parquet of four bytes", parquet(slice(0, 4)), "E104"),
    Case("damaged parquet", damaged_parquet, "E104"),
    Case("json array", text("log.jsonl", '[{"user_id": 1}]'), "E102"),
    Case("csv named jsonl", text("log.jsonl", HEADER + GOOD), "E102"),
    # columns
    Case("no header", text("log.csv", GOOD), "E105"),
    Case("duplicate columns", text("log.csv", "user_id,user_id,event,timestamp\n1,2,view,3\n"), "E114"),
    Case("two columns for one part", frame(uid=pl.lit(1), visitorid=pl.lit(2)), "", {}),
    Case("two aliases for one part", lambda _: FRAME.rename({"user_id": "uid"}).with_columns(visitorid=pl.lit(2)), "E106"),
    Case("no user column", lambda _: FRAME.drop("user_id"), "E105"),
    Case("no event column", lambda _: FRAME.drop("event"), "E108"),
    Case("no time column", lambda _: FRAME.drop("timestamp"), "E115"),
    Case("mapped column missing", lambda _: FRAME, "E105", recipe={"columns": {"user_id": "visitor"}}),
    Case("order column missing", lambda _: FRAME, "E105", recipe={"order": "place"}),
    Case("filter column missing", lambda _: FRAME, "E105", recipe={"filters": [{"reason": "x", "column": "y", "op": "is_null"}]}),
    Case("ids that are lists", frame(user_id=pl.concat_list("user_id")), "E116"),
    Case("times that are lists", frame(timestamp=pl.concat_list("timestamp")), "E116"),
    # values: rejects
    Case("broken UTF-8", text("log.csv", (HEADER + GOOD).encode() + b"u\xff,i1,view,1500000000\n"), rejects={"broken UTF-8": 1}),
    Case("NUL byte", rows("u\0,i1,view,1500000000\n"), rejects={"NUL byte": 1}),
    Case("too many fields", rows("u1,i1,view,1500000000,9\n"), rejects={"5 fields, not 4": 1}),
    Case("too few fields", rows("u1,i1\n"), rejects={"2 fields, not 4": 1}),
    Case("unbalanced quote", rows('"u1,i1,view,1500000000\n'), rejects={"quote never closed": 1}),
    Case("10 MB field", rows("u" * (10 << 20) + ",i1,view,1500000000\n"), rejects={"line over 1 MiB": 1}),
    Case("10 MB id in a frame", lambda _: _with_last("user_id", "u" * (10 << 20)), rejects={"user over 1024 bytes": 1}),
    Case("time in 1900", rows("u1,i1,view,1900-01-01\n"), rejects={"impossible time": 1}),
    Case("time in 2999", rows("u1,i1,view,2999-12-31T00:00:00Z\n"), rejects={"impossible time": 1}),
    Case("milliseconds among seconds", rows("u1,i1,view,1500000000000\n"), rejects={"impossible time": 1}),
    Case("time that is no time", rows("u1,i1,view,yesterday\n"), rejects={"unparsable time": 1}),
    Case("30 February", rows("u1,i1,view,2017-02-30\n"), rejects={"unparsable time": 1}),
    Case("unknown event", rows("u1,i1,gaze,1500000000\n"), rejects={"unknown event": 1}),
    Case("NaN ids", lambda _: _with_last("item_id", None), rejects={"missing item": 1}),
    Case("words for no id", rows("NaN,i1,view,1500000000\nnull,i1,view,1500000000\n"), rejects={"missing user": 2}),
    Case("negative quantity", lambda _: _quantities(-1.0), rejects={"negative quantity": 1}),
    Case("infinite quantity", lambda _: _quantities(float("inf")), rejects={"unreadable quantity": 1}),
    Case("infinite price", lambda _: _quantities(float("-inf"), "price"), rejects={"unreadable price": 1}),
    Case("price beyond float32", lambda _: _quantities(1e300, "price"), rejects={"unreadable price": 1}),
    Case("broken JSON line", json_lines('{"user_id": 1,'), rejects={"no JSON object": 1}),
    Case("JSON line that is no object", json_lines("[1, 2]", '"text"'), rejects={"no JSON object": 2}),
    Case("deeply nested JSON", json_lines("[" * 200_000), rejects={"no JSON object": 1}),
    # values: over the limit
    Case("null everything", lambda _: FRAME.with_columns(pl.lit(None).alias(name) for name in FRAME.columns[:2]), "E109"),
    Case("columns without a value", lambda _: pl.DataFrame({name: [None] * 9 for name in FRAME.columns}), "E109"),
    Case("rejects over the limit", rows("u1,i1,gaze,1\n"), "E109", options={"max_rejects": 0.01}),
    Case("no rejects allowed", rows("u1,i1,gaze,1\n"), "E109", options={"max_rejects": 0.0}),
    Case("a limit that is no share", rows(""), "E206", options={"max_rejects": 5.0}),
    Case("everything filtered", lambda _: FRAME, "E110", recipe={"filters": [EVERYTHING]}),
    # odd, and yet sound
    Case("byte-order mark", text("log.csv", "\ufeff" + HEADER + GOOD)),
    Case("Windows line ends", text("log.csv", (HEADER + GOOD).replace("\n", "\r\n"))),
    Case("no line end at the end", text("log.csv", (HEADER + GOOD).rstrip("\n"))),
    Case("mixed id types across files", lambda _: [FRAME, FRAME.with_columns(user_id=pl.lit(7))]),
    Case("one user", frame(user_id=pl.lit("u"))),
    Case("one item", frame(item_id=pl.lit(1))),
    Case("one row", lambda _: FRAME.head(1)),
]  # fmt: skip


def _renamed(folder: Path, name: str) -> Path:
    FRAME.write_parquet(folder / name)
    return folder / name


def _with_last(column: str, value: object) -> pl.DataFrame:
    return FRAME.with_columns(pl.Series(column, [*FRAME[column].to_list()[:-1], value]))


def _quantities(last: float, name: str = "quantity") -> pl.DataFrame:
    return FRAME.with_columns(pl.Series(name, [1.0] * (len(FRAME) - 1) + [last]))


def test_there_are_more_than_forty_kinds() -> None:
    assert len({case.name for case in CASES}) == len(CASES) > 40


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_bad_input_ends_in_a_clear_error_or_counted_rejects(case: Case, tmp_path: Path) -> None:
    source, place = tmp_path / "source", tmp_path / "place"
    source.mkdir()
    place.mkdir()
    given = case.make(source)
    recipe = make_log_recipe(case.recipe, "case")
    if case.code:
        with pytest.raises(AisleError) as caught:
            prepare(given, place / "out", recipe=recipe, **case.options)
        assert caught.value.code == case.code, str(caught.value)
        assert caught.value.hint
        assert list(place.iterdir()) == []
        return
    manifest = prepare(given, place / "out", recipe=recipe, **case.options)
    assert manifest.rejects == case.rejects
    assert manifest.rows.read == manifest.rows.kept + sum(case.rejects.values())
    assert len(pl.read_parquet(place / "out" / "rejects.parquet")) == manifest.rows.rejected
    assert len(Dataset(place / "out").histories.item) == manifest.rows.kept
    assert [path.name for path in place.iterdir()] == ["out"]


@pytest.mark.parametrize("place", ["file/out", "file", "x" * 300])
def test_an_output_that_cannot_be_made_is_an_error_and_leaves_nothing(place: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("precious")
    with pytest.raises(AisleError) as caught:
        prepare(FRAME, tmp_path / place)
    assert caught.value.code in ("E601", "E602")
    assert (tmp_path / "file").read_text() == "precious"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
