"""Another bundle: in its place between two batches, or refused while the old one goes on."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from aisle.bundle.bundle import Bundle
from aisle.bundle.live_catalogue import ItemChange
from aisle.errors import AisleError
from aisle.serve import reload
from aisle.serve.service import Service
from aisle.serve.settings import Settings
from tests.serve.fakes import Client, FakeBundle, FakeSource, make_service, running

DAMAGED = AisleError("golden requests are answered differently", hint="export it again", code="E017")
# A copy that is under way: files missing, cut short, old or of another name beside the new manifest, or that without its digest.
COPYING = [AisleError("a copy under way", hint="fetch it again", code=code) for code in ("E002", "E005", "E006", "E007", "E008")]
OUT_OF_REACH = AisleError("the registry cannot be reached", hint="check the network", code="E040")
FULL = AisleError("cannot write the cache", hint="free disk space", code="E601")


class Tried(list[str]):
    """The folders that were opened; `then` is told of each before it is."""

    then: Callable[[Path], Any] = staticmethod(lambda folder: None)


def watched(service: Service) -> Tried:
    """Note what the reloader opens."""
    tried, opener = Tried(), service.reloader._opener

    def note(folder: Path) -> Bundle:
        tried.then(folder)
        tried.append(str(folder))
        return opener(folder)

    service.reloader._opener = note
    return tried


class FakeLive:
    """A live bundle whose id tells which items were changed in it.

    Attributes:
        refuse: raised by a change, which then has been made already, as far as the live bundle knows.
        gate: a change waits until it is set.
        begun: set when a change has begun.
    """

    def __init__(self, base: Any) -> None:
        self.base = self.now = base
        base.live.items_changed = []
        self.refuse: Exception | None = None
        self.gate, self.begun, self._lock = threading.Event(), threading.Event(), threading.Lock()
        self.gate.set()

    def change(self, changes: Sequence[ItemChange]) -> Any:
        with self._lock:
            self.begun.set()
            assert self.gate.wait(10)
            self._show(self.now.live.items_changed + [change.item_id for change in changes])
            if self.refuse is not None:
                raise self.refuse
            return self.now

    def go_back(self, bundle: Any) -> None:
        with self._lock:
            self._show(bundle.live.items_changed)

    def _show(self, items: list[Any]) -> Any:
        self.now = FakeBundle("+".join([self.base.id.split("+")[0], *map(str, items)]))
        self.now.live.items_changed = items
        return self.now


@pytest.fixture
def live(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fake bundles get a catalogue that changes."""
    monkeypatch.setattr("aisle.serve.service.LiveBundle", FakeLive)


def lives(service: Service) -> list[Any]:
    """The fake live bundles of the models."""
    return [slot.now().live for slot in service.slots]


def answering(client: Client) -> str:
    bundle: str = client.recommend().json()["bundle"]
    return bundle


def test_a_call_puts_the_new_bundle_in_its_place() -> None:
    source = FakeSource(FakeBundle("old"))
    with running(make_service(source)) as client:
        assert answering(client) == "old"
        source.bundle = FakeBundle("new")
        answer = client.post("/v1/admin/reload", json={})
        assert (answer.status_code, answer.json()["bundles"]) == (200, {"main": "new"})
        assert answering(client) == "new"


def test_a_bad_bundle_is_refused_with_its_reason_counted_logged_and_the_old_one_stays(capsys: pytest.CaptureFixture[str]) -> None:
    source = FakeSource(FakeBundle("old"))
    with running(make_service(source)) as client:
        source.bundle, source.refuse = FakeBundle("bad"), DAMAGED
        answer = client.post("/v1/admin/reload", json={})
        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (409, "E075")
        assert error["message"] == (
            "the new bundle of 'main' is refused, bundle old stays: golden requests are answered differently [E017]"
        )
        assert answering(client) == "old"
        assert client.get("/health/ready").status_code == 200
        assert 'aisle_reloads_total{outcome="refused",variant="main"} 1.0' in client.get("/metrics").text
    assert "bundle-refused" in capsys.readouterr().err


def test_one_of_several_models_is_loaded_again() -> None:
    one, two = FakeSource(FakeBundle("one")), FakeSource(FakeBundle("two"))
    with running(make_service(one, two)) as client:
        one.bundle, two.bundle = FakeBundle("one-b"), FakeBundle("two-b")
        assert client.post("/v1/admin/reload", json={"model": "other"}).json()["bundles"] == {"other": "two-b"}
        assert answering(client) == "one"
        assert client.post("/v1/admin/reload", json={"model": "nobody"}).status_code == 404


def test_a_batch_that_has_begun_ends_with_the_bundle_it_began_with() -> None:
    source = FakeSource(FakeBundle("old"))
    with running(make_service(source)) as client:
        old = source.bundle
        old.gate.clear()
        first = client.send("POST", "/v1/recommend", json={})
        assert old.begun.wait(10)
        source.bundle = FakeBundle("new")
        assert client.post("/v1/admin/reload", json={}).status_code == 200
        later = client.send("POST", "/v1/recommend", json={})
        old.gate.set()
        assert (first.result(10).json()["bundle"], later.result(10).json()["bundle"]) == ("old", "new")


