"""One TCP connection: what uvicorn does, and bounds on time, size and number, so that a slow or broken caller harms nobody."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Literal

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from aisle.serve.problems import ProblemError
from aisle.serve.service import Service
from aisle.serve.settings import Settings
from aisle.serve.visit import new_request_id

if TYPE_CHECKING:
    from uvicorn.config import Config
    from uvicorn.server import ServerState

_MAX_HEAD_BYTES = 65_536
_GO_ON = b"HTTP/1.1 100 Continue\r\n\r\n"  # to a caller who asks before sending a body: no part of the answer

_LATE = ProblemError(408, "the request did not arrive in time", hint="send head and body of a request at once", code="E073")
_NO_HTTP = ProblemError(400, "this is no HTTP request", hint="speak HTTP/1.1", code="E074")
_HEAD = ProblemError(431, f"the head has more than {_MAX_HEAD_BYTES:,} bytes", hint="send fewer or shorter headers", code="E074")
_FULL = ProblemError(
    503,
    "too many connections are open",
    hint="close connections that are not used, or ask again after Retry-After",
    code="E069",
    retry_after_s=1,
)


class Joined:
    """Where one answer is written: its head goes out with its body, in one call of the system, where uvicorn makes two.

    Args:
        transport: of the connection.
    """

    __slots__ = ("_head", "_sent", "_transport", "close", "is_closing")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport, self._head, self._sent = transport, b"", False
        self.close, self.is_closing = transport.close, transport.is_closing

    def write(self, data: bytes) -> None:
        """Keep the head until the first of the body comes, which may be empty and always comes."""
        if self._sent or data == _GO_ON:
            self._transport.write(data)
        elif self._head:
            self._sent = True
            self._transport.write(self._head + data)
        else:
            self._head = data


class Connection(HttpToolsProtocol):
    """A connection with bounds; `bounded` says which.

    A timer is set only for a request that has not arrived as a whole, so that usual ones cost nothing.
    """

    service: Service
    settings: Settings

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.timeout_keep_alive = self.settings.keep_alive_s  # type: ignore[assignment]  # uvicorn says int, the loop takes both
        self._arriving: Literal["head", "body"] | None = "head"
        self._timed: Literal["head", "body"] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None  # set while bytes wait for a caller who does not read
        self._answering: RequestResponseCycle | None = None  # of several requests sent at once, the one whose turn it is
        self._head_bytes = 0
        self._refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, or refuse it where there are too many."""
        super().connection_made(transport)
        if len(self.connections) > self.settings.max_connections:
            self._refuse(_FULL)
        else:
            self._time()

    def data_received(self, data: bytes) -> None:
        """Take some bytes."""
        if self._refused:
            return
        super().data_received(data)
        if self._arriving == "head":
            self._head_bytes += len(data)
            if self._head_bytes > _MAX_HEAD_BYTES:
                self._refuse(_HEAD)
        self._time()

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self._arriving, self._head_bytes = "head", 0

    def on_headers_complete(self) -> None:
        """The head is there; its handler starts."""
        self._arriving = "body"
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The request is there."""
        self._arriving = None
        super().on_message_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._answering = cycle
        cycle.transport = Joined(cycle.transport)  # type: ignore[assignment]  # all of a transport that a cycle uses
        super()._start_asgi_task(cycle, app)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._arriving = None
        self._time()
        self._forget_unread()
        if self._answering is not None:  # uvicorn tells the newest request alone; this one would write to what is gone
            self._answering.disconnected = True
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """More waits to be read by the caller than is good: a next answer waits too, and neither does so for ever."""
        super().pause_writing()
        self._time_unread()

    def resume_writing(self) -> None:
        """The caller has read on."""
        super().resume_writing()
        if not self.transport.is_closing():
            self._forget_unread()

    def on_response_complete(self) -> None:
        """An answer is given; a connection that ends with it stays until the caller has read it."""
        super().on_response_complete()
        if self.transport.is_closing():
            self._time_unread()

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection; one whose caller does not read its answer would otherwise stay, with the answer."""
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            super().timeout_keep_alive_handler()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP."""
        self._refuse(_NO_HTTP)

    def _time(self) -> None:
        """Let the timer fit what has arrived."""
        if self._arriving == self._timed:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._timed = self._arriving
        if self._arriving is not None and not self.transport.is_closing():
            limit_s = self.settings.header_timeout_s if self._arriving == "head" else self.settings.body_timeout_s
            self._timer = self.loop.call_later(limit_s, self._late)

    def _time_unread(self) -> None:
        if self._unread is None:
            self._unread = self.loop.call_later(self.settings.keep_alive_s, self.transport.abort)

    def _forget_unread(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _late(self) -> None:
        if self.transport.is_closing():
            return
        answered = self.cycle is not None and self.cycle.response_started
        if self._arriving == "body" and answered:
            self.transport.abort()  # it was told, and goes on sending
        elif self._arriving == "head" and not self._head_bytes:
            self.transport.close()  # it has said nothing at all
        else:
            self._refuse(_LATE)

    def _refuse(self, problem: ProblemError) -> None:
        """Answer without asking the application, and close."""
        self._refused = True
        if self.transport.is_closing():
            return
        request_id = new_request_id()
        head = [f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}\r\nconnection: close\r\n".encode()]
        head += [name + b": " + value + b"\r\n" for name, value in problem.headers]
        head.append(b"x-request-id: " + request_id.encode() + b"\r\n")
        self.transport.write(b"".join([*head, b"\r\n", problem.body]))
        self.transport.close()
        self._time_unread()
        self._note(problem, request_id)

    def _note(self, problem: ProblemError, request_id: str) -> None:
        """Count and log a refusal as `Front` does, without anything that was sent: it may be garbage, or name a shopper."""
        self.service.metrics.rejected(problem.code)
        if self.settings.access_log:
            self.service.log.write(
                "error" if problem.status >= 500 else "warning",
                "refused",
                f"{problem.status}: {problem.message}",
                http__request__id=request_id,
                http__response__status_code=problem.status,
                error__code=problem.code,
            )


def bounded(service: Service) -> type[Connection]:
    """Return the class of connections with the bounds of this service, as uvicorn takes it."""
    return type("BoundedConnection", (Connection,), {"service": service, "settings": service.settings})
