"""Keys: shown once, kept as hashes, each with scopes and a rate; without one the door is shut."""

from __future__ import annotations

import hmac
import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aisle.errors import AisleError
from aisle.serve.keys import SCOPES, Keys, Scope, new_key, read_keys
from aisle.serve.problems import ProblemError, overloaded
from aisle.serve.settings import Settings
from tests.serve.fakes import make_service, running


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


def refused(keys: Keys, key: str | None, scope: Scope | None = "recommend") -> tuple[int, str]:
    with pytest.raises(ProblemError) as refusal:
        keys.admit(key, scope)
    return refusal.value.status, refusal.value.code


def test_the_file_holds_hashes_for_this_user_alone_and_no_key(path: Path) -> None:
    keys = [new_key(path, name, ("recommend",)) for name in ("shop", "mail")]
    text = path.read_text()
    assert len(set(keys)) == 2
    for key in keys:
        assert key.startswith("aisle_")
        assert key.rpartition("_")[2] not in text
        assert key.split("_", 2)[2] not in text
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [record.name for record in read_keys(path).keys] == ["shop", "mail"]


def test_a_key_opens_its_own_scopes_and_admin_opens_all(path: Path) -> None:
    shop, admin = new_key(path, "shop", ("recommend", "events")), new_key(path, "admin", ("admin",))
    keys = Keys(path)
    record = keys.admit(shop, "events")
    assert record is not None
    assert record.name == "shop"
    assert refused(keys, shop, "admin") == (403, "E067")
    assert keys.admit(shop, None) is not None
    for scope in ("recommend", "events", "admin"):
        assert keys.admit(admin, scope) is not None


def test_a_wrong_key_is_refused(path: Path) -> None:
    key = new_key(path, "shop", ("recommend",))
    keys = Keys(path)
    other = "a" if key[-1] != "a" else "b"
    for wrong in (None, "", "x", key[:-1], key[:-1] + other, key + "x", key.upper(), "aisle_", "aisle__", "aisle_0_é", "\x00"):
        assert refused(keys, wrong) == (401, "E066")


def test_hashes_are_compared_in_constant_time_for_unknown_ids_too(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    new_key(path, "shop", ("recommend",))
    compared: list[tuple[str, str]] = []
    truly = hmac.compare_digest

    def compare(one: str, other: str) -> bool:
        compared.append((one, other))
        return truly(one, other)

    monkeypatch.setattr("aisle.serve.keys.hmac.compare_digest", compare)
    refused(Keys(path), "aisle_000000000000_secret")
    assert [len(one) for one in compared[0]] == [64, 64]


def test_a_rate_is_kept_over_any_second(path: Path, clock: Callable[[float], None]) -> None:
    key = new_key(path, "shop", ("recommend",), per_second=2)
    keys = Keys(path)
    assert keys.admit(key, "recommend")
    assert keys.admit(key, "recommend")
    assert refused(keys, key) == (429, "E068")  # two at once were a second's worth
    clock(0.5)
    assert keys.admit(key, "recommend")
    assert refused(keys, key) == (429, "E068")


def test_a_batch_counts_its_questions(path: Path, clock: Callable[[float], None]) -> None:
    """Two a second: a second pays 2 of a batch of 7, and 5 are owed. After 2.5 s nothing is, after 3 s one may ask."""
    key = new_key(path, "shop", ("recommend",), per_second=2)
    with running(make_service(settings=Settings(keys=path, watch_s=0))) as client:
        headers = {"X-API-Key": key}
        assert client.post("/v1/recommend/batch", json={"requests": [{}] * 7}, headers=headers).status_code == 200
        refused = client.post("/v1/recommend", json={}, headers=headers)
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "4")
        clock(2.9)
        assert client.post("/v1/recommend", json={}, headers=headers).status_code == 429
        clock(0.1)
        assert client.post("/v1/recommend", json={}, headers=headers).status_code == 200


