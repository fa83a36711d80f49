"""A bundle whose answers are known by heart, with the interface of `bundle.bundle.Bundle`, and a service around it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import numpy as np

from aisle.bundle.manifest import ModelAbout, Versions
from aisle.bundle.question import Answer, Item, Question
from aisle.errors import AisleError
from aisle.features.histories import Histories
from aisle.features.vocabulary import Vocabulary
from aisle.recommend.rules import Rules
from aisle.serve.app import make_app
from aisle.serve.service import Service, StoreOpener
from aisle.serve.settings import Settings
from aisle.serve.slots import Slot, Slots
from aisle.storage.strings import Strings

N_ITEMS = 1000


@dataclass
class FakeBundle:
    """Recommends i0, i1, ... after what was seen; says what it was asked.

    Attributes:
        asked: every batch it was given.
        gate: recommending waits until it is set.
        begun: set when recommending has begun.
    """

    id: str = "aaaaaaaaaaaa"
    asked: list[list[Question]] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)
    begun: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.gate.set()
        self.items = Vocabulary(Strings.pack([f"i{place:03}" for place in range(N_ITEMS)]))
        self.known, self.seen = Histories.empty(0), None
        self.knowledge = SimpleNamespace(rules=Rules())
        facts = {"title": "An item", "price": 1.5}
        self.live = SimpleNamespace(items=self.items, n_items=N_ITEMS, facts=lambda code: facts)
        versions = Versions(aisle="0.1.0", python="3.11", numpy="2")
        self.manifest = SimpleNamespace(
            data_note="",
            name="fake",
            created="2026-01-01T00:00:00+00:00",
            versions=versions,
            model_dump=lambda **_: {
                "name": "fake",
                "model": ModelAbout(recipe="fake", kind="fake", scorer="fake", n_users=0, n_items=9).model_dump(),
            },
        )

    def recommend(self, questions: Sequence[Question]) -> list[Answer]:
        self.begun.set()
        assert self.gate.wait(10)
        self.asked.append(list(questions))
        return [self._answer(question) for question in questions]

    def _answer(self, question: Question) -> Answer:
        if question.user_id == "broken":
            raise RuntimeError("a bug of the bundle")
        if question.candidates == ("nowhere",):
            raise AisleError("none of the 1 candidates is in the catalogue", hint="raw ids", code="E305")
        seen = {str(event.item_id) for event in question.events} if question.filter_seen else set()
        names = [name for name in self.items.decode(range(N_ITEMS)) if name not in seen][: question.k]
        because = next(iter(sorted(seen)), None)
        items = [Item(name, 1.0 / rank, rank, "model", "by heart", because) for rank, name in enumerate(names, 1)]
        return Answer(tuple(items), known=question.user_id is not None or bool(question.events))

    def similar_items(self, item_id: str, k: int) -> tuple[Item, ...]:
        if int(self.items.encode([item_id])[0]) < 0:
            raise AisleError(f"item {item_id!r} is not in this bundle's catalogue", hint="raw ids", code="E306")
        return tuple(Item(f"i{rank:03}", 1.0 / rank, rank, "model", "from fake") for rank in range(1, k + 1))


@dataclass
class FakeSource:
    """Serves the bundle that it holds; `refuse` makes opening fail."""

    bundle: FakeBundle = field(default_factory=FakeBundle)
    refuse: Exception | None = None

    def version(self) -> str:
        return self.bundle.id

    def folder(self) -> Path:
        return Path(self.bundle.id)


def make_service(
    *sources: FakeSource,
    open_store: StoreOpener | None = None,
    settings: Settings | None = None,
    names: Sequence[str] = ("main", "other"),
) -> Service:
    """A service over fake bundles, not started."""
    slots = [Slot(name, source) for name, source in zip(names, sources or (FakeSource(),), strict=False)]

    def open_bundle(folder: Path) -> Any:
        for slot in slots:
            source = slot.source
            if isinstance(source, FakeSource) and source.bundle.id == str(folder):
                if source.refuse:
                    raise source.refuse
                return source.bundle
        raise AssertionError(folder)

    async def no_store() -> None:
        return None

    return Service(settings or Settings(access_log=False, watch_s=0), Slots(slots), open_bundle, open_store or no_store)


class Client:
    """Calls an application in this process, from a thread that has no event loop.

    Args:
        service: started and loaded by `running`.
    """

    def __init__(self, service: Service) -> None:
        self.service, self.loop = service, asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        transport = httpx.ASGITransport(make_app(service), raise_app_exceptions=True)
        self._client = httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=30)

    def begin(self, work: Coroutine[Any, Any, Any]) -> Future[Any]:
        """Start something in the loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    def wait(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Do something in the loop."""
        return self.begin(work).result(30)

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        response: httpx.Response = self.wait(self._client.request(method, path, **options))
        return response

    def send(self, method: str, path: str, **options: Any) -> Future[httpx.Response]:
        """Start a request; its answer comes later."""
        return self.begin(self._client.request(method, path, **options))

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        return self.request("POST", path, **options)

    def recommend(self, **question: Any) -> httpx.Response:
        return self.post("/v1/recommend", json=question)

    def close(self) -> None:
        self.wait(self._client.aclose())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


@contextmanager
def running(service: Service) -> Iterator[Client]:
    """A client of the service in this process; the service is loaded, and stopped afterwards."""
    client = Client(service)
    try:
        client.wait(service.start())
        client.wait(service.load())
        yield client
    finally:
        client.wait(service.stop())
        client.close()


def rows(histories: Histories) -> int:
    """Count events."""
    return int(np.diff(histories.offsets).sum())
