"""GET /openapi.json and GET /docs: a page that works without a network, made of the document alone."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from aisle.serve.service import Service
from aisle.serve.visit import Reply, Visit

# The page's script and style stand in it; it may ask this service and nobody else.
_POLICY = b"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; base-uri 'none'"


async def openapi(service: Service, visit: Visit, asked: None) -> Reply:
    """Return the OpenAPI document."""
    return Reply(service.openapi)


async def docs(service: Service, visit: Visit, asked: None) -> Reply:
    """Return a page that shows every operation and tries it out."""
    headers = ((b"content-security-policy", _POLICY), (b"x-content-type-options", b"nosniff"), (b"x-frame-options", b"DENY"))
    return Reply(_page(), content_type=b"text/html; charset=utf-8", headers=headers)


@cache
def _page() -> bytes:
    return (Path(__file__).parent / "docs.html").read_bytes()
