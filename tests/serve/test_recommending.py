from __future__ import annotations

from collections.abc import Iterator

import pytest

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
