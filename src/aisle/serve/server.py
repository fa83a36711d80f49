"""The process: a socket, uvicorn, signals, and what happens at the beginning and at the end."""

from __future__ import annotations

import asyncio
import gc
import ipaddress
import math
import resource
import signal
import socket
import sys
from collections.abc import Callable
from types import FrameType

import uvicorn
import uvloop

from aisle.errors import AisleError
from aisle.serve.app import make_app
from aisle.serve.connections import bounded
from aisle.serve.inference_process import ended
from aisle.serve.logs import send_to
from aisle.serve.service import Service
from aisle.serve.settings import Settings

_BACKLOG = 2048
# How long the inference thread may hold the interpreter while the event loop waits for it. At 1,000 requests/s on two quiet cores
# p90 is 6.1 to 6.2 ms with 0.2 ms, 6.3 to 6.8 with 1 (three runs each); where other work shares the cores, 1 had the better p99.
_SWITCH_S = 0.0002
_OTHER_FILES = 256  # beside connections: bundles, event store, sockets of the loop


class Server(uvicorn.Server):
    """uvicorn that drains: SIGTERM first makes the service not ready, and only then stops taking connections."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to end; a second signal ends at once."""
        if self._service.draining:
            self.should_exit = self.force_exit = True
            return
        self._service.draining = True
        self._service.log.write(
            "info", "service-draining", f"{signal.Signals(sig).name}: no longer ready, answering what is open"
        )
        asyncio.get_running_loop().call_later(self._service.settings.drain_s, self._end)

    def give_up(self) -> None:
        """End at once: nothing can be answered any more."""
        self._service.draining = True
        self._end()

    def _end(self) -> None:
        self.should_exit = True


def check_exposed(settings: Settings) -> None:
    """Refuse to listen beyond this machine without keys.

    Raises:
        AisleError: E077.
    """
    if settings.keys is None and not settings.insecure_no_keys and not _is_loopback(settings.host):
        raise AisleError(
            f"listening on {settings.host} without API keys: anybody who reaches this machine could ask and write",
            hint="give `--keys FILE` (`--new-key NAME` makes one), or `--insecure-no-keys` where what is in front asks for keys",
            code="E077",
        )


def listen(settings: Settings) -> socket.socket:
    """Return a listening socket.

    Raises:
        AisleError: E077 beyond loopback without keys, E085 when the address cannot be listened on.
    """
    check_exposed(settings)
    try:
        found = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = found[0]
        return socket.create_server(address, family=family, backlog=_BACKLOG)
    except OSError as error:
        raise AisleError(
            f"{settings.host}:{settings.port} cannot be listened on: {error.strerror or error}",
            hint="choose another `--port` (0 takes a free one) or `--host`, or end what listens there",
            code="E085",
        ) from error


def run(service: Service, sock: socket.socket, say: Callable[[str], None]) -> None:
    """Serve until a signal ends it.

    Args:
        service: not started.
        sock: as `listen` returned it.
        say: told the address, and when every model answers.

    Raises:
        AisleError: when a model or the event store cannot be opened.
    """
    _allow_files(service.settings.max_connections)
    sys.setswitchinterval(_SWITCH_S)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(service, sock, say))


async def _serve(service: Service, sock: socket.socket, say: Callable[[str], None]) -> None:
    settings = service.settings
    server = Server(_config(service), service)
    host, port = sock.getsockname()[:2]
    url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    try:
        await service.start()
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, _hang_up, service)
        serving = asyncio.create_task(server.serve([sock]))
        loading = asyncio.create_task(service.load())
        say(f"{url} (docs: {url}/docs)")
        service.log.write("info", "service-listening", url, server__address=settings.host, server__port=port)
        service.lost.add_done_callback(lambda _: server.give_up())
        done, _ = await asyncio.wait((serving, loading), return_when=asyncio.FIRST_COMPLETED)
        if loading in done:
            if loading.exception() is None:
                # What is loaded stays: the collector need not walk through it again and again, which the slowest answers feel.
                gc.collect()
                gc.freeze()
                say("ready: " + ", ".join(f"{slot.name} = {slot.now().bundle.id}" for slot in service.slots))
            else:
                server.should_exit = True
        await serving
        if service.lost.done():
            raise ended()
        if loading.done():
            loading.result()
        else:
            loading.cancel()
    finally:
        await service.stop()


def _config(service: Service) -> uvicorn.Config:
    send_to(service.log, "uvicorn")
    settings = service.settings
    return uvicorn.Config(
        make_app(service),
        http=bounded(service),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=math.ceil(settings.shutdown_timeout_s),
    )


def _hang_up(service: Service) -> None:
    """SIGHUP: read the keys again and load every model again."""

    async def again() -> None:
        try:
            service.keys.read()
            await service.reloader.reload(service.slots, wait=True)  # a signal cannot ask again
        except AisleError as error:  # the old ones stay; a bundle that is refused is logged by the reloader too
            service.log.write("error", "hang-up-failed", error.message, error__code=error.code)

    service.spawn(again())


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _allow_files(connections: int) -> None:
    """Raise this process's limit of open files to what the connections need, as far as the system lets us."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = connections + _OTHER_FILES
    if soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed if hard == resource.RLIM_INFINITY else min(needed, hard), hard))
