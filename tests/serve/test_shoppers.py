"""What shoppers do: on disk before it is accepted, in the next recommendation, and gone when it is erased."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aisle.features.histories import Histories
from aisle.serve.events.protocol import Served, StoredEvent
from aisle.serve.events.sqlite import SqliteStore
from aisle.serve.events.sqlite_log import SqliteLog
from aisle.serve.settings import Settings
from tests.serve.fakes import Client, FakeBundle, FakeSource, make_service, running

NOW_S = time.time()
UNTIL_US = int(NOW_S - 3600) * 1_000_000  # the last event that the bundle knows


@pytest.fixture
def bundle() -> FakeBundle:
    bundle = FakeBundle()
    no_item, no_kind = np.zeros(1, np.int32), np.ones(1, np.uint8)
    bundle.known = Histories(np.array([0, 1]), no_item, no_kind, np.array([UNTIL_US]))
    return bundle


@pytest.fixture
def client(bundle: FakeBundle, tmp_path: Path) -> Iterator[Client]:
    service = make_service(FakeSource(bundle), open_store=lambda: SqliteStore.open(tmp_path / "events.db"))
    with running(service) as client:
        yield client


def tell(client: Client, *events: dict[str, Any]) -> None:
    answer = client.post("/v1/events", json={"events": events})
    assert answer.status_code == 200, answer.text
    assert answer.json()["accepted"] == len(events)


def items(client: Client, **question: Any) -> list[str]:
    return [item["item_id"] for item in client.recommend(k=3, **question).json()["items"]]


def stored(path: Path) -> tuple[list[StoredEvent], list[Served]]:
    async def read() -> tuple[list[StoredEvent], list[Served]]:
        log = SqliteLog(path)
        events = [event async for _, event in log.read()]
        served = [one async for _, one in log.read_served()]
        await log.close()
        return events, served

    return asyncio.run(read())


def test_the_next_recommendation_reflects_an_accepted_event(client: Client) -> None:
    assert items(client, user_id="u1") == ["i000", "i001", "i002"]
    tell(client, {"event": "purchase", "item_id": "i001", "user_id": "u1"})
    assert items(client, user_id="u1") == ["i000", "i002", "i003"]
    assert items(client, user_id="u2") == ["i000", "i001", "i002"]


def test_a_session_is_its_own_shopper_until_it_says_whose_it_is(client: Client, bundle: FakeBundle) -> None:
    tell(client, {"event": "view", "item_id": "i000", "session_id": "s1"})
    assert items(client, session_id="s1") == ["i001", "i002", "i003"]
    assert bundle.asked[-1][0].user_id is None
    tell(client, {"event": "view", "item_id": "i001", "session_id": "s1", "user_id": "u1"})
    assert items(client, session_id="s1") == ["i002", "i003", "i004"]
    assert bundle.asked[-1][0].user_id == "u1"
    assert items(client, user_id="u1") == ["i002", "i003", "i004"]


def test_an_event_that_the_bundle_was_made_from_is_not_counted_twice(client: Client, bundle: FakeBundle) -> None:
    at_s = UNTIL_US / 1e6
    tell(
        client,
        {"event": "view", "item_id": "i000", "user_id": "u1", "timestamp": at_s},
        {"event": "view", "item_id": "i001", "user_id": "u1", "timestamp": at_s + 1},
    )
    client.recommend(user_id="u1")
    assert [event.item_id for event in bundle.asked[-1][0].events] == ["i001"]


def test_events_that_no_list_reflects_are_counted_in_the_answer(client: Client) -> None:
    event = {"event": "view", "item_id": "i000", "user_id": "u1"}
    at_s = UNTIL_US / 1e6
    events = [event, event | {"timestamp": at_s + 1}, event | {"timestamp": at_s}, event | {"timestamp": at_s - 1e6}]
    answer = client.post("/v1/events", json={"events": events}).json()
    assert (answer["accepted"], answer["too_old_to_matter"]) == (4, 2)


def test_a_history_sent_along_leaves_the_store_out(client: Client, bundle: FakeBundle) -> None:
    tell(client, {"event": "view", "item_id": "i000", "user_id": "u1"})
    client.recommend(user_id="u1", history=[{"item_id": "i005"}])
    assert [event.item_id for event in bundle.asked[-1][0].events] == ["i005"]


def test_events_keep_what_was_said_of_them(client: Client, tmp_path: Path) -> None:
    tell(
        client,
        {
            "event": "purchase",
            "item_id": 7,
            "user_id": 8,
            "session_id": "s",
            "timestamp": NOW_S,
            "event_id": "e1",
            "request_id": "r1",
            "position": 3,
            "quantity": 2,
            "price": 9.5,
            "variant": "b",
        },
    )
    (event,), _ = stored(tmp_path / "events.db")
    assert (event.item_id, event.user_id, event.session_id, event.event.name) == ("7", "8", "s", "purchase")
    assert abs(event.time_us - 1e6 * NOW_S) < 1
    assert (event.event_id, event.request_id, event.position) == ("e1", "r1", 3)
    assert (event.quantity, event.price, event.variant) == (2.0, 9.5, "b")


def test_an_event_that_is_sent_again_is_stored_once(client: Client, tmp_path: Path) -> None:
    event = {"event": "view", "item_id": "i1", "user_id": "u1", "event_id": "same"}
    answers = [client.post("/v1/events", json={"events": [event]}).json() for _ in range(2)]
    assert [(answer["accepted"], answer["repeated"]) for answer in answers] == [(1, 0), (1, 1)]
    assert len(stored(tmp_path / "events.db")[0]) == 1


def test_events_that_cannot_be_are_refused_all_together(client: Client, tmp_path: Path) -> None:
    good = {"event": "view", "item_id": "i1", "user_id": "u1"}
    for bad, code in (
        ({"event": "view", "item_id": "i1"}, "E050"),
        ({**good, "timestamp": time.time() + 7200}, "E051"),
        ({**good, "event": "rating"}, "E061"),
        ({**good, "timestamp": 1e12}, "E061"),
        ({**good, "user_id": "null"}, "E050"),
    ):
        answer = client.post("/v1/events", json={"events": [good, bad]})
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, code)
    assert stored(tmp_path / "events.db") == ([], [])


def test_an_erased_shopper_is_a_stranger_even_to_the_bundle(client: Client, bundle: FakeBundle) -> None:
    tell(client, {"event": "view", "item_id": "i000", "user_id": "u 1/ü", "session_id": "s"})
    answer = client.request("DELETE", "/v1/shoppers/u%201%2F%C3%BC")
    receipt = answer.json()
    assert answer.status_code == 200
    assert (receipt["events"], receipt["sessions"]) == (1, 1)
    assert "u 1" not in answer.text
    client.recommend(user_id="u 1/ü")
    question = bundle.asked[-1][0]
    assert (question.user_id, question.events, question.whole) == (None, (), True)
    tell(client, {"event": "view", "item_id": "i002", "user_id": "u 1/ü"})
    client.recommend(user_id="u 1/ü")
    assert [event.item_id for event in bundle.asked[-1][0].events] == ["i002"]


def test_a_history_sent_along_does_not_bring_an_erased_shopper_back(client: Client, bundle: FakeBundle) -> None:
    """Without a user id a model knows of them what the history says: the vector that it learned of them is not used."""
    client.request("DELETE", "/v1/shoppers/17")
    for user_id, known_as in (("17", None), (17, None), ("18", "18")):
        client.recommend(user_id=user_id, session_id="s", history=[{"item_id": "i005"}])
        question = bundle.asked[-1][0]
        assert (question.user_id, question.whole, [event.item_id for event in question.events]) == (known_as, True, ["i005"])
    requests = [{"user_id": user_id, "history": [{"item_id": "i005"}]} for user_id in ("17", "18")]
    client.post("/v1/recommend/batch", json={"requests": requests})
    assert [question.user_id for question in bundle.asked[-1]] == [None, "18"]


def test_lists_of_an_answer_that_nobody_got_are_not_logged(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask, rooms = client.service.batcher.ask, iter([True, False])

    async def fails_half_way(asks: Any) -> Any:
        if not next(rooms):
            raise RuntimeError("a bug")
        return await ask(asks)

    monkeypatch.setattr(client.service.batcher, "ask", fails_half_way)
    assert client.post("/v1/recommend/batch", json={"requests": [{"user_id": "u1"}] * 33}).status_code == 500
    client.wait(client.service.stop())
    assert stored(tmp_path / "events.db")[1] == []


def test_what_was_shown_is_logged_with_place_variant_and_bundle(client: Client, tmp_path: Path) -> None:
    client.post("/v1/recommend", json={"user_id": "u1", "session_id": "s", "k": 2}, headers={"x-request-id": "r1"})
    client.post("/v1/recommend/batch", json={"requests": [{"k": 1}]}, headers={"x-request-id": "r2"})
    client.wait(client.service.stop())
    _, served = stored(tmp_path / "events.db")
    assert [(one.request_id, one.items, one.bundle, one.variant, one.user_id, one.session_id) for one in served] == [
        ("r1", ("i000", "i001"), "aaaaaaaaaaaa", "main", "u1", "s"),
        ("r2.0", ("i000",), "aaaaaaaaaaaa", "main", None, None),
    ]


def test_without_a_store_events_are_refused() -> None:
    with running(make_service()) as client:
        answer = client.post("/v1/events", json={"events": [{"event": "view", "item_id": "i1", "user_id": "u1"}]})
        erased = client.request("DELETE", "/v1/shoppers/u1")
    assert [(one.status_code, one.json()["error"]["code"]) for one in (answer, erased)] == [(404, "E084")] * 2


def test_no_log_line_names_a_shopper(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    service = make_service(settings=Settings(watch_s=0), open_store=lambda: SqliteStore.open(tmp_path / "events.db"))
    with running(service) as client:
        tell(client, {"event": "view", "item_id": "i000", "user_id": "secret-user", "session_id": "secret-session"})
        client.recommend(user_id="secret-user", session_id="secret-session")
        client.request("DELETE", "/v1/shoppers/secret-user")
        assert "secret" not in client.get("/v1/shoppers/secret-user/secret").text
        client.request("DELETE", "/v1/shoppers/secret-user", headers={"host": "evil.example"})
        for nearly in ("/v1/shopper/secret-user", "/V1/shoppers/secret-user", "/v2/shoppers/secret-user"):
            assert nearly in client.request("DELETE", nearly).json()["error"]["message"]  # to the caller it is said
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["url.path"] for line in lines if line["event.action"] == "request"] == [
        "/v1/events",
        "/v1/recommend",
        *["/v1/shoppers/{user_id}"] * 3,
        *["(no such path)"] * 3,
    ]
    assert "secret" not in json.dumps(lines)


def test_where_the_events_cannot_be_read_the_answer_says_when_to_ask_again(client: Client) -> None:
    client.service.store._reader.close()  # type: ignore[union-attr]
    answer = client.recommend(user_id="u1")
    assert (answer.status_code, answer.json()["error"]["code"], answer.headers["retry-after"]) == (503, "E058", "1")
    assert client.recommend().status_code == 200


def test_a_service_whose_events_can_no_longer_be_written_is_not_alive(client: Client) -> None:
    assert client.get("/health/live").status_code == 200
    client.wait(client.service.store._writer.close())  # type: ignore[union-attr]
    assert client.get("/health/live").status_code == 503
