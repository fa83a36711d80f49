"""Inference in processes of its own, for services that are to answer more than one interpreter can.

Python lets one thread at a time run. The thread that reads requests and the one that scores them take turns, and each waits for
the other; processes do not. What is answered is the same: each of them opens the same bundles, makes the same changes of the
catalogue in the same order, and answers batches with the same function.

To each there are two pipes: one for batches, one for what changes the bundles, which takes long and must hold up nobody. Every
bundle that is held over there has a number; when it is no longer held here it is let go of there.
"""

from __future__ import annotations

import contextlib
import itertools
import socket
import subprocess
import sys
import threading
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import orjson

from aisle.bundle.bundle import Bundle
from aisle.bundle.live_bundle import LiveBundle
from aisle.bundle.live_catalogue import ItemChange
from aisle.errors import AisleError
from aisle.serve.answering import Asked, Given
from aisle.serve.wire import asked_as_json, dumps, error_from_json, given_from_bytes

_END_S = 10.0  # for the process to end by itself


class InferenceProcess:
    """One other process, from here; it holds nothing yet.

    Args:
        on_end: told its exit status, in another thread, when it ends before it is closed.
    """

    def __init__(self, on_end: Callable[[int], object]) -> None:
        with contextlib.ExitStack() as theirs:
            pairs = [socket.socketpair() for _ in range(2)]
            for _, their in pairs:
                theirs.enter_context(their)
            words = [str(their.fileno()) for _, their in pairs]
            # -P: what lies in the folder that the service was started in is no part of it.
            command = [sys.executable, "-P", "-m", "aisle.serve.inference_child", *words]
            self._process = subprocess.Popen(command, pass_fds=[int(word) for word in words], stdin=subprocess.DEVNULL)  # noqa: S603 - our own program
        self._batches, self._changes = (Connection(our.detach()) for our, _ in pairs)
        self._telling = threading.Lock()
        self.gone: deque[int] = deque()  # numbers of what it need not hold any longer
        self._closed = False
        self._on_end = on_end
        threading.Thread(target=self._watch, name="inference-watch", daemon=True).start()

    def _watch(self) -> None:
        status = self._process.wait()
        if not self._closed:
            self._on_end(status)

    def close(self) -> None:
        """Let the process end; call it when nothing is asked any more."""
        self._closed = True
        self._batches.close()  # the process ends, and with it whatever is being changed
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def answer(self, told: list[Any]) -> tuple[Any, bytes]:
        """Have a batch answered; one at a time.

        Raises:
            AisleError: E088 when the process has ended.
        """
        self._send(self._batches, {"asked": told})
        return _receive(self._batches)

    def tell(self, what: str, **words: Any) -> Any:
        """Have the bundles over there changed and return the result; one change at a time.

        Raises:
            AisleError: why it is refused, E088 when the process has ended.
        """
        with self._telling:
            self._send(self._changes, {"do": what, **words})
            return _receive(self._changes)[0]

    def _send(self, pipe: Connection, message: dict[str, Any]) -> None:
        gone: list[int] = []
        with contextlib.suppress(IndexError):  # both pipes may be spoken to at once
            while True:
                gone.append(self.gone.popleft())
        try:
            pipe.send_bytes(dumps({**message, "gone": gone}))
        except OSError as error:
            raise ended() from error


class InferenceProcesses:
    """All of them; each holds all bundles.

    Args:
        count: how many.
        public_key: PEM file of the key that bundles must be signed with.
    """

    def __init__(self, count: int, public_key: Path | None = None) -> None:
        self._count, self._public_key = count, public_key
        self.all: list[InferenceProcess] = []
        self._numbers = itertools.count()
        self._number_of: dict[int, int] = {}  # by id() of what is held here

    def start(self, on_end: Callable[[int], object]) -> None:
        """Start the processes; `on_end` is told when one ends before they are closed, in another thread."""
        self.all = [InferenceProcess(on_end) for _ in range(self._count)]

    def close(self) -> None:
        """Let them end; call it when nothing is asked any more."""
        for process in self.all:
            process.close()

    def workers(self) -> list[Callable[[list[Asked]], list[Given | Exception]]]:
        """Return for each process what has a batch answered there, as `answering.answer_all` does here."""
        return [partial(self._answer, process) for process in self.all]

    def _answer(self, process: InferenceProcess, asked: list[Asked]) -> list[Given | Exception]:
        return given_from_bytes(*process.answer(asked_as_json(asked, self.number)), asked)

    def live(self, bundle: Bundle) -> MirroredBundle:
        """Open a bundle over there too, check it there, and return what changes all of them.

        Raises:
            AisleError: why it is refused there, E088 when a process has ended.
        """
        live = MirroredBundle(self, bundle)
        key = None if self._public_key is None else str(self._public_key)
        words = {"live": self.hold(live), "bundle": self.hold(bundle), "folder": str(bundle.folder), "public_key": key}
        for seen in self.tell("open", **words):
            if seen != bundle.id:
                raise AisleError(
                    f"{bundle.folder} held bundle {bundle.id}, and {seen} a moment later",
                    hint="it is being replaced: load it again when that is done",
                    code="E005",
                )
        return live

    def tell(self, what: str, **words: Any) -> list[Any]:
        """Have the bundles of every process changed and return the results.

        Raises:
            AisleError: why it is refused, E088 when a process has ended.
        """
        return [process.tell(what, **words) for process in self.all]

    def hold(self, held: object) -> int:
        """Give something a number; when it is no longer held here, its counterparts are let go of."""
        number = next(self._numbers)
        self._number_of[id(held)] = number
        weakref.finalize(held, self._forget, id(held), number).atexit = False
        return number

    def number(self, held: object) -> int:
        """Return the number of something that is held."""
        return self._number_of[id(held)]

    def _forget(self, place: int, number: int) -> None:
        for process in self.all:
            process.gone.append(number)
        if self._number_of.get(place) == number:
            del self._number_of[place]


class MirroredBundle:
    """A bundle whose catalogue changes here and over there; used as a `LiveBundle`.

    Args:
        processes: where the others are.
        bundle: as it was opened.
    """

    def __init__(self, processes: InferenceProcesses, bundle: Bundle) -> None:
        self._processes, self._live = processes, LiveBundle(bundle)
        self._changing = threading.Lock()  # the same changes in the same order

    def change(self, changes: Sequence[ItemChange]) -> Bundle:
        """Change the catalogue; see `LiveBundle.change`.

        Raises:
            AisleError: E037 for a change that cannot be, E088 when a process has ended.
        """
        with self._changing:
            bundle = self._live.change(changes)
            others, told = self._processes, [asdict(change) for change in changes]
            others.tell("change", live=others.number(self), bundle=others.hold(bundle), changes=told)
            return bundle

    def go_back(self, bundle: Bundle) -> None:
        """Take over the catalogue of an earlier bundle."""
        with self._changing:
            self._live.go_back(bundle)
            self._processes.tell("go back", live=self._processes.number(self), bundle=self._processes.number(bundle))


def _receive(pipe: Connection) -> tuple[Any, bytes]:
    """Return a result, and what comes behind its line."""
    try:
        line, _, rest = pipe.recv_bytes().partition(b"\n")
    except (EOFError, OSError) as error:
        raise ended() from error
    told = orjson.loads(line)
    if "error" in told:
        raise error_from_json(told["error"])
    return told["result"], rest


def ended() -> AisleError:
    """Return the error for a process that is gone."""
    return AisleError(
        "an inference process has ended, and with it this service",
        hint="what starts the service starts it again; where memory ran out give it more: each process holds the models",
        code="E088",
    )
