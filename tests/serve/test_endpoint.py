"""A body that does not fit is refused for its first fault, in a time in which others can wait, however many it has."""

from __future__ import annotations

import time
from typing import Any

import pytest
from pydantic import BaseModel

from aisle.serve.endpoint import fit, parse
from aisle.serve.page.items import ItemsRequest
from aisle.serve.problems import ProblemError
from aisle.serve.schemas import BatchRequest, CatalogueRequest, EventsRequest, RecommendRequest, SimilarQuery

SIZE_BYTES = 1 << 20  # the default of --max-body-bytes
LIMIT_S = 0.4  # of processor time; 0.1 is usual, and with all errors of a body it was 1 to 3


def full(before: str, unit: str, after: str) -> bytes:
    """As much of the same as a body may hold."""
    count = (SIZE_BYTES - len(before) - len(after)) // (len(unit) + 1)
    return (before + ",".join([unit] * count) + after).encode()


def keys(before: str, value: str, after: str, size_bytes: int = SIZE_BYTES) -> bytes:
    """As many different keys as a body may hold."""
    count = (size_bytes - len(before) - len(after)) // (len(value) + 10)
    return (before + ",".join(f'"{number:06}":{value}' for number in range(count)) + after).encode()


def refused(model: type[BaseModel], body: bytes) -> str:
    start_s = time.process_time()
    with pytest.raises(ProblemError) as refusal:
        parse(model, body)
    assert time.process_time() - start_s < LIMIT_S
    assert (refusal.value.status, refusal.value.code) == (422, "E061")
    assert len(refusal.value.message) < 400
    return refusal.value.message


@pytest.mark.parametrize(
    ("model", "body", "where"),
    [
        (RecommendRequest, full('{"candidates":[', "1.5", "]}"), "candidates.0"),
        (RecommendRequest, full('{"candidates":[', "[]", "]}"), "lists; expected at most"),
        (RecommendRequest, full('{"categories":[', "1", "]}"), "categories.0 is 1"),
        (RecommendRequest, full('{"exclude_events":[', '"stare"', "]}"), "exclude_events.0 is 'stare'"),
        (RecommendRequest, full('{"history":[', "{}", "]}"), "history.0.item_id is {}"),
        (RecommendRequest, full('{"a":[', "[" * 150 + "]" * 150, "]}"), "lists; expected at most"),
        (RecommendRequest, keys("{", "0", "}"), "the body has 95,324 keys, such as '000000'"),
        (RecommendRequest, keys('{"history":[{"item_id":"a"},{', "0", "}]}"), "history.1 has 95,322 keys, such as '000000'"),
        (RecommendRequest, keys('{"context":{', "{}", "}}"), "context"),
        (BatchRequest, full('{"requests":[', "1", "]}"), "requests.0 is 1"),
        (BatchRequest, full('{"requests":[', '{"history":[{},{},{},{},{},{},{}]}', "]}"), "requests.0.history.0.item_id"),
        (EventsRequest, full('{"events":[', "1", "]}"), "events.0 is 1"),
        (EventsRequest, full('{"events":[', "{}", "]}"), "events.0.event"),
        (CatalogueRequest, full('{"changes":[', "1", "]}"), "changes.0 is 1"),
        (ItemsRequest, full('{"item_ids":[', "1.5", "]}"), "item_ids.0"),
    ],
)
def test_a_body_of_faults_is_refused_for_the_first_of_them(model: type[BaseModel], body: bytes, where: str) -> None:
    assert where in refused(model, body)


def test_a_query_of_faults_is_refused_for_the_first_of_them() -> None:
    values: dict[str, Any] = {f"a{number}": "1" for number in range(1000)}
    with pytest.raises(ProblemError, match="the query has 1,000 words"):
        fit(SimilarQuery, values)


def test_what_fits_may_be_as_large_as_it_is_said_to_be() -> None:
    body = '{"candidates":[' + ",".join(f'"{number:090}"' for number in range(10_000)) + "]}"
    assert len(parse(RecommendRequest, body.encode()).candidates or ()) == 10_000
    context = ",".join(f'"{number}":1' for number in range(32))
    assert len(parse(RecommendRequest, f'{{"context":{{{context}}}}}'.encode()).context or ()) == 32
    with pytest.raises(ProblemError, match="33 entries; expected at most 32"):
        parse(RecommendRequest, f'{{"context":{{{context},"a":1}}}}'.encode())
