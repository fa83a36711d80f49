"""A running service, asked as a bundle is: so that its answers can be held against the golden requests."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from aisle.bundle.question import Answer, Item, Question
from aisle.errors import AisleError

Told = TypeVar("Told")

_TIMEOUT_S = 30
_HINT = "look whether `aisle serve` runs there with this bundle; with keys configured, give one with --api-key"


@dataclass(frozen=True)
class RunningService:
    """A service behind HTTP.

    Attributes:
        url: such as "http://127.0.0.1:8000".
        api_key: None where it asks for none.
        model: which of its loaded models; None = the first.
    """

    url: str
    api_key: str | None = None
    model: str | None = None

    def __post_init__(self) -> None:
        if not self.url.startswith(("http://", "https://")):
            raise AisleError(f"{self.url} is no address of a service", hint="such as http://127.0.0.1:8000", code="E019")

    def loaded(self) -> list[dict[str, Any]]:
        """Return what it says of its loaded models, the first one first: "variant", "bundle", "changed_items", ...

        Raises:
            AisleError: E019 when there is no service, or it refuses.
        """
        return self._call("/v1/bundle", None, "aisle-verify-bundle", lambda told: [dict(one) for one in told["models"]])

    def recommend(self, questions: Sequence[Question]) -> list[Answer]:
        """Ask one question after the other.

        Raises:
            AisleError: E019 when there is no service, or it refuses.
        """
        return [
            self._call("/v1/recommend", self._body(question), f"aisle-verify-{place}", _answer)
            for place, question in enumerate(questions)
        ]

    def _call(self, path: str, body: dict[str, Any] | None, request_id: str, read: Callable[[dict[str, Any]], Told]) -> Told:
        """Ask; the request id tells these requests from those of shoppers in the service's logs."""
        headers = {"content-type": "application/json", "x-request-id": request_id}
        headers |= {"x-api-key": self.api_key} if self.api_key else {}
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url.rstrip('/')}{path}", content, headers)  # noqa: S310 - http alone
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as reply:  # noqa: S310
                return read(json.load(reply))
        except urllib.error.HTTPError as error:
            words = error.read(500).decode(errors="replace")
            raise AisleError(f"{self.url} refuses {path}: {error.code} {words}", hint=_HINT, code="E019") from error
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise AisleError(f"{self.url} does not answer {path}: {error!r}", hint=_HINT, code="E019") from error

    def _body(self, question: Question) -> dict[str, Any]:
        return _body(question) | ({} if self.model is None else {"model": self.model})


def can_be_sent(question: Question) -> bool:
    """Say whether one request has words for a question: news of a known shopper would have to be posted as events first."""
    return (question.whole or not question.events) and question.rules is None


def _body(question: Question) -> dict[str, Any]:
    body: dict[str, Any] = {"k": question.k, "filter_seen": question.filter_seen}
    if question.user_id is not None:
        body["user_id"] = question.user_id
    if question.whole:
        body["history"] = [
            {"item_id": event.item_id, "event": event.event, "timestamp": event.time_us / 1e6} for event in question.events
        ]
    for name in ("candidates", "categories"):
        if getattr(question, name) is not None:
            body[name] = list(getattr(question, name))
    if question.context:
        body["context"] = dict(question.context)
    return body


def _answer(told: dict[str, Any]) -> Answer:
    items = [Item(item["item_id"], float(item["score"]), int(item["rank"]), item["source"]) for item in told["items"]]
    return Answer(tuple(items), bool(told["known"]))
