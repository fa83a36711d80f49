"""Another bundle: in its place between two batches, or refused while the old one goes on."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from aisle.bundle.bundle import Bundle
from aisle.errors import AisleError
from aisle.serve.settings import Settings
from tests.serve.fakes import Client, FakeBundle, FakeSource, make_service, running

DAMAGED = AisleError("arrays/known.item.npy was altered", hint="export it again", code="E006")


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
            "the new bundle of 'main' is refused, bundle old stays: arrays/known.item.npy was altered [E006]"
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
    tried: list[str] = []
    service = make_service(source)
    with running(service) as client:
        opener = service.reloader._opener

        def note(folder: Path) -> Bundle:
            tried.append(str(folder))
            return opener(folder)

        service.reloader._opener = note
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
            raise AisleError("the registry cannot be reached", hint="-", code="E040")

        monkeypatch.setattr(source, "version", unreadable)
        client.wait(client.service.reloader.look())
        assert answering(client) == "old"
        assert client.post("/v1/admin/reload", json={}).status_code == 409


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
