"""The document says what the service does, and the pages that show it need no network."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from aisle.serve.openapi import openapi
from aisle.serve.operations import OPERATIONS
from tests.serve.fakes import Client, make_service, running


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with running(make_service()) as client:
        yield client


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return openapi(OPERATIONS, keys=False)


def test_the_service_shows_its_document(client: Client, document: dict[str, Any]) -> None:
    assert client.get("/openapi.json").json() == json.loads(json.dumps(document))


def test_every_operation_has_a_name_of_its_own_words_and_errors(document: dict[str, Any]) -> None:
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    assert len({operation["operationId"] for operation in operations}) == len(operations) == len(OPERATIONS)
    for operation in operations:
        assert operation["summary"].endswith(".")
        assert {"200", "503"} <= set(operation["responses"])


def test_a_key_is_asked_for_where_the_service_asks_for_one(document: dict[str, Any]) -> None:
    with_keys = openapi(OPERATIONS, keys=True)["paths"]
    assert "security" not in json.dumps(document["paths"])
    assert with_keys["/v1/recommend"]["post"]["security"] == [{"key": []}]
    assert "security" not in with_keys["/health/live"]["get"]


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    names = set(re.findall(r"#/components/schemas/(\w+)", json.dumps(document)))
    assert names == set(document["components"]["schemas"])


def test_bounds_stand_in_the_document(document: dict[str, Any]) -> None:
    fields = document["components"]["schemas"]["RecommendRequest"]["properties"]
    assert (fields["k"]["minimum"], fields["k"]["maximum"], fields["k"]["default"]) == (1, 500, 10)
    assert document["components"]["schemas"]["RecommendRequest"]["additionalProperties"] is False
    (k, model) = document["paths"]["/v1/similar/{item_id}"]["get"]["parameters"][1:]
    assert (k["name"], k["schema"]["maximum"], k["required"]) == ("k", 500, False)
    assert (model["name"], model["schema"]["type"]) == ("model", "string")


def test_the_docs_page_asks_nobody_but_the_service(client: Client) -> None:
    page = client.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert "connect-src 'self'" in page.headers["content-security-policy"]
    assert not re.search(r"https?://", page.text)


def test_the_counters_are_in_the_format_of_prometheus(client: Client) -> None:
    client.recommend(user_id="u1")
    client.recommend()
    client.recommend(k=0)
    answer = client.get("/metrics")
    lines = set(answer.text.splitlines())
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    for line in (
        'aisle_requests_total{endpoint="recommend",status="200"} 2.0',
        'aisle_request_seconds_count{endpoint="recommend"} 3.0',
        'aisle_rejected_total{code="E061"} 1.0',
        'aisle_answers_total{known="yes",variant="main"} 1.0',
        'aisle_answers_total{known="no",variant="main"} 1.0',
        "aisle_batch_questions_count 2.0",
        "aisle_waiting_questions 0.0",
        'aisle_bundle_info{aisle="0.1.0",bundle="aaaaaaaaaaaa",name="fake",variant="main"} 1.0',
    ):
        assert line in lines
    assert re.search(r'^aisle_model_age_seconds\{variant="main"\} [\d.e+]+$', answer.text, re.MULTILINE)