def test_a_watched_source_is_followed_and_a_refused_version_is_not_tried_again() -> None:
    source = FakeSource(FakeBundle("old"))
    service = make_service(source)
    with running(service) as client:
        tried = watched(service)
        client.wait(service.reloader.look())
        assert tried == []
        source.bundle = FakeBundle("new")
        client.wait(service.reloader.look())
        assert (answering(client), tried) == ("new", ["new"])
        source.bundle, source.refuse = FakeBundle("bad"), DAMAGED
        client.wait(service.reloader.look())
        client.wait(service.reloader.look())
        assert (answering(client), tried) == ("new", ["new", "bad"])
        source.bundle, source.refuse = FakeBundle("good"), None
        client.wait(service.reloader.look())
        assert answering(client) == "good"


def test_a_source_that_cannot_be_read_just_now_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    source = FakeSource(FakeBundle("old"))
    with running(make_service(source)) as client:

        def unreadable() -> str:
            raise OUT_OF_REACH

        monkeypatch.setattr(source, "version", unreadable)
        client.wait(client.service.reloader.look())
        assert answering(client) == "old"
        answer = client.post("/v1/admin/reload", json={})
        assert (answer.status_code, answer.json()["error"]["code"], answer.headers["retry-after"]) == (503, "E076", "5")


@pytest.mark.parametrize("trouble", [OUT_OF_REACH, FULL, OSError("connection reset"), MemoryError(), *COPYING])
def test_trouble_that_may_pass_is_tried_again_after_a_wait_that_grows(trouble: Exception) -> None:
    source = FakeSource(FakeBundle("old"))
    service = make_service(source)
    now_s = [0.0]
    service.reloader._clock = lambda: now_s[0]
    with running(service) as client:
        source.bundle, source.refuse = FakeBundle("new"), trouble
        tried = watched(service)
        for moment, tries in ((0, 1), (4.9, 1), (5, 2), (14.9, 2), (15, 3), (34, 3), (35, 4), (400, 5), (699, 6), (1000, 7)):
            now_s[0] = moment
            client.wait(service.reloader.look())
            assert len(tried) == tries, moment
        assert 'aisle_reloads_total{outcome="not-loaded",variant="main"} 7.0' in client.get("/metrics").text
        source.refuse = None
        now_s[0] = 1300
        client.wait(service.reloader.look())
        assert answering(client) == "new"


@pytest.mark.parametrize("trouble", [OUT_OF_REACH, OSError("connection reset"), MemoryError(), *COPYING])
def test_a_call_in_trouble_that_may_pass_says_so_and_when_to_ask_again(trouble: Exception) -> None:
    source = FakeSource(FakeBundle("old"))
    with running(make_service(source)) as client:
        source.bundle, source.refuse = FakeBundle("new"), trouble
        answer = client.post("/v1/admin/reload", json={})
        assert (answer.status_code, answer.json()["error"]["code"], answer.headers["retry-after"]) == (503, "E076", "5")
        assert answering(client) == "old"
        source.refuse = None
        assert client.post("/v1/admin/reload", json={}).json()["bundles"] == {"main": "new"}


def test_at_the_start_a_watched_registry_that_is_out_of_reach_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reload, "_FIRST_WAIT_S", 0.001)
    source = FakeSource(FakeBundle("old"), refuse=OUT_OF_REACH)
    service = make_service(source, settings=Settings(access_log=False, watch_s=3600))
    tried = watched(service)

    def out_of_reach_twice(folder: Path) -> Any:
        if len(tried) == 2:
            source.refuse = None

    client = Client(service)
    tried.then = out_of_reach_twice
    try:
        client.wait(service.start())
        client.wait(service.load())
        assert (answering(client), len(tried)) == ("old", 3)
    finally:
        client.wait(service.stop())
        client.close()


def caused(number: int) -> AisleError:
    """What storage says when the operating system refuses to write."""
    error = AisleError("cannot write the cache", hint="free disk space", code="E601")
    error.__cause__ = OSError(number, os.strerror(number))
    return error


def test_only_a_full_disk_is_waited_for_at_the_start() -> None:
    assert [reload._passes(caused(number)) for number in (errno.ENOSPC, errno.EDQUOT)] == [True, True]
    assert [reload._passes(caused(number)) for number in (errno.EACCES, errno.EROFS, errno.ENOTDIR)] == [False] * 3


@pytest.mark.parametrize(
    ("watch_s", "trouble"),
    [
        (0, OUT_OF_REACH),
        (3600, DAMAGED),
        (3600, caused(errno.EACCES)),
        (3600, AisleError("no bundle at x", hint="-", code="E083")),
    ],
)
def test_at_the_start_what_is_wrong_for_good_is_told_at_once(watch_s: float, trouble: AisleError) -> None:
    service = make_service(FakeSource(refuse=trouble), settings=Settings(access_log=False, watch_s=watch_s))
    with pytest.raises(AisleError) as caught, running(service):
        pass
    assert caught.value is trouble


