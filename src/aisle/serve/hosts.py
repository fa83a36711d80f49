"""Whom callers believe to speak to: without keys, a page elsewhere must not reach this machine by a name of its own.

DNS rebinding: a page of evil.example lets its name point to 127.0.0.1, and to the browser this service is then a part of that
page. What the page cannot change is the `Host` that the browser sends.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from aisle.serve.problems import ProblemError

_SHOWN = 80
_MOST = 100  # spellings that are remembered


class Hosts:
    """The names of a service without keys that only this machine reaches.

    Args:
        names: beside localhost and loopback addresses.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = {name.lower() for name in names}
        self._good: set[bytes | None] = {None}  # spellings that were looked at; a caller who says none is no browser

    def check(self, host: bytes | None) -> None:
        """Refuse a `Host` that is not ours.

        Raises:
            ProblemError: E086 (421).
        """
        if host in self._good:
            return
        assert host is not None
        text = host.decode("latin-1")
        if not self._is_ours(_without_port(text).lower()):
            raise ProblemError(
                421,
                f"the request is for {text[:_SHOWN]!r}, and this service, which asks for no keys, goes by that name nowhere",
                hint="ask localhost or 127.0.0.1; give `--allowed-host NAME` for a name of your own, or `--keys FILE`",
                code="E086",
            )
        if len(self._good) < _MOST:
            self._good.add(host)

    def _is_ours(self, name: str) -> bool:
        if name == "localhost" or name in self._names:
            return True
        try:
            return ipaddress.ip_address(name.removeprefix("[").removesuffix("]")).is_loopback
        except ValueError:
            return False


def _without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdigit() and (":" not in name or name.endswith("]")) else host
