"""The events of a store as tomorrow's log: a file that `aisle prepare` takes as it is."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import zstandard

from aisle.errors import AisleError
from aisle.serve.events.check import ANONYMOUS
from aisle.serve.events.protocol import EventLog, Served, StoredEvent
from aisle.storage.atomic import storage_errors, sync_folder

COLUMNS = (
    "user_id", "item_id", "event", "timestamp", "session_id", "request_id", "position", "quantity", "price", "variant",
)  # fmt: skip
FORMATS = (".jsonl", ".csv")
COMPRESSIONS = (".zst", ".gz")

Row = dict[str, Any]


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        events: rows of what shoppers did.
        shown: rows of what was served, one a place of a list.
        nobody: served places that were left out, since neither a user nor a session was named.
        last_row: the newest event that is in; a later export goes on after it.
    """

    events: int
    shown: int
    nobody: int
    last_row: int


async def export_log(log: EventLog, out: Path, *, since_row: int = 0, served: bool = False, overwrite: bool = False) -> Exported:
    """Write a log.

    A visitor without a name gets the user id "session:" + session id. Somebody who was erased is not in it: their events are
    no longer in the store. Ids are text in JSON Lines; in CSV, `aisle prepare` takes ids that all are numbers for numbers.

    Args:
        log: the store.
        out: log.jsonl or log.csv, with .zst or .gz behind it to compress; whole or not there at all.
        since_row: leave out this row and older ones.
        served: add a row for every item that was served, as an impression.
        overwrite: replace what is there.

    Raises:
        AisleError: E059 for a file name of another kind, E601, E602 when it is there already, and what the store raises.
    """
    _check_name(out, overwrite=overwrite)
    events = shown = nobody = 0
    with storage_errors(out), _writing(out) as write:
        async for row, event in log.read(since_row):
            write(event_row(event))
            events, since_row = events + 1, row
        if served:
            async for row_of_place in _places(log):
                if row_of_place is None:
                    nobody += 1
                else:
                    write(row_of_place)
                    shown += 1
    return Exported(events, shown, nobody, since_row)


def event_row(event: StoredEvent) -> Row:
    """Return an event as a row of the log: every column, None where it has none."""
    return {
        "user_id": _who(event.user_id, event.session_id),
        "item_id": event.item_id,
        "event": event.event.name,
        "timestamp": event.time_us,
        "session_id": event.session_id,
        "request_id": event.request_id,
        "position": event.position,
        "quantity": event.quantity,
        "price": event.price,
        "variant": event.variant,
    }


def served_rows(served: Served) -> Iterator[Row]:
    """Yield a served list as impressions, the first at position 1."""
    for position, item_id in enumerate(served.items, start=1):
        yield {
            "user_id": _who(served.user_id, served.session_id),
            "item_id": item_id,
            "event": "impression",
            "timestamp": served.time_us,
            "session_id": served.session_id,
            "request_id": served.request_id,
            "position": position,
            "quantity": None,
            "price": None,
            "variant": served.variant,
        }


async def _places(log: EventLog) -> AsyncIterator[Row | None]:
    async for _, served in log.read_served():
        for row in served_rows(served):
            yield row if row["user_id"] is not None else None


def _who(user_id: str | None, session_id: str | None) -> str | None:
    if user_id is not None or session_id is None:
        return user_id
    return ANONYMOUS + session_id


def _check_name(out: Path, *, overwrite: bool) -> None:
    if _format(out) not in FORMATS:
        raise AisleError(
            f"{out.name} is no log that can be written; expected a name ending in {' or '.join(FORMATS)}, and "
            f"{' or '.join(COMPRESSIONS)} behind it to compress",
            hint="such as --out events.jsonl.zst",
            code="E059",
        )
    if out.exists() and not overwrite:
        raise AisleError(f"{out} exists already", hint="choose another --out, or pass --overwrite to replace it", code="E602")


def _format(out: Path) -> str:
    return out.with_suffix("").suffix if out.suffix in COMPRESSIONS else out.suffix


@contextmanager
def _writing(out: Path) -> Iterator[Callable[[Row], None]]:
    """Yield what writes a row; the file takes its place when all are written and on disk."""
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_name(f".{out.name}.partial")
    try:
        with partial.open("wb") as raw:
            with ExitStack() as layers:
                text = layers.enter_context(io.TextIOWrapper(_compressed(raw, out.suffix, layers), encoding="utf-8", newline=""))
                yield _csv_writer(text) if _format(out) == ".csv" else _json_writer(text)
            raw.flush()
            os.fsync(raw.fileno())
        partial.replace(out)
        sync_folder(out.parent)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def _compressed(raw: IO[bytes], suffix: str, layers: ExitStack) -> Any:
    if suffix == ".zst":
        return layers.enter_context(zstandard.ZstdCompressor().stream_writer(raw, closefd=False))
    if suffix == ".gz":
        return layers.enter_context(gzip.GzipFile(fileobj=raw, mode="wb"))
    return layers.enter_context(os.fdopen(os.dup(raw.fileno()), "wb"))


def _csv_writer(text: IO[str]) -> Callable[[Row], None]:
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    return writer.writerow


def _json_writer(text: IO[str]) -> Callable[[Row], None]:
    first = True

    def write(row: Row) -> None:
        nonlocal first
        # The first line has every key: `aisle prepare` looks at the head of a file for its columns.
        given = row if first else {name: value for name, value in row.items() if value is not None}
        first = False
        text.write(json.dumps(given, ensure_ascii=False) + "\n")

    return write
