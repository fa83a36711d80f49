"""Raw logs -> the prepared dataset: one streaming pass to number and put aside, one to order and write."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from aisle import __version__
from aisle.dataset import layout
from aisle.dataset.answers import Answers, Negatives, WrongAnswers, read_answers, read_ncf_negatives, write_cases
from aisle.dataset.arrange import Arranged, Job, arrange, final_codes
from aisle.dataset.codes import FinalIds, final_categories, write_texts
from aisle.dataset.ingest import Ingested, Progress, ingest
from aisle.dataset.tables import ITEM_NAMES, USER_NAMES, Table, known_kinds, read_table, rows_by_code, write_table
from aisle.errors import AisleError
from aisle.logs.log import Log, open_log
from aisle.logs.recipe import LogRecipe
from aisle.logs.sources import reading
from aisle.schema.manifest import MANIFEST_NAME, ArrayInfo, Manifest, RowCounts, SourceInfo, content_hash
from aisle.storage.arrays import file_sha256
from aisle.storage.atomic import atomic_folder, write_atomic


@dataclass(frozen=True)
class Extras:
    """The tables and test files that may stand beside a log."""

    items: Table | None
    users: Table | None
    answers: Answers | None
    negatives: Negatives | None

    @property
    def paths(self) -> list[Path]:
        """The files, in a fixed order."""
        parts = (self.items, self.users, self.answers)
        paths = [path for part in parts if part is not None for path in part.paths]
        return paths + ([] if self.negatives is None else [self.negatives.path])


@dataclass(frozen=True)
class _Written:
    """What the second pass wrote."""

    users: FinalIds
    items: FinalIds
    arranged: Arranged
    arrays: dict[str, ArrayInfo]


def prepare(  # noqa: PLR0913 - one door for a log and the files beside it
    sources: Any,
    out: Path,
    *,
    recipe: LogRecipe | None = None,
    items: Any = None,
    users: Any = None,
    test: Any = None,
    negatives: Path | None = None,
    max_rejects: float = 0.05,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Manifest:
    """Read raw logs and write a prepared dataset: all of it or nothing.

    Args:
        sources: a path (file, folder or glob), a pandas or Polars frame, or a list of them.
        out: the dataset's folder, see `dataset.layout`.
        recipe: how to read the log; the default looks for our column names and their aliases.
        items, users: catalogue and users table, a path or a frame.
        test: file of (user, item) answers; negatives: fixed wrong answers for it.
        max_rejects: share of rows that may be rejected.
        overwrite: replace a dataset that is there.
        progress: called with rows done and rows in total (None where text files do not say).

    Returns:
        The manifest: mapping, counts, rejects, filters and hashes, for the caller to print.

    Raises:
        AisleError: families E1 (the log), E2 (tables and test files) and E6 (the place).

    Example:
        >>> prepare("events.csv", Path("data/shop")).rows  # doctest: +SKIP
        RowCounts(read=3, kept=3, rejected=0, filtered=0)
    """
    recipe = recipe or LogRecipe()
    _check_arguments(max_rejects, test, negatives)
    log = open_log(sources, recipe)
    extras = Extras(
        None if items is None else read_table(items, recipe.items, "item_id", ITEM_NAMES),
        None if users is None else read_table(users, recipe.users, "user_id", USER_NAMES),
        None if test is None else read_answers(test, recipe.test, _category_context(log)),
        None if negatives is None else read_ncf_negatives(Path(negatives)),
    )
    _check_place(Path(out), log, extras)
    with atomic_folder(Path(out), overwrite=overwrite, marker=MANIFEST_NAME) as folder, ThreadPoolExecutor(1) as pool:
        hashes = _hash_sources(log, extras, pool)
        state = ingest(log, folder, max_rejects, progress)
        written = _write(log, extras, state, folder)
        manifest = _manifest(log, extras, state, written, _source_infos(log, state, hashes))
        write_atomic(folder / MANIFEST_NAME, manifest.model_dump_json(indent=1))
    return manifest


def _category_context(log: Log) -> list[str]:
    """Return the context columns that models can read: those of words, not of numbers."""
    return [name for name in log.columns if name in log.recipe.context and log.columns[name] == "category"]


def _check_arguments(max_rejects: float, test: Any, negatives: Any) -> None:
    if not 0 <= max_rejects <= 1:
        raise AisleError(f"max_rejects is {max_rejects}; expected a share from 0 to 1", hint="5% is 0.05", code="E206")
    if negatives is not None and test is None:
        raise AisleError("negatives were given without a test file", hint="give the test file too", code="E205")


def _check_place(out: Path, log: Log, extras: Extras) -> None:
    """Refuse to replace a folder that holds what is read."""
    for path in (*(file.path for file in log.files if file.on_disk), *extras.paths):
        if path.resolve().is_relative_to(out.resolve()):
            raise AisleError(f"{path} lies in {out}, which the dataset would replace", hint="choose another --out", code="E604")


def _write(log: Log, extras: Extras, state: Ingested, folder: Path) -> _Written:
    """Second pass: everything in the folder but the manifest."""
    n_items = len(state.items.texts())
    _add_ids(extras, state)
    users, items = state.users.finish(), state.items.finish()
    _check_match(extras.items, items, items.final[:n_items], "item_id")
    _check_match(extras.users, users, users.final, "user_id")
    arrays = users.write(folder, layout.USER_ID) | items.write(folder, layout.ITEM_ID)
    final = {"user": users.final, "item": items.final}
    for name, dictionary in state.categories.items():
        vocabulary, final[name] = final_categories(dictionary)
        arrays |= write_texts(folder, f"{layout.event_column(name)}.vocabulary", vocabulary)
    user_events = np.zeros(len(users), np.int64)
    # Two spellings of a number ("17", "17.0") may have become one user.
    np.add.at(user_events, users.final[: len(state.user_events)], state.user_events)
    ordered, drop = log.recipe.order is not None, log.recipe.duplicates == "drop"
    arranged = arrange(Job(state.spill, final, user_events, log.columns, ordered, drop), folder)
    arrays |= arranged.arrays
    arrays |= write_table(extras.items, _rows(extras.items, items), folder, "items")
    arrays |= write_table(extras.users, _rows(extras.users, users), folder, "users")
    arrays |= _write_test(extras, users, items, _test_context(extras, state, final), folder)
    return _Written(users, items, arranged, arrays)


def _add_ids(extras: Extras, state: Ingested) -> None:
    """Items of the catalogue and of the test belong to the dataset, and so do the users of the test."""
    if extras.items is not None:
        state.items.encode(extras.items.ids)
    if extras.answers is not None:
        state.users.encode(extras.answers.user)
        state.items.encode(extras.answers.item)
        for name, texts in extras.answers.context.items():
            state.categories[name].encode(texts)
    if extras.negatives is not None:
        state.items.encode(extras.negatives.item)


def _check_match(table: Table | None, ids: FinalIds, in_log: NDArray[np.int32], key: str) -> None:
    """Refuse a table that knows nothing of the log: its ids are written in another way, or it is another shop's.

    Raises:
        AisleError: E204.
    """
    if table is None or not len(table.ids) or np.isin(ids.find(table.ids), in_log).any():
        return
    where = table.paths[0] if table.paths else "the table"
    raise AisleError(
        f"{where}: none of its {len(table.ids):,} {key}s, such as '{table.ids[0]}', is in the log, where they are such as "
        f"'{ids.ids[int(in_log[0])]}'",
        hint=f"give the table of this log, or map the column that holds the log's {key}",
        code="E204",
    )


def _rows(table: Table | None, ids: FinalIds) -> NDArray[np.int64]:
    return rows_by_code(None if table is None else ids.find(table.ids), len(ids))


def _test_context(extras: Extras, state: Ingested, final: dict[str, NDArray[np.int32]]) -> dict[str, NDArray[np.int32]]:
    """Return the context of the test's lines by code."""
    given = {} if extras.answers is None else extras.answers.context
    return {name: final_codes(final[name], state.categories[name].encode(texts)) for name, texts in given.items()}


