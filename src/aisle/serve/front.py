"""The outermost application: gives each request its id, turns every error into an answer, counts and logs."""

from __future__ import annotations

import time
from typing import Any

from starlette.exceptions import HTTPException
from starlette.routing import Router

from aisle.errors import AisleError
from aisle.serve.endpoint import GoneError, Message, Receive, Send
from aisle.serve.hosts import Hosts
from aisle.serve.problems import ProblemError, bug, problem_of
from aisle.serve.service import Service
from aisle.serve.visit import Visit

_NAMES = "/v1/shoppers/"  # what comes behind it is a user id
_GONE = 499  # as nginx calls it: the caller closed the connection
_NOT_THAT_WAY, _NOWHERE = 405, "(no such path)"
_LEVELS = {2: "info", 3: "info", 4: "warning", 5: "error"}


class Front:
    """ASGI application around the router."""

    def __init__(self, service: Service, router: Router) -> None:
        self.service, self._router = service, router
        settings = service.settings
        known = service.keys.needed or settings.insecure_no_keys  # who may ask is somebody's care
        self._hosts = None if known else Hosts((settings.host, *settings.allowed_hosts))

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        # The server speaks HTTP alone, and starts and stops the service itself: models are loaded while it answers already.
        assert scope["type"] == "http", scope["type"]
        await self._http(scope, receive, send)

    async def _http(self, scope: Message, receive: Receive, send: Send) -> None:
        start = time.perf_counter_ns()
        visit = Visit.of(scope)
        scope["app"], scope["aisle.visit"] = self.service, visit
        service = self.service

        async def reply(message: Message) -> None:
            if message["type"] == "http.response.start":
                visit.status = message["status"]
                closing = [(b"connection", b"close")] if service.draining else []
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", visit.request_id.encode()), *closing]
            await send(message)

        try:
            if self._hosts is not None:
                self._hosts.check(visit.host)
            await self._router(scope, receive, reply)
        except GoneError:
            visit.status = _GONE
        except Exception as error:
            if visit.path.startswith(_NAMES):  # logs name nobody, whatever was wrong
                visit.path = _NAMES + "{user_id}"
            problem = self._problem(error, visit)
            # Where no route took it, it may be nearly one that names a shopper.
            if visit.endpoint == "none" and problem.status != _NOT_THAT_WAY and not visit.path.startswith(_NAMES):
                visit.path = _NOWHERE
            visit.reason = problem.code
            if visit.status == 0:  # else the answer has begun, and all that is left is to close the connection
                await reply({"type": "http.response.start", "status": problem.status, "headers": problem.headers})
                await reply({"type": "http.response.body", "body": problem.body})
        finally:
            self._note(visit, time.perf_counter_ns() - start)

    def _problem(self, error: Exception, visit: Visit) -> ProblemError:
        if isinstance(error, AisleError):
            return problem_of(error)
        if isinstance(error, HTTPException):
            return _of_router(error, visit)
        self.service.log.failure("bug", error, http__request__id=visit.request_id, url__path=visit.path)
        return bug()

    def _note(self, visit: Visit, duration_ns: int) -> None:
        service = self.service
        service.metrics.request(visit.endpoint, visit.status, duration_ns / 1e9)
        if visit.reason is not None:
            service.metrics.rejected(visit.reason)
        if not service.settings.access_log:
            return
        about: dict[str, Any] = {"error__code": visit.reason} if visit.reason else {}
        if visit.caller is not None:
            about["user__name"] = visit.caller
        service.log.write(
            _LEVELS.get(visit.status // 100, "warning"),
            "request",
            f"{visit.method} {visit.path} {visit.status}",
            http__request__id=visit.request_id,
            http__request__method=visit.method,
            url__path=visit.path,
            http__response__status_code=visit.status,
            event__duration=duration_ns,
            **about,
        )


def _of_router(error: HTTPException, visit: Visit) -> ProblemError:
    hint = "/openapi.json lists every path and method, /docs shows them"
    path = visit.path if len(visit.path) <= 200 else visit.path[:200] + "..."
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "")
        return ProblemError(
            405, f"{path} does not take {visit.method}; expected {allowed}", hint=hint, code="E065", allow=allowed
        )
    return ProblemError(404, f"nothing is at {path}", hint=hint, code="E064")
