"""The page's routes. They serve the page alone: other programs use /v1, which stays as the OpenAPI document says."""

from __future__ import annotations

from starlette.routing import Route

from aisle.serve.endpoint import Endpoint
from aisle.serve.page import files, histories, items, shop


def page_routes() -> tuple[Route, ...]:
    """Return the routes; a service without the page (`--no-page`) has none of them."""
    taken = [
        ("GET", "/", Endpoint("page", files.html, "open")),
        ("GET", "/page/page.css", Endpoint("page-file", files.css, "open")),
        ("GET", "/page/page.js", Endpoint("page-file", files.js, "open")),
        ("GET", "/page/shop", Endpoint("page-shop", shop.shop, "recommend")),
        ("GET", "/page/shoppers", Endpoint("page-shoppers", shop.shoppers, "recommend", query=shop.PrefixQuery)),
        ("GET", "/page/history", Endpoint("page-history", histories.history, "recommend", query=histories.HistoryQuery)),
        ("POST", "/page/items", Endpoint("page-items", items.facts, "recommend", body=items.ItemsRequest)),
    ]
    return tuple(Route(path, endpoint, methods=[method]) for method, path, endpoint in taken)
