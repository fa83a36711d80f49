"""From settings to the parts of a service: bundles that are checked and tried, the event store, the models by name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from aisle.bundle.bundle import Bundle
from aisle.bundle.golden import read_golden, replay
from aisle.bundle.layout import GOLDEN_NAME
from aisle.errors import AisleError
from aisle.schema.events import Event
from aisle.serve.events.config import EventsConfig
from aisle.serve.events.protocol import EventStore
from aisle.serve.events.store import open_store
from aisle.serve.service import Service
from aisle.serve.settings import Settings
from aisle.serve.slots import Slot, Slots
from aisle.serve.sources import source_of

MAIN = "main"


def make_service(settings: Settings, bundle: str | None, models: Sequence[str] = ()) -> Service:
    """Return a service, not started.

    Args:
        settings: how to serve.
        bundle: address of the bundle or registry that answers unless a request names another.
        models: further ones, each NAME=ADDRESS.

    Raises:
        AisleError: E082 when there is none, or a name is missing or given twice; E078 when the keys cannot be read.
    """
    named = [] if bundle is None else [(MAIN, bundle)]
    for one in models:
        name, equals, address = one.partition("=")
        if not (name and equals and address) or name in dict(named):
            raise AisleError(
                f"--model {one} is no NAME=BUNDLE with a name of its own", hint="such as --model ncf=runs/ncf/bundle", code="E082"
            )
        named.append((name, address))
    if not named:
        raise AisleError("no bundle was given", hint="`aisle serve BUNDLE`; `aisle export` makes one", code="E082")
    cache = settings.cache.expanduser()
    slots = [Slot(name, source_of(address, cache, settings.channel, settings.public_key)) for name, address in named]

    async def store() -> EventStore | None:
        return None if settings.events is None else await open_store(settings.events, events_config(settings))

    return Service(settings, Slots(slots), lambda folder: open_tried(folder, settings.public_key), store)


def events_config(settings: Settings) -> EventsConfig:
    """Return the bounds of the event store."""
    if settings.events_days is None:
        return EventsConfig(queue_served=settings.max_impressions)
    days = dict.fromkeys(Event, settings.events_days)
    return EventsConfig(
        days, served_days=settings.events_days, session_days=settings.events_days, queue_served=settings.max_impressions
    )


def open_tried(folder: Path, public_key: Path | None = None) -> Bundle:
    """Open a bundle, check every byte of it, and hold it to its golden requests.

    Raises:
        AisleError: E001 to E014 when it is not what was exported, E017 when it does not answer as it did at export.
    """
    bundle = Bundle.open(folder, public_key=public_key)
    report = replay(bundle, read_golden(folder / GOLDEN_NAME), bundle.manifest.tolerance)
    if not report.agrees:
        raise AisleError(
            f"{len(report.wrong)} of {report.asked} golden requests of {folder} come out differently here: {report.wrong[0]}",
            hint="`aisle verify` shows all of them and what does not fit; export again with the versions of this machine",
            code="E017",
        )
    return bundle
