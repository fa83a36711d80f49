"""Simulated events as Parquet files: one file for a small shop, parts of up to five million rows for a large one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from aisle.schema.events import Event
from aisle.simulate.browsing import BlockEvents
from aisle.simulate.catalogue import numbered
from aisle.simulate.config import ShopConfig

PART_EVENTS = 5_000_000
ROW_GROUP_ROWS = 500_000
# Raw session ids: the shopper's number times this, plus 0, 1, 2, ... for that shopper's sessions in time order.
SESSIONS_A_USER = 1_000_000
_EVENT_NAMES = ("", *(event.name for event in sorted(Event)))


class EventWriter:
    """Collect blocks of events and write a file whenever enough came together.

    Args:
        folder: the shop's folder.
        config: says how many events there will be, hence whether one file is enough.
    """

    def __init__(self, folder: Path, config: ShopConfig) -> None:
        self._folder, self._start_us = folder, config.start_us
        self._one_file = config.events <= PART_EVENTS
        self._items = numbered("i", 0, config.items)
        self._waiting: list[pl.DataFrame] = []
        self._waiting_rows = 0
        self._files: list[str] = []
        self.written = 0

    def append(self, first_user: int, events: BlockEvents | None) -> None:
        """Add a block whose shoppers begin at `first_user`."""
        if events is None:
            return
        rows = len(events.item)
        if self._waiting_rows + rows > PART_EVENTS:
            self._flush()
        self._waiting.append(self._frame(first_user, events))
        self._waiting_rows += rows
        self.written += rows

    def close(self) -> tuple[str, ...]:
        """Write what is left and return the names of all files, relative to the folder."""
        self._flush()
        return tuple(self._files)

    def _flush(self) -> None:
        if not self._waiting:
            return
        name = "events.parquet" if self._one_file else f"events/part-{len(self._files):05d}.parquet"
        path = self._folder / name
        path.parent.mkdir(exist_ok=True)
        frame = pl.concat(self._waiting)
        frame.write_parquet(path, compression="zstd", compression_level=1, row_group_size=ROW_GROUP_ROWS)
        self._files.append(name)
        self._waiting, self._waiting_rows = [], 0

    def _frame(self, first_user: int, events: BlockEvents) -> pl.DataFrame:
        """Return a block in a shop's own words: raw ids, names of events, times of day."""
        users = numbered("u", first_user, first_user + int(events.user[-1]) + 1)
        return pl.DataFrame(
            {
                "user_id": users.gather(events.user),
                "item_id": self._items.gather(events.item),
                "event": pl.Series(_EVENT_NAMES).gather(events.event),
                "timestamp": pl.Series(events.time * 1000 + self._start_us).cast(pl.Datetime("us", "UTC")),
                "session_id": (first_user + events.user) * SESSIONS_A_USER + _place_in_user(events),
                "price": events.price,
                "quantity": pl.Series(events.quantity).replace(0, None),
            }
        )


def _place_in_user(events: BlockEvents) -> NDArray[np.int64]:
    """Number each shopper's sessions 0, 1, 2, ...: (E,) int64."""
    new_session = np.concatenate([[False], events.session[1:] != events.session[:-1]])
    new_user = np.concatenate([[True], events.user[1:] != events.user[:-1]])
    number = np.cumsum(new_session)
    return np.asarray(number - np.maximum.accumulate(np.where(new_user, number, 0)), np.int64)
