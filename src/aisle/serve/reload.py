"""Another bundle takes over: opened and tried beside the old one, then put in its place between two batches.

What is refused changes nothing: the old bundle stays and goes on answering. A bundle that is itself bad is not looked at again
until there is another; trouble that may pass, such as a registry out of reach, is tried again after a wait that grows.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from aisle.bundle.bundle import Bundle
from aisle.bundle.live_bundle import LiveBundle
from aisle.bundle.live_catalogue import ItemChange
from aisle.errors import AisleError
from aisle.serve.logs import Log
from aisle.serve.metrics import Metrics
from aisle.serve.problems import ProblemError
from aisle.serve.slots import Live, Loaded, Slot, Slots

Opener = Callable[[Path], Bundle]

_FIRST_WAIT_S, _LONGEST_WAIT_S = 5.0, 300.0
_SLOW_S = 120.0  # of loading: longer is said once, such as for a disk of the network that hangs
# What is still being copied into its place has files that are missing, cut short, old or not known yet, and a manifest without
# its digest; and a signature may come later. Such a bundle is tried again, after waits that grow.
_MAY_COME = frozenset(("E002", "E005", "E006", "E007", "E008", "E010"))
# The bundle itself is bad, and the same bytes are refused every time.
_BAD = frozenset(f"E{number:03}" for number in (*range(2, 12), 13, 14, 17, *range(20, 25), *range(30, 37))) - _MAY_COME


@dataclass(frozen=True)
class Refusal:
    """What a source served when it could not be loaded.

    Attributes:
        version: of the source; "" where not even that could be read.
        tries: in a row.
        wait_s: until it is tried again; infinite for a bundle that is bad.
        again_s: the moment of that, by the reloader's clock.
    """

    version: str
    tries: int
    wait_s: float
    again_s: float


class Reloader:
    """Loads bundles, one at a time; the catalogue may change meanwhile.

    Args:
        slots: the models.
        opener: opens a folder, checks it and replays its golden requests; called in a thread of its own.
        log: told what was loaded and what was refused.
        metrics: count both.
        make_live: given a bundle, makes what changes its catalogue.
        clock: seconds from any moment on, never back.
    """

    def __init__(
        self,
        slots: Slots,
        opener: Opener,
        log: Log,
        metrics: Metrics,
        *,
        make_live: Callable[[Bundle], Live] = LiveBundle,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._slots, self._opener, self._log, self._metrics = slots, opener, log, metrics
        self._make_live, self._clock = make_live, clock
        self._loading = asyncio.Lock()  # held while a bundle is fetched and tried: as long as that takes
        self._changing = asyncio.Lock()  # held while a slot gets another bundle or catalogue: never for a network
        self._refused: dict[str, Refusal] = {}  # by variant

    async def start(self, slot: Slot, *, patient: bool) -> Loaded:
        """Load a model for the first time.

        Args:
            slot: the model.
            patient: where the source is out of reach or the disk is full, wait and try again.

        Raises:
            AisleError: why it is refused.
        """
        while True:
            try:
                return await self.load(slot)
            except AisleError as error:
                if not patient or not _passes(error):
                    raise
            await asyncio.sleep(self._refused[slot.name].wait_s)

    async def load(self, slot: Slot) -> Loaded:
        """Load what a model's source serves now, whatever was loaded before.

        Raises:
            AisleError: why it is refused.
        """
        async with self._loading:
            before, version = slot.loaded, ""
            slow = asyncio.get_running_loop().call_later(_SLOW_S, self._say_slow, slot)
            try:
                version = await asyncio.to_thread(slot.source.version)
                changes = dict(slot.changes)
                opened = await asyncio.to_thread(self._open, slot, version, list(changes.values()))
                loaded = await self._put(slot, opened, changes)
            except Exception as error:
                self._refuse(slot, version, error)
                raise
            finally:
                slow.cancel()
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

    def _say_slow(self, slot: Slot) -> None:
        words = f"{slot.name} has been loading for {_SLOW_S:g} s; other bundles wait for it"
        self._log.write("warning", "bundle-loading", words, aisle__variant=slot.name)

    def _open(self, slot: Slot, version: str, changes: list[ItemChange]) -> Loaded:
        return Loaded.of(self._opener(slot.source.folder()), version, changes, self._make_live)

    async def _put(self, slot: Slot, loaded: Loaded, told: dict[str, ItemChange]) -> Loaded:
        """Put a bundle in its place, with what of the catalogue changed while it was opened."""
        async with self._changing:
            late = [change for item, change in slot.changes.items() if told.get(item) is not change]
            if late:
                loaded = replace(loaded, bundle=await asyncio.to_thread(loaded.live.change, late))
            slot.loaded = loaded
            return loaded

    def _refuse(self, slot: Slot, version: str, error: Exception) -> None:
        """Note, count and log a bundle that was not loaded."""
        before = self._refused.get(slot.name)
        tries = 1 + (before.tries if before is not None and before.version == version else 0)
        wait_s = min(_FIRST_WAIT_S * 2.0 ** min(tries - 1, 10), _LONGEST_WAIT_S)
        if isinstance(error, AisleError) and error.code in _BAD:
            wait_s = math.inf
        self._refused[slot.name] = Refusal(version, tries, wait_s, self._clock() + wait_s)
        outcome, words = ("refused", "") if wait_s == math.inf else ("not-loaded", f" (again in {wait_s:.0f} s)")
        self._metrics.reload(slot.name, outcome)
        stays = "none" if slot.loaded is None else slot.loaded.bundle.id
        about = {"aisle__variant": slot.name, "aisle__bundle": stays, "error__type": type(error).__name__}
        self._log.write("error", f"bundle-{outcome}", f"{slot.name}: {error}{words}", **about)

    async def change(self, slots: Sequence[Slot], changes: Sequence[ItemChange]) -> None:
        """Change the catalogue of some models: all of the changes in all of them or, where one is refused, none.

        Raises:
            AisleError: E037 for a change that cannot be, E070 while there is no bundle.
        """
        async with self._changing:
            begun: list[Loaded] = []
            made: list[Bundle] = []
            try:
                for slot in slots:
                    begun.append(slot.now())
                    made.append(await asyncio.to_thread(begun[-1].live.change, changes))
            except BaseException:  # whatever it was, also that the caller gave up: none of the changes is made
                for loaded in begun:
                    await asyncio.to_thread(loaded.live.go_back, loaded.bundle)
                raise
            for slot, loaded, bundle in zip(slots, begun, made, strict=True):
                slot.loaded = replace(loaded, bundle=bundle)
                for one in changes:
                    before = slot.changes.pop(str(one.item_id), None)  # what was said last stays last, however it was written
                    slot.changes[str(one.item_id)] = one if before is None else merged(before, one)

    async def reload(self, slots: Iterable[Slot], *, wait: bool = False) -> dict[str, str]:
        """Load some models again.

        Args:
            slots: the models.
            wait: for a bundle that is being loaded already; by default that is refused.

        Returns:
            Variant -> id of the bundle that answers now.

        Raises:
            ProblemError: for the first one that is not loaded; those before it are. E075 (409) where its bundle is bad, E076
                (503) where it may be loaded later, E071 (409) while another bundle is being loaded.
        """
        now: dict[str, str] = {}
        for slot in slots:
            if self._loading.locked() and not wait:
                raise ProblemError(
                    409,
                    "a bundle is being loaded already",
                    hint="ask again after Retry-After; GET /v1/bundle says what answers",
                    code="E071",
                    retry_after_s=math.ceil(_FIRST_WAIT_S),
                )
            try:
                now[slot.name] = (await self.load(slot)).bundle.id
            except Exception as error:
                raise self._problem(slot, error) from error
        return now

    def _problem(self, slot: Slot, error: Exception) -> ProblemError:
        stays = "nothing stays" if slot.loaded is None else f"bundle {slot.loaded.bundle.id} stays"
        if isinstance(error, AisleError):
            why, hint = f"{error.message} [{error.code}]", error.hint
            if error.code in _BAD:
                return ProblemError(409, f"the new bundle of '{slot.name}' is refused, {stays}: {why}", hint=hint, code="E075")
        else:
            why, hint = f"{type(error).__name__}: {error}", "look at the memory, the disk and the network of the service"
        return ProblemError(
            503,
            f"the bundle of '{slot.name}' cannot be loaded just now, {stays}: {why}",
            hint=hint,
            code="E076",
            retry_after_s=math.ceil(self._refused[slot.name].wait_s),
        )

    async def look(self) -> None:
        """Load the models whose sources have something new; what is refused is logged."""
        for slot in self._slots:
            try:
                version = await asyncio.to_thread(slot.source.version)
            except Exception as error:  # such as a registry that cannot be reached just now
                self._log.write("warning", "source-unreadable", f"{slot.name}: {error}", aisle__variant=slot.name)
                continue
            if self._is_due(slot, version) and not self._loading.locked():
                with contextlib.suppress(Exception):  # logged and counted there
                    await self.load(slot)

    def _is_due(self, slot: Slot, version: str) -> bool:
        """Whether to load this version now: not the one that answers, nor one that was refused and whose wait is not over."""
        if slot.loaded is not None and slot.loaded.version == version:
            return False
        refused = self._refused.get(slot.name)
        return refused is None or refused.version != version or self._clock() >= refused.again_s

    async def watch(self, every_s: float) -> None:
        """Look again and again, until cancelled."""
        while True:
            await asyncio.sleep(every_s)
            await self.look()


def _passes(error: AisleError) -> bool:
    """Say whether trouble at the start is waited out; all else is more likely a wrong word, which is to be told at once."""
    full = isinstance(error.__cause__, OSError) and error.__cause__.errno in (errno.ENOSPC, errno.EDQUOT)
    return error.code == "E040" or (error.code == "E601" and full)


def merged(before: ItemChange, after: ItemChange) -> ItemChange:
    """Return two changes of one item as one."""
    return replace(before, **{name: value for name, value in vars(after).items() if value is not None})