def test_a_batch_that_is_refused_as_a_whole_counts_as_one_call(
    path: Path, clock: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    key = new_key(path, "shop", ("recommend",), per_second=2)
    with running(make_service(settings=Settings(keys=path, watch_s=0))) as client:
        headers = {"X-API-Key": key}

        async def full(asks: Any) -> Any:
            raise overloaded(0.3)

        with monkeypatch.context() as busy:
            busy.setattr(client.service.batcher, "ask", full)
            assert client.post("/v1/recommend/batch", json={"requests": [{}] * 200}, headers=headers).status_code == 503
        assert client.post("/v1/recommend", json={}, headers=headers).status_code == 200  # the second of this second
        assert client.post("/v1/recommend", json={}, headers=headers).status_code == 429


def test_who_may_write_events_may_not_erase(path: Path) -> None:
    made = {scope: new_key(path, scope, (scope,)) for scope in SCOPES}
    with running(make_service(settings=Settings(keys=path, watch_s=0))) as client:
        answers = {
            scope: client.request("DELETE", "/v1/shoppers/u1", headers={"X-API-Key": key}).status_code
            for scope, key in made.items()
        }
    assert answers == {"recommend": 403, "events": 403, "erase": 404, "admin": 404}  # 404: this one keeps no events


def test_a_file_of_keys_from_before_is_read(path: Path) -> None:
    new_key(path, "shop", ("recommend", "events", "admin"))
    assert read_keys(path).keys[0].scopes == ("recommend", "events", "admin")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Return what moves time on."""
    now = 1000.0

    def move(seconds: float) -> None:
        nonlocal now
        now += seconds

    monkeypatch.setattr("aisle.serve.keys.time.monotonic", lambda: now)
    return move


def test_a_key_that_is_taken_out_is_refused_after_reading_again(path: Path) -> None:
    key, stays = new_key(path, "shop", ("recommend",)), new_key(path, "mail", ("recommend",))
    keys = Keys(path)
    document = json.loads(path.read_text())
    document["keys"] = [record for record in document["keys"] if record["name"] != "shop"]
    path.write_text(json.dumps(document))
    assert keys.admit(key, "recommend")
    keys.read()
    assert refused(keys, key) == (401, "E066")
    assert keys.admit(stays, "recommend")


@pytest.mark.parametrize("content", ["", "{}x", '{"keys": [{"name": "a"}]}', '{"keyz": []}', "[]"])
def test_a_file_that_holds_no_keys_is_refused_and_not_overwritten(path: Path, content: str) -> None:
    path.write_text(content)
    for work in (lambda: Keys(path), lambda: new_key(path, "shop", ("recommend",))):
        with pytest.raises(AisleError, match="no file of API keys") as error:
            work()
        assert error.value.code == "E078"
    assert path.read_text() == content


def test_a_missing_file_a_taken_name_and_a_rate_of_nothing_are_refused(path: Path) -> None:
    with pytest.raises(AisleError, match="cannot be read"):
        Keys(path)
    new_key(path, "shop", ("recommend",))
    for name, rate in (("shop", None), ("two words", None), ("mail", 0.0), ("", None)):
        with pytest.raises(AisleError) as error:
            new_key(path, name, ("recommend",), rate)
        assert error.value.code == "E079"


def test_the_service_asks_for_a_key_everywhere_but_at_health_and_documents(path: Path) -> None:
    shop, events = new_key(path, "shop", ("recommend",)), new_key(path, "events", ("events",))
    with running(make_service(settings=Settings(keys=path, watch_s=0))) as client:
        for open_path in ("/health/live", "/health/ready", "/openapi.json", "/docs"):
            assert client.get(open_path).status_code == 200
        for method, asked in (
            ("POST", "/v1/recommend"),
            ("POST", "/v1/recommend/batch"),
            ("GET", "/v1/similar/i001"),
            ("POST", "/v1/events"),
            ("DELETE", "/v1/shoppers/u1"),
            ("GET", "/v1/items/i001"),
            ("GET", "/v1/bundle"),
            ("POST", "/v1/admin/reload"),
            ("GET", "/metrics"),
        ):
            answer = client.request(method, asked)
            assert (answer.status_code, answer.json()["error"]["code"]) == (401, "E066"), asked
            assert answer.headers["www-authenticate"] == "Bearer"
        bearer, header = {"Authorization": f"Bearer {shop}"}, {"X-API-Key": shop}
        assert client.post("/v1/recommend", json={}, headers=bearer).status_code == 200
        assert client.post("/v1/recommend", json={}, headers=header).status_code == 200
        assert client.get("/metrics", headers=header).status_code == 200
        assert client.post("/v1/admin/reload", json={}, headers=bearer).status_code == 403
        assert client.post("/v1/recommend", json={}, headers={"X-API-Key": events}).status_code == 403
