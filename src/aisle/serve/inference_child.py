"""The program of an inference process: bundles by number, batches in one thread, changes in another; it ends with its parent."""

from __future__ import annotations

import contextlib
import gc
import signal
import sys
import threading
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import orjson

from aisle.bundle.bundle import Bundle
from aisle.bundle.live_bundle import LiveBundle
from aisle.bundle.live_catalogue import ItemChange
from aisle.serve.answering import answer_all
from aisle.serve.opening import open_tried
from aisle.serve.wire import asked_from_json, dumps, error_as_json, given_as_bytes


class Child:
    """What the process holds."""

    def __init__(self) -> None:
        self.bundles: dict[int, Bundle] = {}
        self.lives: dict[int, LiveBundle] = {}

    def serve(self, pipe: Connection) -> None:
        """Answer one pipe until nobody is at its other end."""
        with contextlib.suppress(EOFError, OSError):
            while True:
                pipe.send_bytes(self._reply(orjson.loads(pipe.recv_bytes())))

    def _reply(self, message: dict[str, Any]) -> bytes:
        for number in message.pop("gone"):
            self.bundles.pop(number, None)
            self.lives.pop(number, None)
        try:
            if "asked" in message:
                return given_as_bytes(answer_all(asked_from_json(message["asked"], self.bundles)))
            return dumps({"result": self._change(**message)})
        except Exception as error:  # told to who asked
            return dumps({"error": error_as_json(error)})

    def _change(self, do: str, live: int, bundle: int, **words: Any) -> str | None:
        if do == "open":
            return self._open(live, bundle, **words)
        if do == "change":
            self.bundles[bundle] = self.lives[live].change([ItemChange(**change) for change in words["changes"]])
            return None
        self.lives[live].go_back(self.bundles[bundle])
        return None

    def _open(self, live: int, number: int, folder: str, public_key: str | None) -> str:
        """Open a bundle, check and try it as if nobody had, and return its id."""
        bundle = open_tried(Path(folder), None if public_key is None else Path(public_key))
        self.bundles[number], self.lives[live] = bundle, LiveBundle(bundle)
        # What is loaded stays: the collector need not walk through it again and again, which the slowest answers feel.
        gc.collect()
        gc.freeze()
        return bundle.id


def main() -> None:
    """Serve the two pipes whose numbers the command line gives: batches, and changes."""
    for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # what these ask for is the parent's to do
        signal.signal(one, signal.SIG_IGN)
    batches, changes = (Connection(int(word)) for word in sys.argv[1:])
    child = Child()
    threading.Thread(target=child.serve, args=(changes,), name="changes", daemon=True).start()
    child.serve(batches)


if __name__ == "__main__":
    main()
