"""Write a simulated shop: behaviour logs, catalogue, shoppers, and the true preferences beside them.

    events.parquet           up to 5 million events; above that events/part-00000.parquet, part-00001.parquet, ...
    items.parquet            one row an item
    users.parquet            one row a shopper
    shop.json                the configuration, and that all of this is simulated
    truth/*.npy              what the shoppers really like, see `simulate.truth`

Events of one shopper stand together in time order; the files are not sorted by time across shoppers.
"""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from aisle.simulate.browsing import BlockEvents, browse
from aisle.simulate.catalogue import catalogue_frame
from aisle.simulate.config import ShopConfig
from aisle.simulate.event_files import EventWriter
from aisle.simulate.tastes import Activity, Tastes, make_activity, make_tastes
from aisle.simulate.truth_files import SHOP_NAME, TruthWriter, describe
from aisle.simulate.world import ACTIVITY_STREAM, TITLE_STREAM, World, make_world, stream
from aisle.storage.atomic import atomic_folder

BLOCK_EVENTS = 500_000
BLOCK_USERS = 200_000


@dataclass(frozen=True)
class Simulated:
    """What was written.

    Attributes:
        folder: where.
        files: event files, relative to the folder.
        events: rows in them.
    """

    folder: Path
    files: tuple[str, ...]
    events: int


@dataclass(frozen=True)
class _Block:
    number: int
    first: int
    last: int
    events: int


def simulate(
    config: ShopConfig,
    out: Path,
    *,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
    threads: int | None = None,
) -> Simulated:
    """Simulate a shop and write it to a folder.

    Args:
        config: size, seed and span of the shop.
        out: folder to make.
        overwrite: replace an existing folder.
        progress: called with (events written, all events) after every block.
        threads: blocks simulated at a time; the files do not depend on it. Default: cores, at most 4.

    Raises:
        AisleError: E601 to E604 when `out` cannot be written, exists already, is being written by another process, or is no
            simulated shop that could be replaced.

    Example:
        >>> simulate(ShopConfig(users=1_000, items=200, events=20_000, seed=7), Path("shop"))  # doctest: +SKIP
    """
    world = make_world(config)
    activity = make_activity(config, stream(config.seed, ACTIVITY_STREAM))
    blocks = _plan(config, activity)
    threads = threads or min(os.cpu_count() or 1, 4)
    with atomic_folder(out, overwrite=overwrite, marker=SHOP_NAME) as folder:
        (folder / "truth").mkdir()
        with ExitStack() as stack:
            truth = stack.enter_context(TruthWriter(folder / "truth", world))
            writer = EventWriter(folder, config)
            for block, tastes, events in _simulate_blocks(world, activity, blocks, threads):
                truth.append(tastes)
                writer.append(block.first, events)
                if progress is not None:
                    progress(writer.written, config.events)
            files = writer.close()
        catalogue_frame(config, world.catalogue, stream(config.seed, TITLE_STREAM)).write_parquet(folder / "items.parquet")
        truth.users_frame().write_parquet(folder / "users.parquet")
        (folder / SHOP_NAME).write_text(json.dumps(describe(config, files), indent=2) + "\n")
    return Simulated(Path(out), files, config.events)


def _plan(config: ShopConfig, activity: Activity) -> list[_Block]:
    """Cut the shoppers into blocks of about half a million events, whose exact counts sum to what was asked for."""
    due = np.round(np.cumsum(activity.share) * config.events).astype(np.int64)
    due[-1] = config.events
    size = np.maximum(due // BLOCK_EVENTS, np.arange(config.users) // BLOCK_USERS)
    last = np.append(np.flatnonzero(np.diff(size)), config.users - 1)
    first = np.append(0, last[:-1] + 1)
    events = np.diff(np.append(0, due[last]))
    return [_Block(n, int(a), int(b) + 1, int(e)) for n, (a, b, e) in enumerate(zip(first, last, events, strict=True))]


def _simulate_blocks(
    world: World, activity: Activity, blocks: list[_Block], threads: int
) -> Iterator[tuple[_Block, Tastes, BlockEvents | None]]:
    """Simulate blocks in parallel and hand them out in order, never more than one ahead of each thread."""
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[tuple[_Block, Future[tuple[Tastes, BlockEvents | None]]]] = deque()
        for block in blocks:
            waiting.append((block, pool.submit(_simulate_block, world, activity, block)))
            if len(waiting) > threads:
                done, future = waiting.popleft()
                yield (done, *future.result())
        while waiting:
            done, future = waiting.popleft()
            yield (done, *future.result())


def _simulate_block(world: World, activity: Activity, block: _Block) -> tuple[Tastes, BlockEvents | None]:
    rng = stream(world.config.seed, block.number)
    users = slice(block.first, block.last)
    tastes = make_tastes(block.last - block.first, world.config.days, world.likes, rng)
    if not block.events:
        return tastes, None
    return tastes, browse(world, tastes, activity.arrival[users], activity.share[users], block.events, rng)
