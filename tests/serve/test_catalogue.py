"""The catalogue changes while it is served; over a real bundle of a model of vectors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from aisle.serve.opening import make_service
from aisle.serve.settings import Settings
from tests.serve.fakes import Client, running


@pytest.fixture(params=[0, 2], ids=["a thread scores", "two processes score"])
def client(bundle_of: Callable[[str], Path], request: pytest.FixtureRequest) -> Iterator[Client]:
    settings = Settings(access_log=False, watch_s=0, max_changed_items=5, inference_processes=request.param)
    with running(make_service(settings, str(bundle_of("sasrec")), [f"counted={bundle_of('item-knn')}"])) as client:
        yield client


def change(client: Client, *changes: dict[str, Any], **more: Any) -> None:
    answer = client.post("/v1/catalogue", json={"changes": changes, **more})
    assert answer.status_code == 200, answer.text
    assert answer.json()["changed"] == len(changes)


def items(client: Client, **question: Any) -> list[str]:
    answer = client.recommend(k=20, **question)
    assert answer.status_code == 200, answer.text
    return [item["item_id"] for item in answer.json()["items"]]


def test_what_cannot_be_bought_any_more_is_gone_from_the_next_answer(client: Client) -> None:
    for model in ("main", "counted"):
        first = items(client, user_id="u0000017", available_only=True, model=model)[0]
        change(client, {"item_id": first, "available": False}, model=model)
        assert first not in items(client, user_id="u0000017", available_only=True, model=model)
        assert first in items(client, user_id="u0000017", available_only=False, model=model)
        change(client, {"item_id": first, "available": True}, model=model)
        assert items(client, user_id="u0000017", available_only=True, model=model)[0] == first


def test_a_price_holds_for_filters_and_facts_of_every_model(client: Client) -> None:
    first = items(client, user_id="u0000017")[0]
    change(client, {"item_id": first, "price": 123456.5, "title": "Très cher"})
    for model in ("main", "counted"):
        about = client.get(f"/v1/items/{first}?model={model}").json()
        assert (about["price"], about["title"]) == (123456.5, "Très cher")
        assert items(client, user_id="u0000017", min_price=100_000, model=model) == [first]


def test_a_new_item_like_a_known_one_is_recommended_and_found(client: Client) -> None:
    first = items(client, user_id="u0000017")[0]
    about = client.get(f"/v1/items/{first}").json()
    twin = {name: about[name] for name in ("title", "category", "brand", "price", "available")} | {"item_id": "brand-new"}
    change(client, twin)
    assert "brand-new" in items(client, user_id="u0000017")
    assert client.get("/v1/items/brand-new").json()["title"] == about["title"]
    assert len(client.get("/v1/similar/brand-new?k=5").json()["items"]) == 5
    history = [{"item_id": "brand-new"}]
    assert "brand-new" not in items(client, history=history)
    assert items(client, history=history)


def test_changes_hold_over_a_reload(client: Client) -> None:
    first = items(client, user_id="u0000017")[0]
    change(client, {"item_id": first, "price": 77.0}, {"item_id": "new", "title": "New", "category": "Tea"})
    change(client, {"item_id": first, "available": False})
    assert client.post("/v1/admin/reload", json={}).status_code == 200
    about = client.get(f"/v1/items/{first}").json()
    assert (about["price"], about["available"]) == (77.0, False)
    assert client.get("/v1/items/new").json()["category"] == "Tea"


def test_too_many_changed_items_are_refused(client: Client) -> None:
    for _ in range(2):
        change(client, *({"item_id": f"new-{number}", "price": 1} for number in range(5)))
    answer = client.post("/v1/catalogue", json={"changes": [{"item_id": "new-5", "price": 1}]})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "E087")
    assert client.get("/v1/items/new-5").status_code == 404


def test_a_change_that_does_not_fit_changes_nothing(client: Client) -> None:
    for bad in (
        {"price": -1},
        {"item_id": "x", "price": -1},
        {"item_id": "x", "colour": "red"},
        {"item_id": "x", "available": "no idea"},
    ):
        answer = client.post("/v1/catalogue", json={"changes": [{"item_id": "y", "price": 1}, bad]})
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, "E061")
    assert client.post("/v1/catalogue", json={"changes": [{"item_id": "y"}], "model": "nobody"}).status_code == 404
    assert client.get("/v1/items/y").status_code == 404
