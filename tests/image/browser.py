"""One person before a browser: follows redirects, keeps cookies, fills in forms."""

from __future__ import annotations

import re
from html import unescape

import httpx

FORM = re.compile(r"<form[^>]*action=\"([^\"]+)\"[^>]*>(.*?)</form>", re.DOTALL)
HIDDEN = re.compile(r"<input[^>]*type=\"hidden\"[^>]*name=\"([^\"]+)\"[^>]*value=\"([^\"]*)\"")
TIMEOUT_S = 240


class Person:
    """A client of a hub, signed in nowhere at first."""

    def __init__(self, hub: str) -> None:
        self.client = httpx.Client(base_url=hub, follow_redirects=True, timeout=TIMEOUT_S)

    def close(self) -> None:
        """Let go of the connections."""
        self.client.close()

    def get(self, path: str, **headers: str) -> httpx.Response:
        """What is answered in the end, every redirect followed."""
        return self.client.get(path, headers={name.replace("_", "-"): value for name, value in headers.items()})

    def ask_provider(self, name: str) -> str:
        """Sign in at the provider and agree to tell the hub; return the address to which it sends the browser back."""
        page = self._submit(self.get("/hub/oauth_login?next="), login=name, password="any")  # noqa: S106 - it asks for none
        agreed = self._form(page)
        answer = self.client.post(agreed[0], data=agreed[1], follow_redirects=False)
        while "/hub/oauth_callback" not in answer.headers["location"]:
            answer = self.client.get(answer.headers["location"], follow_redirects=False)
        return answer.headers["location"]

    def sign_in(self, name: str) -> httpx.Response:
        """Go the whole way; the answer is the hub's last one."""
        return self.get(self.ask_provider(name))

    def start_server(self, name: str) -> httpx.Response:
        """Ask for a server, wait until the hub says that it is ready, and open it."""
        self.get(f"/hub/spawn/{name}")
        with self.client.stream("GET", f"/hub/api/users/{name}/server/progress", headers=self.token("/hub/")) as events:
            told = [line for line in events.iter_lines() if line.startswith("data:")]
        if not told or '"ready": true' not in told[-1]:
            raise AssertionError(told or events.status_code)
        return self.get(f"/user/{name}/lab")

    def token(self, path: str) -> dict[str, str]:
        """The header that a page of ours sends against requests forged by other pages."""
        found = [cookie.value for cookie in self.client.cookies.jar if cookie.name == "_xsrf" and cookie.path == path]
        return {"X-XSRFToken": found[0] or ""} if found else {}

    def _submit(self, page: httpx.Response, **fields: str) -> httpx.Response:
        action, hidden = self._form(page)
        return self.client.post(action, data={**hidden, **fields})

    @staticmethod
    def _form(page: httpx.Response) -> tuple[str, dict[str, str]]:
        found = FORM.search(page.text)
        if found is None:
            raise AssertionError(f"{page.url}: {page.status_code}, and no form\n{page.text[:2000]}")
        action = str(page.url.join(unescape(found[1])))
        return action, {name: unescape(value) for name, value in HIDDEN.findall(found[2])}
