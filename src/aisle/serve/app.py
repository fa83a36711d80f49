"""The ASGI application of a service."""

from __future__ import annotations

from typing import Any

import orjson
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import BaseRoute, Route, Router

from aisle.serve.front import Front
from aisle.serve.openapi import openapi
from aisle.serve.operations import OPERATIONS
from aisle.serve.page.routes import page_routes
from aisle.serve.service import Service


def make_app(service: Service) -> Any:
    """Return the application.

    Args:
        service: what answers; started by the caller.
    """
    service.openapi = orjson.dumps(openapi(OPERATIONS, keys=service.keys.needed))
    routes: list[BaseRoute] = [
        Route(one.path.replace("_id}", "_id:path}"), one.endpoint, methods=[one.method]) for one in OPERATIONS
    ]
    routes += page_routes() if service.settings.page else ()
    app: Any = Front(service, Router(routes, redirect_slashes=False))
    if service.settings.cors_origins:
        app = CORSMiddleware(
            app,
            allow_origins=service.settings.cors_origins,
            allow_methods=("GET", "POST", "DELETE"),
            allow_headers=("authorization", "content-type", "x-api-key", "x-request-id"),
            expose_headers=("x-request-id", "retry-after"),
        )
    return app
