"""The loaded models, by name; each holds one whole bundle at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from aisle.bundle.bundle import Bundle
from aisle.bundle.live_bundle import LiveBundle
from aisle.bundle.live_catalogue import ItemChange
from aisle.errors import did_you_mean
from aisle.serve.problems import ProblemError
from aisle.serve.sources import Source


class Live(Protocol):
    """A bundle whose catalogue changes, such as a `LiveBundle`."""

    def change(self, changes: Sequence[ItemChange]) -> Bundle:
        """Change the catalogue and return the bundle that answers from now on."""

    def go_back(self, bundle: Bundle) -> None:
        """Take over the catalogue of an earlier bundle."""


@dataclass(frozen=True)
class Loaded:
    """A bundle that answers.

    Attributes:
        bundle: open and checked, over the latest state of the catalogue.
        live: makes the next one when the catalogue changes.
        version: of its source.
        until_us: the time of the last event that the bundle knows: what is later comes from the event store.
        loaded_s: when it was loaded, in seconds since 1970.
    """

    bundle: Bundle
    live: Live
    version: str
    until_us: int
    loaded_s: float = field(default_factory=time.time)

    @classmethod
    def of(
        cls, bundle: Bundle, version: str, changes: Sequence[ItemChange] = (), make_live: Callable[[Bundle], Live] = LiveBundle
    ) -> Loaded:
        """Look at a bundle once for what every request needs, and make the changes of the catalogue that were made so far."""
        histories = [one for one in (bundle.known, bundle.seen) if one is not None]
        until_us = max(int(one.time.max(initial=0)) for one in histories)
        live = make_live(bundle)
        return cls(live.change(changes) if changes else bundle, live, version, until_us)


class Slot:
    """One of the models; which bundle it is changes in one step.

    Args:
        name: how requests call it.
        source: where its bundles come from.
    """

    def __init__(self, name: str, source: Source) -> None:
        self.name, self.source = name, source
        self.loaded: Loaded | None = None
        self.changes: dict[str, ItemChange] = {}  # by item: what the next bundle has to be told of the catalogue

    def now(self) -> Loaded:
        """Return what answers now.

        Raises:
            ProblemError: E070 (503) while there is nothing.
        """
        if self.loaded is None:
            raise ProblemError(
                503,
                f"model '{self.name}' is being loaded",
                hint="ask again when /health/ready says so",
                code="E070",
                retry_after_s=1,
            )
        return self.loaded


class Slots:
    """All loaded models; the first answers unless a request names another."""

    def __init__(self, slots: list[Slot]) -> None:
        self._slots = {slot.name: slot for slot in slots}
        self._first = slots[0]

    def __iter__(self) -> Iterator[Slot]:
        return iter(self._slots.values())

    def get(self, name: str | None) -> Slot:
        """Return a slot by name.

        Raises:
            ProblemError: E072 (404) for a name that no model has.
        """
        if name is None:
            return self._first
        slot = self._slots.get(name)
        if slot is None:
            raise ProblemError(404, f"no model is called {name!r}", hint=did_you_mean(name, self._slots), code="E072")
        return slot

    @property
    def ready(self) -> bool:
        """Whether every model has a bundle."""
        return all(slot.loaded is not None for slot in self)