@pytest.mark.usefixtures("live")
def test_while_a_bundle_is_fetched_the_catalogue_changes_and_a_second_call_is_told_to_come_back() -> None:
    source = FakeSource(FakeBundle("old"))
    service = make_service(source)
    with running(service) as client:
        source.bundle = FakeBundle("new")
        arrived, go_on = threading.Event(), threading.Event()
        opener = service.reloader._opener

        def slow(folder: Path) -> Bundle:
            arrived.set()
            assert go_on.wait(10)
            return opener(folder)

        service.reloader._opener = slow
        first = client.send("POST", "/v1/admin/reload", json={})
        assert arrived.wait(10)
        second = client.send("POST", "/v1/admin/reload", json={}).result(10)
        assert (second.status_code, second.json()["error"]["code"], second.headers["retry-after"]) == (409, "E071", "5")
        changed = client.send("POST", "/v1/catalogue", json={"changes": [{"item_id": "i000", "price": 2}]}).result(10)
        assert (changed.status_code, answering(client)) == (200, "old+i000")
        client.wait(service.reloader.look())  # comes back at once too
        signalled = client.begin(service.reloader.reload(service.slots, wait=True))  # a signal cannot ask again
        go_on.set()
        assert signalled.result(10) == {"main": "new+i000"}
        assert first.result(10).json()["bundles"] == {"main": "new+i000"}
        assert answering(client) == "new+i000"


def test_a_bundle_that_takes_long_to_load_is_spoken_of_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(reload, "_SLOW_S", 0.01)
    source = FakeSource(FakeBundle("old"))
    service = make_service(source)
    said: list[str] = []

    def slow(folder: Path) -> Bundle:
        end = time.monotonic() + 10
        while "bundle-loading" not in "".join(said) and time.monotonic() < end:
            service.log.flush()
            said.append(capsys.readouterr().err)
        return opener(folder)

    with running(service) as client:
        opener, service.reloader._opener = service.reloader._opener, slow
        source.bundle = FakeBundle("new")
        client.wait(service.reloader.look())
        assert "".join(said).count("main has been loading for 0.01 s") == 1
        assert answering(client) == "new"


@pytest.mark.usefixtures("live")
@pytest.mark.parametrize("trouble", [AisleError("no price", hint="-", code="E037"), MemoryError()])
def test_a_change_that_fails_in_one_model_is_made_in_none(trouble: Exception) -> None:
    service = make_service(FakeSource(FakeBundle("one")), FakeSource(FakeBundle("two")))
    with running(service) as client:
        one, two = lives(service)
        two.refuse = trouble
        change = [ItemChange("i000", 2.0)]
        with pytest.raises(type(trouble)):
            client.wait(service.reloader.change(list(service.slots), change))
        assert (one.now.id, two.now.id) == ("one", "two")
        assert [slot.changes for slot in service.slots] == [{}, {}]
        two.refuse = None
        client.wait(service.reloader.change(list(service.slots), change))
        assert [slot.now().bundle.id for slot in service.slots] == ["one+i000", "two+i000"]


@pytest.mark.usefixtures("live")
def test_a_change_whose_caller_gives_up_is_made_in_no_model() -> None:
    service = make_service(FakeSource(FakeBundle("one")), FakeSource(FakeBundle("two")))
    with running(service) as client:
        one, two = lives(service)
        two.gate.clear()
        asked = client.begin(service.reloader.change(list(service.slots), [ItemChange("i000", 2.0)]))
        assert two.begun.wait(10)
        asked.cancel()
        two.gate.set()
        client.wait(service.reloader.change(list(service.slots), [ItemChange("i001", 2.0)]))
        assert [slot.now().bundle.id for slot in service.slots] == ["one+i001", "two+i001"]
        assert (one.now.id, two.now.id) == ("one+i001", "two+i001")


def test_fifty_reloads_under_load_fail_no_request() -> None:
    source = FakeSource(FakeBundle("bundle-0"))
    failures: list[str] = []
    seen: set[str] = set()
    with running(make_service(source, settings=Settings(access_log=False, watch_s=0, latency_budget_ms=5000))) as client:
        stop = threading.Event()

        def ask() -> None:
            while not stop.is_set():
                answer = client.recommend(k=1)
                if answer.status_code != 200:
                    failures.append(answer.text)
                seen.add(answer.json().get("bundle", ""))

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for number in range(1, 51):
            source.bundle = FakeBundle(f"bundle-{number}")
            answer: Any = client.post("/v1/admin/reload", json={})
            assert answer.status_code == 200, answer.text
        stop.set()
        for thread in threads:
            thread.join()
    assert failures == []
    assert len(seen) > 1
