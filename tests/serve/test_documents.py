"""The page at /docs in a real Chromium; skipped where there is none."""

from __future__ import annotations

from tests.serve.browser import Page
from tests.serve.fakes import make_service
from tests.serve.test_page import chromium, listening

__all__ = ["chromium"]

FIND = "[...document.querySelectorAll('details')].find((one) => one.textContent.includes('{path}'))"


def test_the_page_shows_every_operation_and_tries_them_out(chromium: Page) -> None:
    chromium.forget()
    with listening(make_service()) as address:
        chromium.open(f"{address}docs")
        chromium.until("document.querySelectorAll('details').length > 10")
        similar = FIND.format(path="/v1/similar")
        chromium.run(f"{similar}.querySelector('input').value = 'i001'; {similar}.querySelector('button').click()")
        chromium.until(f"{similar}.querySelector('pre').textContent.includes('from fake')")
        ask = FIND.format(path="/v1/recommend")
        chromium.run(f"{ask}.querySelector('textarea').value = '{{'; {ask}.querySelector('button').click()")
        chromium.until(f"{ask}.querySelector('pre').textContent.includes('E060')")
        assert {request for request in chromium.requests if not request.startswith((address, "data:", "about:"))} == set()
