"""The parts of a running service, how they start, and how they end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any

from aisle.bundle.live_bundle import LiveBundle
from aisle.serve.answering import Asked, Given, answer_all
from aisle.serve.batcher import Batcher, Limits
from aisle.serve.events.protocol import EventStore
from aisle.serve.inference_process import InferenceProcesses
from aisle.serve.keys import Keys
from aisle.serve.logs import Log
from aisle.serve.metrics import Metrics
from aisle.serve.reload import Opener, Reloader
from aisle.serve.settings import Settings
from aisle.serve.slots import Slots

_EXPIRE_EVERY_S = 3600.0

StoreOpener = Callable[[], Awaitable[EventStore | None]]


class Service:
    """Everything that handlers share; `start` belongs to the event loop that answers.

    Args:
        settings: how to serve.
        slots: the models, not loaded yet.
        opener: opens and tries a bundle.
        open_store: opens what keeps events; its None = events are refused.
    """

    batcher: Batcher[Asked, Given]
    lost: asyncio.Future[None]  # done when the service cannot go on
    openapi: bytes = b""  # put here by `make_app`, which knows the operations

    def __init__(self, settings: Settings, slots: Slots, opener: Opener, open_store: StoreOpener) -> None:
        self.settings, self.slots = settings, slots
        self.keys, self.log = Keys(settings.keys), Log(settings.log_level)
        self.store: EventStore | None = None
        self.metrics = Metrics(slots, lambda: self.batcher.waiting, self._event_counts)
        self.processes = InferenceProcesses(settings.inference_processes, settings.public_key)
        make_live = self.processes.live if settings.inference_processes else LiveBundle
        self.reloader = Reloader(slots, opener, self.log, self.metrics, make_live=make_live)
        self.draining = False
        self._open_store = open_store
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def ready(self) -> bool:
        """Whether every model answers and nobody has asked the service to end."""
        return self.slots.ready and not self.draining

    async def start(self) -> None:
        """Start the inference thread and open the store; models are loaded by `load`.

        Raises:
            AisleError: when the store cannot be opened.
        """
        limits = Limits(
            self.settings.max_batch,
            self.settings.max_waiting,
            self.settings.latency_budget_ms / 1000,
            self.settings.answer_timeout_s,
        )
        loop = asyncio.get_running_loop()
        self.lost = loop.create_future()
        self.processes.start(lambda status: loop.call_soon_threadsafe(self._lose, status))
        workers = self.processes.workers()
        self.batcher = Batcher(workers or [answer_all], limits, "inference", self.metrics.batch, turns=not workers)
        self.store = await self._open_store()
        if self.store is not None:
            self.spawn(self._expire(self.store))

    async def load(self) -> None:
        """Load every model, then follow their sources.

        Raises:
            AisleError: when one is refused: a service without its models does not start. A watched source that is out of
                reach is waited for.
        """
        for slot in self.slots:
            await self.reloader.start(slot, patient=self.settings.watch_s > 0)
        if self.settings.watch_s:
            self.spawn(self.reloader.watch(self.settings.watch_s))

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Let something run beside the requests until it or the service ends."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """Finish what waits, write what is to be written, and end."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.batcher.close()
        await asyncio.to_thread(self.processes.close)
        if self.store is not None:
            await self.store.close()
        self.log.write("info", "service-stopped", "the service has ended")
        await asyncio.to_thread(self.log.close)

    def _lose(self, status: int) -> None:
        """Give the service up: an inference process has ended before it."""
        self.log.write("error", "inference-ended", f"an inference process has ended with status {status}")
        if not self.lost.done():
            self.lost.set_result(None)

    async def _expire(self, store: EventStore) -> None:
        while True:
            try:
                removed = await store.expire(time.time_ns() // 1000)
                self.log.write("info", "events-expired", f"{sum(removed.values())} events have outlived their time")
            except Exception as error:  # a full disk now may be mended in an hour
                self.log.failure("events-expire-failed", error)
            await asyncio.sleep(_EXPIRE_EVERY_S)

    def _event_counts(self) -> Mapping[str, int]:
        return {} if self.store is None else self.store.counts()
