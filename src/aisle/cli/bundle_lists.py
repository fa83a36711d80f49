"""Lists from a bundle for `aisle recommend --bundle`: for a screen, for another program, or for everybody in a file."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import polars as pl

from aisle.bundle.bundle import Bundle
from aisle.bundle.question import Answer, Item, Question
from aisle.cli.output import print_json, print_table, row_progress
from aisle.errors import AisleError
from aisle.storage.atomic import storage_errors, sync_folder

_AT_ONCE = 64  # shoppers in one micro-batch
_PART_SHOPPERS = 50_000  # whose lists are held in memory before they are written
_KINDS = {"int": pl.Int64, "string": pl.String}


@dataclass(frozen=True)
class Ask:
    """What was typed.

    Attributes:
        users: raw ids; none with `items`, and none for everybody.
        items: raw ids, to print items like them.
        k, filter_seen, candidates: as in a question.
        rules: those that were given; the others are the recipe's.
        out: .parquet or .csv; None = the screen.
        as_json: one JSON document instead of tables.
    """

    users: tuple[str, ...]
    items: tuple[str, ...]
    k: int
    filter_seen: bool
    candidates: tuple[str, ...] | None
    rules: Mapping[str, Any]
    out: Path | None
    as_json: bool


def recommend_from_bundle(folder: Path, ask: Ask, public_key: Path | None = None) -> None:
    """Answer what was asked from the bundle in a folder, which must be signed where a key is given."""
    bundle = Bundle.open(folder, public_key=public_key)
    if ask.items:
        _similar(bundle, ask)
        return
    rules = replace(bundle.knowledge.rules, **ask.rules) if ask.rules else None
    like = Question(k=ask.k, filter_seen=ask.filter_seen, candidates=ask.candidates, rules=rules)
    if ask.out is not None:
        users = list(dict.fromkeys(ask.users)) or None
        rows = write_lists(bundle, users, like, ask.out)
        whom = f"{len(bundle.users) if users is None else len(users):,} users"
        told = {"bundle": bundle.id, "rows": rows, "out": str(ask.out)}
        print_json(told) if ask.as_json else click.echo(f"{rows:,} recommendations for {whom} in {ask.out}")
        return
    asked = list(dict.fromkeys(ask.users)) or bundle.users.decode(range(len(bundle.users)))
    answered = [(user, answer) for part in _answers(bundle, asked, like) for user, answer in part]
    if ask.as_json:
        lists = [{"user_id": user, **vars(item)} for user, answer in answered for item in answer.items]
        print_json({"bundle": bundle.id, "recommendations": lists})
        return
    for user, answer in answered:
        unknown = "" if answer.known else " (unknown to the model: popular items)"
        _print(bundle, f"for shopper {user}{unknown}", answer.items)


def write_lists(bundle: Bundle, users: Sequence[int | str] | None, like: Question, out: Path) -> int:
    """Write the lists of some shoppers as a table, in bounded memory.

    Args:
        bundle: answers.
        users: raw ids; None = every user that the bundle knows.
        like: what is asked for each of them.
        out: .parquet or .csv; replaced when all lists are there.

    Returns:
        How many rows were written.

    Raises:
        AisleError: E904 for another suffix, E601 when the disk is full.
    """
    if out.suffix not in (".parquet", ".csv"):
        raise AisleError(
            f"cannot write {out.name}: '{out.suffix}' is no format of ours", hint="use .parquet or .csv", code="E904"
        )
    with storage_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        # Of this run alone and beside the table, whose file system it has to be on for the rename; removed whatever happens.
        with TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as folder:
            parts, rows = _write_parts(bundle, users, like, Path(folder))
            partial = Path(folder) / f"all{out.suffix}"
            table = pl.scan_parquet(parts)
            table.sink_parquet(partial) if out.suffix == ".parquet" else table.sink_csv(partial)
            with partial.open("rb") as file:
                os.fsync(file.fileno())
            partial.replace(out)
            sync_folder(out.parent)
    return rows


def _write_parts(bundle: Bundle, users: Sequence[int | str] | None, like: Question, folder: Path) -> tuple[list[Path], int]:
    """Write the lists of so many shoppers at a time; return the files in order, and how many rows they have."""
    total, rows, parts = len(bundle.users) if users is None else len(users), 0, []
    with row_progress("recommend", "shoppers") as progress:
        for start in range(0, max(total, 1), _PART_SHOPPERS):
            some = range(start, min(start + _PART_SHOPPERS, total))
            asked = bundle.users.decode(some) if users is None else [users[place] for place in some]
            table = []
            for part in _answers(bundle, asked, like):
                table += [(user, *vars(item).values()) for user, answer in part for item in answer.items]
                progress(start + len(table) // max(like.k, 1), total)
            progress(min(start + _PART_SHOPPERS, total), total)
            pl.DataFrame(table, schema=_schema(bundle), orient="row").write_parquet(folder / f"{start:012}.parquet")
            parts.append(folder / f"{start:012}.parquet")
            rows += len(table)
    return parts, rows


def _schema(bundle: Bundle) -> dict[str, Any]:
    item = _KINDS[bundle.items.kind]
    kinds = {"item_id": item, "score": pl.Float32, "rank": pl.Int32, "source": pl.String, "reason": pl.String}
    return {"user_id": pl.String, **kinds, "because_item_id": item}


def _answers(bundle: Bundle, users: Sequence[int | str], like: Question) -> Iterator[list[tuple[str, Answer]]]:
    """Yield (raw id, answer) pairs, a micro-batch at a time."""
    for start in range(0, len(users), _AT_ONCE):
        some = users[start : start + _AT_ONCE]
        answers = bundle.recommend([replace(like, user_id=user) for user in some])
        yield [(str(user), answer) for user, answer in zip(some, answers, strict=True)]


def _similar(bundle: Bundle, ask: Ask) -> None:
    lists = {item: bundle.similar_items(item, ask.k) for item in dict.fromkeys(ask.items)}
    rows = [
        {"item_id": item, "similar_item_id": like.item_id, "score": like.score, "rank": like.rank}
        for item, likes in lists.items()
        for like in likes
    ]
    if ask.as_json:
        print_json({"bundle": bundle.id, "similar_items": rows})
        return
    for item, likes in lists.items():
        _print(bundle, f"like {item}", likes)


def _print(bundle: Bundle, title: str, items: Sequence[Item]) -> None:
    codes = bundle.items.encode([item.item_id for item in items])
    facts = [bundle.catalogue.facts(int(code)) for code in codes]
    names = [name for name in ("title", "category", "brand", "price") if any(name in row for row in facts)]
    rows = [
        (item.rank, item.item_id, *(row.get(name) for name in names), f"{item.score:.3f}", item.reason)
        for item, row in zip(items, facts, strict=True)
    ]
    print_table(title, ("rank", "item", *names, "score", "reason"), rows, left=2 + len(names))
