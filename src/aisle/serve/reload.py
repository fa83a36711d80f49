"""Another bundle takes over: opened and tried beside the old one, then put in its place between two batches.

What is refused changes nothing: the old bundle stays and goes on answering.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from aisle.bundle.bundle import Bundle
from aisle.bundle.live_catalogue import ItemChange
from aisle.errors import AisleError
from aisle.serve.logs import Log
from aisle.serve.metrics import Metrics
from aisle.serve.problems import ProblemError
from aisle.serve.slots import Loaded, Slot, Slots

Opener = Callable[[Path], Bundle]


class Reloader:
    """Loads bundles, one at a time.

    Args:
        slots: the models.
        opener: opens a folder, checks it and replays its golden requests; called in a thread of its own.
        log: told what was loaded and what was refused.
        metrics: count both.
    """

    def __init__(self, slots: Slots, opener: Opener, log: Log, metrics: Metrics) -> None:
        self._slots, self._opener, self._log, self._metrics = slots, opener, log, metrics
        self._one_at_a_time = asyncio.Lock()
        self._refused: dict[str, str] = {}  # variant -> the version that was refused: not tried again until it changes

    async def load(self, slot: Slot) -> Loaded:
        """Load what a model's source serves now, whatever was loaded before.

        Raises:
            AisleError: why it is refused.
        """
        async with self._one_at_a_time:
            before = slot.loaded
            version = ""
            try:
                version = await asyncio.to_thread(slot.source.version)
                loaded = await asyncio.to_thread(self._open, slot, version)
            except Exception as error:
                self._refused[slot.name] = version
                self._metrics.reload(slot.name, "refused")
                stays = "none" if before is None else before.bundle.id
                self._log.write("error", "bundle-refused", f"{slot.name}: {error}", aisle__variant=slot.name, aisle__bundle=stays)
                raise
            slot.loaded = loaded
            self._refused.pop(slot.name, None)
            self._metrics.reload(slot.name, "loaded")
            self._log.write(
                "info",
                "bundle-loaded",
                f"{slot.name} answers from bundle {loaded.bundle.id}",
                aisle__variant=slot.name,
                aisle__bundle=loaded.bundle.id,
                aisle__bundle_before=None if before is None else before.bundle.id,
            )
            return loaded

    def _open(self, slot: Slot, version: str) -> Loaded:
        return Loaded.of(self._opener(slot.source.folder()), version, list(slot.changes.values()))

    async def change(self, slots: Sequence[Slot], changes: Sequence[ItemChange]) -> None:
        """Change the catalogue of some models: all of the changes in all of them or, where one is refused, none.

        Raises:
            AisleError: E037 for a change that cannot be, E070 while there is no bundle.
        """
        async with self._one_at_a_time:
            made: list[tuple[Slot, Loaded, Bundle]] = []
            try:
                for slot in slots:
                    loaded = slot.now()
                    made.append((slot, loaded, await asyncio.to_thread(loaded.live.change, changes)))
            except AisleError:
                for _, loaded, _ in made:
                    await asyncio.to_thread(loaded.live.follow, loaded.bundle.live)
                raise
            for slot, loaded, bundle in made:
                slot.loaded = replace(loaded, bundle=bundle)
                for one in changes:
                    before = slot.changes.get(str(one.item_id))
                    slot.changes[str(one.item_id)] = one if before is None else merged(before, one)

    async def reload(self, slots: Iterable[Slot]) -> dict[str, str]:
        """Load some models again.

        Returns:
            Variant -> id of the bundle that answers now.

        Raises:
            ProblemError: E075 (409) for the first one that is refused; those before it are loaded.
        """
        now: dict[str, str] = {}
        for slot in slots:
            stays = "nothing" if slot.loaded is None else f"bundle {slot.loaded.bundle.id}"
            try:
                now[slot.name] = (await self.load(slot)).bundle.id
            except AisleError as error:
                raise ProblemError(
                    409,
                    f"the new bundle of '{slot.name}' is refused, {stays} stays: {error.message} [{error.code}]",
                    hint=error.hint,
                    code="E075",
                ) from error
        return now

    async def look(self) -> None:
        """Load the models whose sources have something new; what is refused is logged."""
        for slot in self._slots:
            try:
                version = await asyncio.to_thread(slot.source.version)
            except Exception as error:  # such as a registry that cannot be reached just now
                self._log.write("warning", "source-unreadable", f"{slot.name}: {error}", aisle__variant=slot.name)
                continue
            if slot.loaded is not None and version not in (slot.loaded.version, self._refused.get(slot.name)):
                with contextlib.suppress(Exception):  # logged and counted there
                    await self.load(slot)

    async def watch(self, every_s: float) -> None:
        """Look again and again, until cancelled."""
        while True:
            await asyncio.sleep(every_s)
            await self.look()


def merged(before: ItemChange, after: ItemChange) -> ItemChange:
    """Return two changes of one item as one."""
    return replace(before, **{name: value for name, value in vars(after).items() if value is not None})
