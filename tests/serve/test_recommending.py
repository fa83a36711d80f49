"""From a body to a question, and from an answer to a body."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from aisle.bundle.question import Question, RawEvent
from aisle.recommend.rules import Rules
from aisle.serve.problems import overloaded
from aisle.serve.settings import Settings
from tests.serve.fakes import Client, FakeBundle, FakeSource, make_service, running


@pytest.fixture(scope="module")
def bundle() -> FakeBundle:
    return FakeBundle()


@pytest.fixture(scope="module")
def client(bundle: FakeBundle) -> Iterator[Client]:
    with running(make_service(FakeSource(bundle))) as client:
        yield client


def test_an_answer_says_what_it_is_from(client: Client) -> None:
    answer = client.recommend(user_id="u1", k=2)
    assert answer.status_code == 200
    assert answer.headers["x-request-id"] == answer.json()["request_id"]
    assert answer.json() | {"request_id": ""} == {
        "request_id": "",
        "bundle": "aaaaaaaaaaaa",
        "model": "fake",
        "variant": "main",
        "known": True,
        "items": [
            {"item_id": "i000", "score": 1.0, "rank": 1, "source": "model", "reason": "by heart", "because_item_id": None},
            {"item_id": "i001", "score": 0.5, "rank": 2, "source": "model", "reason": "by heart", "because_item_id": None},
        ],
    }


def asked(bundle: FakeBundle, client: Client, **question: Any) -> Question:
    """What the bundle is asked for a body."""
    answer = client.recommend(**question)
    assert answer.status_code == 200, answer.text
    return bundle.asked[-1][0]


def test_a_body_becomes_a_question(bundle: FakeBundle, client: Client) -> None:
    question = asked(
        bundle,
        client,
        user_id="u1",
        k=500,
        filter_seen=False,
        candidates=["i001", 2],
        categories=["Tea"],
        min_price=1,
        max_price=2.5,
        available_only=True,
        exclude_events=["purchase"],
        max_per_category=3,
        context={"daytime": "evening", "hour": 7},
    )
    assert question == Question(
        "u1",
        (),
        False,
        500,
        False,
        ("i001", 2),
        ("Tea",),
        Rules(("purchase",), True, 1.0, 2.5, 3),
        (("daytime", "evening"), ("hour", "7")),
    )


def test_nothing_said_is_the_shops_own(bundle: FakeBundle, client: Client) -> None:
    assert asked(bundle, client) == Question(None, (), False, 10, True)


def test_a_rule_of_the_request_takes_the_place_of_the_shops_and_leaves_its_others() -> None:
    source = FakeSource()
    source.bundle.knowledge.rules = Rules(available_only=True, max_price=9.0)
    with running(make_service(source)) as client:
        question = asked(source.bundle, client, max_price=5)
    assert question.rules == Rules(available_only=True, max_price=5.0)


def test_a_history_sent_along_is_the_whole_history(bundle: FakeBundle, client: Client) -> None:
    history = [{"item_id": "i003", "event": "cart", "timestamp": 1_700_000_000.5}]
    question = asked(bundle, client, user_id="u1", history=history)
    assert question.whole
    assert list(question.events) == [RawEvent("i003", "cart", 1_700_000_000_500_000)]
    history = [{"item_id": "i003", "timestamp": "2023-11-14T22:13:20.5Z"}]
    assert list(asked(bundle, client, history=history).events) == [RawEvent("i003", "view", 1_700_000_000_500_000)]


def test_a_history_without_times_keeps_its_order(bundle: FakeBundle, client: Client) -> None:
    question = asked(bundle, client, history=[{"item_id": name} for name in ("i009", "i003", "i005")])
    times = [event.time_us for event in question.events]
    assert [event.item_id for event in question.events] == ["i009", "i003", "i005"]
    assert times == sorted(set(times))


def test_an_empty_history_is_a_shopper_who_did_nothing(bundle: FakeBundle, client: Client) -> None:
    question = asked(bundle, client, user_id="u1", history=[])
    assert question.whole
    assert question.events == ()


def test_a_request_id_is_kept_where_it_is_sane(client: Client) -> None:
    for sent, kept in (("abc-1.2:3_4", True), ("x" * 128, True), ("x" * 129, False), ("a b", False), ("", False), ("é", False)):
        answer = client.post("/v1/recommend", json={}, headers={"x-request-id": sent.encode()})
        assert (answer.json()["request_id"] == sent) is kept
        assert answer.headers["x-request-id"] == answer.json()["request_id"]


def test_what_cannot_be_answered_is_refused_alone_while_others_are_answered(bundle: FakeBundle, client: Client) -> None:
    bundle.gate.clear()
    first = client.send("POST", "/v1/recommend", json={"user_id": "first"})
    others = [
        client.send("POST", "/v1/recommend", json=body)
        for body in ({"user_id": "u1"}, {"candidates": ["nowhere"]}, {"user_id": "broken"}, {"user_id": "u2"})
    ]
    client.wait(_waiting(client, 5))
    bundle.gate.set()
    answers = [one.result(10) for one in (first, *others)]
    assert [answer.status_code for answer in answers] == [200, 200, 422, 500, 200]
    assert answers[2].json()["error"]["code"] == "E305"
    assert answers[3].json()["error"] == {
        "code": "E081",
        "message": "the service has a bug",
        "hint": "send us the log line with this request id",
    }


async def _waiting(client: Client, count: int) -> None:
    while client.service.batcher.waiting < count:
        await asyncio.sleep(0)


def test_a_batch_answers_each_question_in_its_place(client: Client) -> None:
    requests = [{"user_id": "u1", "k": 1}, {"candidates": ["nowhere"]}, {"k": 2, "model": "nobody"}, {"user_id": "broken"}, {}]
    answer = client.post("/v1/recommend/batch", json={"requests": requests}, headers={"x-request-id": "r"})
    answers = answer.json()["answers"]
    assert answer.status_code == 200
    assert [one.get("request_id", one.get("error", {}).get("code")) for one in answers] == ["r.0", "E305", "E072", "E081", "r.4"]
    assert [len(answers[0]["items"]), len(answers[4]["items"])] == [1, 10]


def test_a_large_batch_lets_others_in_between() -> None:
    source = FakeSource()
    with running(make_service(source, settings=Settings(max_batch=4, access_log=False, watch_s=0))) as client:
        assert client.post("/v1/recommend/batch", json={"requests": [{}] * 10}).status_code == 200
        assert [len(batch) for batch in source.bundle.asked] == [4, 4, 2]
        refused = client.post("/v1/recommend/batch", json={"requests": [{}] * 257})
    assert refused.status_code == 422
    assert "at most 256 items" in refused.json()["error"]["message"]


def test_a_block_that_finds_no_room_is_told_in_its_places_and_the_others_are_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    with running(make_service(settings=Settings(max_batch=2, access_log=False, watch_s=0))) as client:
        ask, refused = client.service.batcher.ask, iter([False, True, False, True, True, True])

        async def busy(asks: Any) -> Any:
            return await ask([] if next(refused) else asks) or raise_(overloaded(0.3))

        monkeypatch.setattr(client.service.batcher, "ask", busy)
        some = client.post("/v1/recommend/batch", json={"requests": [{}] * 5})
        none = client.post("/v1/recommend/batch", json={"requests": [{}] * 5})
    assert [one.get("error", {}).get("code") for one in some.json()["answers"]] == [None, None, "E069", "E069", None]
    assert (none.status_code, none.json()["error"]["code"], none.headers["retry-after"]) == (503, "E069", "1")


def raise_(error: Exception) -> Any:
    raise error


def test_an_answer_is_from_the_bundle_it_was_put_together_for() -> None:
    source = FakeSource(FakeBundle("old"))
    source.bundle.knowledge.rules = Rules(available_only=True)
    with running(make_service(source)) as client:
        old, new = source.bundle, FakeBundle("new")
        old.gate.clear()
        first = client.send("POST", "/v1/recommend", json={})
        assert old.begun.wait(10)
        second = client.send("POST", "/v1/recommend", json={"max_price": 5})
        client.wait(_waiting(client, 2))
        source.bundle = new
        assert client.post("/v1/admin/reload", json={}).json()["bundles"] == {"main": "new"}
        old.gate.set()
        assert [one.result(10).json()["bundle"] for one in (first, second)] == ["old", "old"]
        assert old.asked[-1][0].rules == Rules(available_only=True, max_price=5.0)
        assert client.recommend().json()["bundle"] == "new"


def test_lists_of_a_batch_that_are_too_long_together_are_refused(client: Client) -> None:
    answer = client.post("/v1/recommend/batch", json={"requests": [{"k": 500}] * 52})
    assert answer.status_code == 422
    assert "k adds up to 26,000" in answer.json()["error"]["message"]


def test_similar_items_and_an_item_that_is_not_there(client: Client) -> None:
    answer = client.get("/v1/similar/i004?k=2").json()
    assert (answer["item_id"], [item["item_id"] for item in answer["items"]]) == ("i004", ["i001", "i002"])
    missing = client.get("/v1/similar/ünknown%2Fitem")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "E306")
    assert "ünknown/item" in missing.json()["error"]["message"]
    assert client.get("/v1/similar/i004?k=0").status_code == 422
    assert client.get("/v1/similar/i004?unknown=1").status_code == 422


def test_each_loaded_model_answers_by_its_name() -> None:
    with running(make_service(FakeSource(FakeBundle("one")), FakeSource(FakeBundle("two")))) as client:
        told = [client.recommend(**body).json() for body in ({}, {"model": "main"}, {"model": "other"})]
        assert [(one["variant"], one["bundle"]) for one in told] == [("main", "one"), ("main", "one"), ("other", "two")]
        unknown = client.recommend(model="othr")
        assert unknown.status_code == 404
        assert unknown.json()["error"]["hint"] == "did you mean 'other'?"
        assert [one["variant"] for one in client.get("/v1/bundle").json()["models"]] == ["main", "other"]


def test_a_question_that_would_wait_too_long_gets_503_with_retry_after() -> None:
    source = FakeSource()
    settings = Settings(latency_budget_ms=300, access_log=False, watch_s=0)
    with running(make_service(source, settings=settings)) as client:
        source.bundle.gate.clear()
        first = client.send("POST", "/v1/recommend", json={})
        assert source.bundle.begun.wait(10)
        late = client.recommend()
        source.bundle.gate.set()
        assert (late.status_code, late.json()["error"]["code"], late.headers["retry-after"]) == (503, "E069", "1")
        assert first.result(10).status_code == 200
        assert client.recommend().status_code == 200


def test_while_models_are_loaded_answers_are_503() -> None:
    client = Client(make_service())
    client.wait(client.service.start())
    for answer in (client.recommend(), client.get("/health/ready"), client.get("/v1/bundle"), client.recommend(min_price=1)):
        assert (answer.status_code, answer.json()["error"]["code"], answer.headers["retry-after"]) == (503, "E070", "1")
    assert client.get("/health/live").json() == {"live": True}
    client.wait(client.service.load())
    assert client.get("/health/ready").json() == {"ready": True}
    client.wait(client.service.stop())
    client.close()


def test_a_service_whose_inference_thread_has_ended_is_not_alive() -> None:
    with running(make_service()) as client:
        assert client.get("/health/live").status_code == 200
        client.wait(client.service.batcher.close())
        assert client.get("/health/live").status_code == 503
