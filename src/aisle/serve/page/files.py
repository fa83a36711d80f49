"""GET /, /page/page.css and /page/page.js: three plain files, which ask this service and nobody else."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from aisle.serve.service import Service
from aisle.serve.visit import Reply, Visit

# Titles come from a shop's catalogue and are not trusted: no script but ours, no style but ours, and (Trusted Types) no way to
# make elements of text at all. The icon is a data: address.
POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; "
    b"form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
_HEADERS = (
    (b"content-security-policy", POLICY),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-cache"),  # a page from an older aisle would ask in an older way
)


async def html(service: Service, visit: Visit, asked: None) -> Reply:
    """Return the page."""
    return _reply("page.html", b"text/html; charset=utf-8")


async def css(service: Service, visit: Visit, asked: None) -> Reply:
    """Return its style."""
    return _reply("page.css", b"text/css; charset=utf-8")


async def js(service: Service, visit: Visit, asked: None) -> Reply:
    """Return its script."""
    return _reply("page.js", b"text/javascript; charset=utf-8")


def _reply(name: str, content_type: bytes) -> Reply:
    return Reply(_bytes(name), content_type=content_type, headers=_HEADERS)


@cache
def _bytes(name: str) -> bytes:
    return (Path(__file__).parent / name).read_bytes()
