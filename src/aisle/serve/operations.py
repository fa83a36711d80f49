"""Every path of the service: what it takes, what it gives, who may call it; the router and the OpenAPI document follow."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel

from aisle.serve import about, documents, recommending, shoppers
from aisle.serve import schemas as say
from aisle.serve.endpoint import Endpoint


@dataclass(frozen=True)
class Operation:
    """One method of one path.

    Attributes:
        method, path: as in the OpenAPI document; a part of the path in braces is a parameter.
        endpoint: what answers.
        answer: contract of the answer; None = no JSON, or an object without a contract.
        errors: statuses of errors that only this operation gives; 400, 401, ... are everybody's.
    """

    method: str
    path: str
    endpoint: Endpoint
    answer: type[BaseModel] | None = None
    errors: tuple[int, ...] = ()


OPERATIONS = (
    Operation(
        "POST",
        "/v1/recommend",
        Endpoint("recommend", recommending.recommend, "recommend", body=say.RecommendRequest),
        say.RecommendAnswer,
        (404,),
    ),
    Operation(
        "POST",
        "/v1/recommend/batch",
        Endpoint("recommend-batch", recommending.recommend_batch, "recommend", body=say.BatchRequest),
        say.BatchAnswer,
        (404,),
    ),
    Operation(
        "GET",
        "/v1/similar/{item_id}",
        Endpoint("similar", recommending.similar, "recommend", query=say.SimilarQuery),
        say.SimilarAnswer,
        (404,),
    ),
    Operation(
        "POST", "/v1/events", Endpoint("events", shoppers.events, "events", body=say.EventsRequest), say.AcceptedAnswer, (404,)
    ),
    Operation("DELETE", "/v1/shoppers/{user_id}", Endpoint("erase", shoppers.erase, "erase"), say.ErasedAnswer, (404, 422)),
    Operation(
        "GET", "/v1/items/{item_id}", Endpoint("item", about.item, "recommend", query=say.ItemQuery), say.ItemAnswer, (404,)
    ),
    Operation(
        "POST",
        "/v1/catalogue",
        Endpoint("catalogue", about.catalogue, "admin", body=say.CatalogueRequest),
        say.ChangedAnswer,
        (404,),
    ),
    Operation("GET", "/v1/bundle", Endpoint("bundle", about.bundles, "recommend"), say.BundlesAnswer),
    Operation(
        "POST",
        "/v1/admin/reload",
        Endpoint("reload", about.reload, "admin", body=say.ReloadRequest),
        say.ReloadedAnswer,
        (404, 409),
    ),
    Operation("GET", "/health/live", Endpoint("live", about.live, "open")),
    Operation("GET", "/health/ready", Endpoint("ready", about.ready, "open")),
    Operation("GET", "/metrics", Endpoint("metrics", about.metrics)),
    Operation("GET", "/openapi.json", Endpoint("openapi", documents.openapi, "open")),
    Operation("GET", "/docs", Endpoint("docs", documents.docs, "open")),
)
