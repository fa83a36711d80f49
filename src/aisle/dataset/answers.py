"""Explicit test files: who is asked, what the right answers are, and which wrong answers stand beside them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from aisle.dataset import layout
from aisle.errors import AisleError
from aisle.logs.batch import OpenFile
from aisle.logs.blocks import read_blocks
from aisle.logs.columnar import is_frame, open_frame
from aisle.logs.mapping import map_columns
from aisle.logs.read import open_source
from aisle.logs.recipe import FileRecipe, TestRecipe
from aisle.logs.sources import Source, find_sources
from aisle.logs.values import as_text
from aisle.schema.columns import ALIASES, REQUIRED
from aisle.schema.manifest import ArrayInfo
from aisle.storage.arrays import write_array

_NCF_LINE = re.compile(r"^\(([^,]+),([^)]+)\)((?:\t[^\t]+)+)$")


@dataclass(frozen=True)
class Answers:
    """T pairs of a test file.

    Attributes:
        user, item: (T,) String.
        paths: the files.
        context: context column -> (T,) String, for those that the files have.
    """

    user: pl.Series
    item: pl.Series
    paths: list[Path]
    context: dict[str, pl.Series] = field(default_factory=dict)


@dataclass(frozen=True)
class Negatives:
    """Fixed wrong answers of L lines.

    Attributes:
        user: (L,) String.
        item: (M,) String, all lines one after another.
        length: (L,) negatives a line.
        path: the file.
    """

    user: pl.Series
    item: pl.Series
    length: NDArray[np.int64]
    path: Path


def read_answers(given: Any, recipe: TestRecipe, context: Sequence[str] = ()) -> Answers:
    """Read a test file: a path or a frame.

    Args:
        given: the file or files.
        recipe: how to read them.
        context: the log's context columns of kind category; those that every file has too are read.

    Raises:
        AisleError: E101 to E106 where it cannot be read, E205 where a row lacks its user or item.
    """
    files = [open_frame(given)] if is_frame(given) else [open_source(one, recipe) for one in find_sources([given], recipe)]
    asked_in = [name for name in context if all(name in file.schema for file in files)]
    parts = [_read_file(file, recipe, asked_in) for file in files]
    rows = pl.concat(parts)
    if not len(rows):
        raise AisleError(f"test file {files[0].path} has no rows", hint="leave it out, or export it again", code="E205")
    paths = [file.path for file in files if file.on_disk]
    return Answers(rows["user_id"], rows["item_id"], paths, {name: rows[f"context {name}"] for name in asked_in})


def _read_file(file: OpenFile, recipe: TestRecipe, context: Sequence[str]) -> pl.DataFrame:
    """Return one file as text: columns user_id, item_id and "context <name>" for each context column."""
    mapping = map_columns(
        file, recipe.columns, {name: ALIASES[name] for name in REQUIRED}, "[test.columns] {name} = '{column}' in a log recipe"
    )
    missing = [name for name in REQUIRED if name not in mapping]
    if missing:
        raise AisleError(
            f"test file {file.path} has no column for {missing[0]}; its columns are {', '.join(map(repr, file.schema))}",
            hint=f"map it in the log recipe: [test.columns] {missing[0]} = 'THEIR_NAME'",
            code="E205",
        )
    wanted = {name: mapping[name] for name in REQUIRED} | {f"context {name}": name for name in context}
    parts = [pl.DataFrame(schema=dict.fromkeys(wanted, pl.String))]
    for batch in file.batches(list(dict.fromkeys(wanted.values()))):
        rows = pl.DataFrame([as_text(batch.rows[column]).cast(pl.String).alias(name) for name, column in wanted.items()])
        _refuse_bad(file.path, len(batch.bad) + int((rows["user_id"].is_null() | rows["item_id"].is_null()).sum()))
        parts.append(rows)
    return pl.concat(parts)


def _refuse_bad(path: Path, bad: int) -> None:
    if bad:
        raise AisleError(
            f"test file {path}: {bad} rows lack their user or item, or are malformed",
            hint="mend the file, or its format in the log recipe ([test])",
            code="E205",
        )


def read_ncf_negatives(path: Path) -> Negatives:
    """Read NCF's `test.negative`: `(user,item)<tab>negative<tab>...` a line.

    Raises:
        AisleError: E101, E104 where it cannot be read, E205 where a line has another shape.
    """
    source = find_sources([path], FileRecipe(format="tsv"))[0]
    users: list[str] = []
    lengths: list[int] = []
    items: list[str] = []
    for number, line in enumerate(_lines(source), 1):
        match = _NCF_LINE.match(line)
        if match is None:
            raise AisleError(
                f"{path} line {number} is {line[:80]!r}; expected (user,item)<tab>negative<tab>negative...",
                hint="give the file that belongs to --test, in NCF's format",
                code="E205",
            )
        negatives = match[3].split("\t")[1:]
        users.append(match[1].strip())
        lengths.append(len(negatives))
        items += negatives
    return Negatives(pl.Series(users, dtype=pl.String), pl.Series(items, dtype=pl.String), np.array(lengths, np.int64), path)


def _lines(source: Source) -> Iterator[str]:
    for block in read_blocks(source):
        yield from (line for line in block.decode("utf-8", "replace").splitlines() if line)


@dataclass(frozen=True)
class WrongAnswers:
    """Negatives by code.

    Attributes:
        user: (L,) user codes.
        item: (M,) item codes, all lines one after another.
        length: (L,) negatives a line.
        path: the file, for messages.
    """

    user: NDArray[np.int32]
    item: NDArray[np.int32]
    length: NDArray[np.int64]
    path: Path


def write_cases(
    user: NDArray[np.int32],
    item: NDArray[np.int32],
    negatives: WrongAnswers | None,
    folder: Path,
    context: Mapping[str, NDArray[np.int32]] | None = None,
) -> dict[str, ArrayInfo]:
    """Write the test cases: one a user, ordered by user; or one a line where the lines have a context.

    Args:
        user, item: (T,) final codes of the pairs.
        negatives: fixed wrong answers, if the publisher gives some.
        folder: where to.
        context: context column -> (T,) codes.

    Raises:
        AisleError: E205 where users of the test and of the negatives differ, or lines with a context have negatives.
    """
    if context:
        return _write_lines(user, item, negatives, folder, context)
    pairs = np.unique(np.stack([user, item], axis=1), axis=0)
    case_user, start = np.unique(pairs[:, 0], return_index=True)
    offsets = np.concatenate([start, [len(pairs)]]).astype(np.int64)
    arrays: dict[str, NDArray[Any]] = {
        layout.TEST_USER: case_user.astype(np.int32),
        layout.TEST_OFFSETS: offsets,
        layout.TEST_ITEM: np.ascontiguousarray(pairs[:, 1]),
    }
    if negatives is not None:
        arrays[layout.TEST_NEGATIVES] = _negative_table(case_user, pairs, negatives)
    return _write_arrays(arrays, folder)


def _write_lines(
    user: NDArray[np.int32],
    item: NDArray[np.int32],
    negatives: WrongAnswers | None,
    folder: Path,
    context: Mapping[str, NDArray[np.int32]],
) -> dict[str, ArrayInfo]:
    """Write one case a line, ordered by user, context and item, so that the order of the file's lines does not matter."""
    if negatives is not None:
        raise AisleError(
            f"{negatives.path} gives negatives a user, and the test file asks a user several times, in the contexts "
            f"{', '.join(context)}",
            hint="leave the negatives out, or take the context columns out of [test] names",
            code="E205",
        )
    order = np.lexsort((item, *reversed(list(context.values())), user))
    arrays: dict[str, NDArray[Any]] = {
        layout.TEST_USER: user[order],
        layout.TEST_OFFSETS: np.arange(len(order) + 1, dtype=np.int64),
        layout.TEST_ITEM: item[order],
    }
    return _write_arrays(arrays | {layout.test_context(name): codes[order] for name, codes in context.items()}, folder)