def _write_test(
    extras: Extras, users: FinalIds, items: FinalIds, context: dict[str, NDArray[np.int32]], folder: Path
) -> dict[str, ArrayInfo]:
    if extras.answers is None:
        return {}
    wrong = None
    if extras.negatives is not None:
        given = extras.negatives
        wrong = WrongAnswers(users.find(given.user), items.find(given.item), given.length, given.path)
    return write_cases(users.find(extras.answers.user), items.find(extras.answers.item), wrong, folder, context)


def _manifest(log: Log, extras: Extras, state: Ingested, written: _Written, sources: tuple[SourceInfo, ...]) -> Manifest:
    arranged = written.arranged
    filters = dict(state.filters) | ({"duplicate": arranged.dropped} if arranged.dropped else {})
    kept = state.spill.rows - arranged.dropped
    rejected, filtered = sum(state.rejects.values()), sum(filters.values())
    assert state.read == kept + rejected + filtered, (state.read, kept, rejected, filtered)
    item_kinds, user_kinds = known_kinds(extras.items), known_kinds(extras.users)
    time_kind: Literal["timestamp", "order"] = "timestamp" if log.recipe.order is None else "order"
    kinds = {"events": log.columns, "items": item_kinds, "users": user_kinds}
    return Manifest(
        aisle_version=__version__,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        time_kind=time_kind,
        time_min=arranged.time_min,
        time_max=arranged.time_max,
        users=len(written.users),
        items=len(written.items),
        events=kept,
        events_by_kind=arranged.events_by_kind,
        user_id_type=written.users.kind,
        item_id_type=written.items.kind,
        mapping=log.mapping,
        unused_columns=tuple(log.unused),
        recipe=log.recipe.model_dump(mode="json", exclude_defaults=True),
        sources=sources,
        rows=RowCounts(read=state.read, kept=kept, rejected=rejected, filtered=filtered),
        rejects=dict(sorted(state.rejects.items(), key=lambda found: (-found[1], found[0]))),
        filters=filters,
        event_columns=log.columns,
        item_features=item_kinds,
        user_features=user_kinds,
        arrays=written.arrays,
        content_hash=content_hash(time_kind, written.users.kind, written.items.kind, kinds, written.arrays),
    )


