"""Whatever arrives: an error is a 4xx with a code, a message and a hint, never a 5xx, never a hang."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aisle.serve.settings import Settings
from tests.serve.fakes import Client, make_service, running

NAMES = [
    "user_id",
    "k",
    "history",
    "events",
    "requests",
    "item_id",
    "event",
    "model",
    "candidates",
    "timestamp",
    "changes",
    "context",
]
JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with running(make_service(settings=Settings(max_body_bytes=4096, access_log=False, watch_s=0))) as client:
        yield client


def refusal(client: Client, body: bytes | str, path: str = "/v1/recommend", **headers: str) -> tuple[int, str, str]:
    answer = client.post(path, content=body, headers=JSON | headers)
    error = answer.json()["error"]
    assert set(error) == {"code", "message", "hint"}
    assert all(error.values())
    return answer.status_code, error["code"], error["message"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"nonsense",
        b"\xff\xfe\x00",
        b'{"user_id": "\xff"}',
        b'{"user_id": "\\ud800"}',
        b'{"k": NaN}',
        b'{"min_price": -Infinity}',
        b"[" * 4000,
        b'{"a":' * 700,
        b'{"k": 1} {"k": 2}',
        b"\x00",
    ],
)
def test_what_is_no_json_is_a_400(client: Client, body: bytes) -> None:
    status, code, _ = refusal(client, body)
    # NaN and Infinity are no JSON, but many writers make them: they are read, and do not fit.
    assert (status, code) in {(400, "E060"), (422, "E061")}
    assert status == 400 or b"N" in body or b"I" in body


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ([], "the body"),
        ("x", "the body"),
        (None, "the body"),
        ({"k": 0}, "k is 0"),
        ({"k": 501}, "k is 501"),
        ({"k": 10**9}, "k is 1000000000"),
        ({"k": 10**30}, "k is 1000000000000000000000000000000"),
        ({"k": -1}, "k is -1"),
        ({"k": 2.5}, "k is 2.5"),
        ({"k": "5"}, "k is '5'"),
        ({"k": True}, "k is True"),
        ({"k": None}, "k is None"),
        ({"user_id": 1.5}, "user_id"),
        ({"user_id": ""}, "user_id"),
        ({"user_id": True}, "user_id"),
        ({"user_id": 2**63}, "user_id"),
        ({"user_id": "x" * 257}, "user_id"),
        ({"user_id": {"a": 1}}, "user_id"),
        ({"history": "i1"}, "history"),
        ({"history": [{"event": "view"}]}, "history.0.item_id"),
        ({"history": [{"item_id": "a", "event": "stare"}]}, "history.0.event"),
        ({"history": [{"item_id": "a", "timestamp": -1}]}, "history.0.timestamp"),
        ({"history": [{"item_id": "a", "timestamp": 1e300}]}, "history.0.timestamp"),
        ({"history": [{"item_id": "a", "timestamp": "yesterday"}]}, "history.0.timestamp"),
        ({"history": [{"item_id": "a", "timestamp": "2026-01-01T00:00:00"}]}, "history.0.timestamp"),
        ({"history": [{"item_id": "a", "timestamp": 1}, {"item_id": "b"}]}, "all or for none"),
        ({"candidates": []}, "candidates"),
        ({"candidates": [[]]}, "candidates.0"),
        ({"min_price": -1}, "min_price"),
        ({"min_price": "cheap"}, "min_price"),
        ({"exclude_events": ["stare"]}, "exclude_events.0"),
        ({"max_per_category": 0}, "max_per_category"),
        ({"context": {"a": [1]}}, "context.a"),
        ({"unknown": 1}, "unknown"),
        ({"min_price": 5, "max_price": 1}, "rules that leave nothing"),
    ],
)
def test_what_does_not_fit_is_a_422_that_says_where(client: Client, body: object, where: str) -> None:
    status, code, message = refusal(client, json.dumps(body))
    assert (status, code) == (422, "E372" if "rules" in where else "E061")
    assert where in message
    assert len(message) < 400


def test_a_body_that_is_too_large_is_refused_before_it_is_read(client: Client) -> None:
    assert refusal(client, b"x" * 5000)[:2] == (413, "E062")

    async def pieces() -> Any:
        for _ in range(100):
            yield b" " * 1000

    answer = client.post("/v1/recommend", content=pieces(), headers=JSON)
    assert answer.status_code == 413
    assert refusal(client, b"{}", **{"content-length": "9999999999999"})[0] == 413


def test_a_body_that_is_not_said_to_be_json_is_a_415(client: Client) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""):
        answer = client.post("/v1/recommend", content=b"{}", headers={"content-type": kind})
        assert (answer.status_code, answer.json()["error"]["code"]) == (415, "E063")
    assert client.post("/v1/recommend", content=b"{}", headers={"content-type": "Application/JSON; charset=utf-8"}).is_success


def test_a_wrong_path_or_method_is_told(client: Client) -> None:
    for path in ("/v2/recommend", "/v1/recommend/", "/v1", "/" + "x" * 3000, "/%00"):
        answer = client.get(path)
        assert answer.status_code == 404, path
        assert answer.json()["error"]["code"] == "E064"
        assert len(answer.text) < 500
    answer = client.get("/v1/recommend")
    assert (answer.status_code, answer.headers["allow"], answer.json()["error"]["code"]) == (405, "POST", "E065")


def inside(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=5), inner, max_size=4)


BODIES = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20), inside, max_leaves=12)
PATHS = ["/v1/recommend", "/v1/recommend/batch", "/v1/events", "/v1/admin/reload", "/v1/catalogue"]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(BODIES, st.sampled_from(PATHS))
def test_no_body_makes_a_5xx(client: Client, body: object, path: str) -> None:
    answer = client.post(path, content=json.dumps(body).encode("utf-8", "surrogatepass"), headers=JSON)
    assert answer.status_code < 500, answer.text
    assert answer.status_code == 200 or set(answer.json()["error"]) == {"code", "message", "hint"}


def test_a_shop_page_elsewhere_may_not_call_unless_it_is_named() -> None:
    origin = {"origin": "https://shop.example"}
    with running(make_service()) as client:
        assert "access-control-allow-origin" not in client.post("/v1/recommend", json={}, headers=origin).headers
    with running(make_service(settings=Settings(cors_origins=("https://shop.example",), watch_s=0))) as client:
        named = client.post("/v1/recommend", json={}, headers=origin)
        other = client.post("/v1/recommend", json={}, headers={"origin": "https://other.example"})
    assert named.headers["access-control-allow-origin"] == "https://shop.example"
    assert "access-control-allow-origin" not in other.headers


def test_each_request_is_one_log_line_with_ecs_names(capsys: pytest.CaptureFixture[str]) -> None:
    with running(make_service(settings=Settings(watch_s=0))) as client:
        client.recommend()
        client.recommend(user_id="broken")
        client.get("/nowhere", headers={"x-request-id": "mine"})
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    good, broken, missing = (line for line in lines if line["event.action"] == "request")
    assert (good["log.level"], good["http.response.status_code"], good["url.path"]) == ("info", 200, "/v1/recommend")
    assert good["event.duration"] > 0
    assert (missing["log.level"], missing["http.request.id"], missing["error.code"]) == ("warning", "mine", "E064")
    assert (broken["log.level"], broken["error.code"]) == ("error", "E081")
    (bug,) = (line for line in lines if line["event.action"] == "bug")
    assert bug["http.request.id"] == broken["http.request.id"]
    assert "a bug of the bundle" in bug["error.stack_trace"]
    assert all({"@timestamp", "log.level", "message", "ecs.version"} <= set(line) for line in lines)