def _write_arrays(arrays: Mapping[str, NDArray[Any]], folder: Path) -> dict[str, ArrayInfo]:
    return {name: write_array(folder / f"{name}.npy", np.ascontiguousarray(array)) for name, array in arrays.items()}


def _negative_table(case_user: NDArray[np.int32], pairs: NDArray[np.int32], given: WrongAnswers) -> NDArray[np.int32]:
    """Return (C, N) negatives, a case's own answers left out, -1 on the right."""
    item = given.item
    odd = len(np.setxor1d(case_user, given.user))
    if odd:
        raise AisleError(
            f"{given.path}: {odd} users are in the test file or in the negatives, but not in both",
            hint="give the two files that belong together",
            code="E205",
        )
    case = np.repeat(np.searchsorted(case_user, given.user), given.length)
    n_items = int(max(item.max(initial=0), pairs[:, 1].max())) + 1
    answer = np.searchsorted(case_user, pairs[:, 0]).astype(np.int64) * n_items + pairs[:, 1]
    wrong = ~np.isin(case.astype(np.int64) * n_items + item, answer)
    order = np.argsort(case[wrong], kind="stable")
    case, item = case[wrong][order], item[wrong][order]
    counts = np.bincount(case, minlength=len(case_user))
    table = np.full((len(case_user), int(counts.max(initial=0))), -1, np.int32)
    table[case, np.arange(len(case)) - np.repeat(np.cumsum(counts) - counts, counts)] = item
    return table
