"""Without keys, only who knows the service by a name of its own is answered: a browser page elsewhere cannot borrow one."""

from __future__ import annotations

from pathlib import Path

import pytest

from aisle.serve.hosts import Hosts
from aisle.serve.keys import new_key
from aisle.serve.problems import ProblemError
from aisle.serve.settings import Settings
from tests.serve.fakes import make_service, running


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST:8000", "127.0.0.1", "127.1.2.3:80", "[::1]", "[::1]:8000", "::1", "shop.example:9", "Shop.example"],
)
def test_names_of_this_machine_and_those_that_were_given_are_ours(host: str) -> None:
    hosts = Hosts(["shop.example"])
    for _ in range(2):
        hosts.check(host.encode())
    hosts.check(None)


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8000",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "192.0.2.7",
        "",
        ":80",
        "\xe9",
    ],
)
def test_other_names_are_refused_each_time(host: str) -> None:
    hosts = Hosts(["shop.example"])
    for _ in range(2):
        with pytest.raises(ProblemError) as refusal:
            hosts.check(host.encode("latin-1"))
        assert (refusal.value.status, refusal.value.code) == (421, "E086")


def test_a_page_elsewhere_that_points_its_name_here_gets_nothing() -> None:
    with running(make_service(settings=Settings(watch_s=0, access_log=False))) as client:
        for method, path in (("POST", "/v1/recommend"), ("DELETE", "/v1/shoppers/u1"), ("GET", "/"), ("GET", "/health/live")):
            answer = client.request(method, path, headers={"host": "evil.example:8000"})
            assert (answer.status_code, answer.json()["error"]["code"]) == (421, "E086")
        assert client.recommend().status_code == 200


def test_where_keys_or_something_in_front_are_asked_any_name_will_do(tmp_path: Path) -> None:
    key = new_key(tmp_path / "keys.json", "shop", ("recommend",))
    for settings in (Settings(keys=tmp_path / "keys.json", watch_s=0), Settings(insecure_no_keys=True, watch_s=0)):
        with running(make_service(settings=settings)) as client:
            headers = {"host": "shop.example", "x-api-key": key}
            assert client.post("/v1/recommend", json={}, headers=headers).status_code == 200
    with running(make_service(settings=Settings(allowed_hosts=("shop.example",), watch_s=0))) as client:
        assert client.post("/v1/recommend", json={}, headers={"host": "shop.example"}).status_code == 200