def _hash_sources(log: Log, extras: Extras, pool: ThreadPoolExecutor) -> list[tuple[Path, int | None, Future[str]]]:
    """Begin to hash the files beside the reading: path, the log file's number, the hash to be."""
    files = [(file.path, index) for index, file in enumerate(log.files) if file.on_disk]
    beside = [(path, None) for path in extras.paths]
    return [(path, index, pool.submit(file_sha256, path)) for path, index in (*files, *beside)]


def _source_infos(log: Log, state: Ingested, hashes: list[tuple[Path, int | None, Future[str]]]) -> tuple[SourceInfo, ...]:
    """Return every file that was read, and refuse one that is not what the recipe says its publisher gives.

    Raises:
        AisleError: E113.
    """
    infos = []
    for path, index, future in hashes:
        with reading(path):
            rows = 0 if index is None else state.file_rows[index]
            infos.append(SourceInfo(path=str(path), size_bytes=path.stat().st_size, sha256=future.result(), rows=rows))
        expected = log.recipe.files.get(path.name)
        if expected is not None and expected != infos[-1].sha256:
            raise AisleError(
                f"{path} has SHA-256 {infos[-1].sha256}; the recipe's publisher gives {expected}",
                hint="fetch the file again, or copy the recipe and take the hash out",
                code="E113",
            )
    frames = [(index, file) for index, file in enumerate(log.files) if not file.on_disk]
    infos += [SourceInfo(path=str(file.path), size_bytes=0, sha256="", rows=state.file_rows[index]) for index, file in frames]
    return tuple(infos)
