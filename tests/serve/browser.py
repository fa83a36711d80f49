"""A real Chromium without a window, driven over its DevTools protocol."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import httpx
from websockets.sync.client import ClientConnection, connect

_FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-extensions",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-default-apps",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1", "--remote-debugging-port=0",
)  # fmt: skip
_PATIENCE_S = 30.0


class Page:
    """One tab; remembers what it asked for and what went wrong.

    Attributes:
        requests: addresses that were asked for.
        complaints: errors and warnings of the console, exceptions, refusals of the Content-Security-Policy.
    """

    def __init__(self, socket: ClientConnection) -> None:
        self._socket, self._last = socket, 0
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self._loaded = False
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Give an order and wait for what it gives; note what the tab tells meanwhile."""
        self._last += 1
        self._socket.send(json.dumps({"id": self._last, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._socket.recv(_PATIENCE_S))
            if message.get("id") == self._last:
                assert "error" not in message, message
                result: dict[str, Any] = message["result"]
                return result
            self._note(message)

    def open(self, url: str) -> None:
        """Go to an address and wait until it is loaded."""
        self._loaded = False
        self.send("Page.navigate", url=url)
        while not self._loaded:
            self._note(json.loads(self._socket.recv(_PATIENCE_S)))

    def forget(self) -> None:
        """Begin anew: what was asked for and what went wrong before does not count."""
        self.open("about:blank")
        self.requests.clear()
        self.complaints.clear()

    def run(self, script: str) -> Any:
        """Return the value of an expression."""
        reply = self.send("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True, userGesture=True)
        assert "exceptionDetails" not in reply, reply["exceptionDetails"]
        return reply["result"].get("value")

    def until(self, condition: str) -> None:
        """Wait until an expression is true; each change of the document is looked at, nothing is slept through."""
        script = f"""new Promise((done) => {{
            const look = () => {{ if ({condition}) {{ watch.disconnect(); clearTimeout(late); done(true); }} }};
            const watch = new MutationObserver(look);
            const late = setTimeout(() => done(false), {1000 * _PATIENCE_S / 2});
            watch.observe(document, {{subtree: true, childList: true, attributes: true, characterData: true}});
            look();
        }})"""
        assert self.run(script), f"never came true: {condition}\n{self.run('document.body.innerText')}\n{self.complaints}"

    def texts(self, selector: str) -> list[str]:
        """Return the text of every element."""
        found: list[str] = self.run(
            f"[...document.querySelectorAll({json.dumps(selector)})].map((one) => one.textContent.trim())"
        )
        return found

    def click(self, selector: str) -> None:
        self.run(f"document.querySelector({json.dumps(selector)}).click()")

    def type(self, selector: str, words: str) -> None:
        """Type into a field, as a keyboard does, and press Enter."""
        self.run(f"(() => {{ const one = document.querySelector({json.dumps(selector)}); one.focus(); one.select(); }})()")
        self.send("Input.insertText", text=words)
        self.press("Enter")

    def press(self, key: str) -> None:
        """Press a key."""
        number, words = {"Enter": (13, "\r"), "Escape": (27, ""), "Tab": (9, "")}[key]
        self.send("Input.dispatchKeyEvent", type="keyDown", key=key, code=key, windowsVirtualKeyCode=number, text=words)
        self.send("Input.dispatchKeyEvent", type="keyUp", key=key, code=key)

    def resize(self, width: int, height: int, scheme: str = "light") -> None:
        """Look at it in this size, in CSS pixels, light or dark."""
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def picture(self, path: Path, *, whole: bool = False) -> None:
        """Save what is seen as PNG; whole = beyond the window's lower edge too."""
        shot = self.send("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(shot["data"]))

    def _note(self, message: dict[str, Any]) -> None:
        told = message.get("params", {})
        match message.get("method"):
            case "Page.loadEventFired":
                self._loaded = True
            case "Network.requestWillBeSent":
                self.requests.append(told["request"]["url"])
            case "Runtime.exceptionThrown":
                self.complaints.append(json.dumps(told["exceptionDetails"]))
            case "Runtime.consoleAPICalled" if told["type"] in ("error", "warning", "assert"):
                self.complaints.append(json.dumps(told["args"]))
            case "Log.entryAdded" if told["entry"]["level"] in ("error", "warning"):
                self.complaints.append(f"{told['entry']['text']} {told['entry'].get('url', '')}")


@contextmanager
def browser(executable: str, folder: Path) -> Iterator[Page]:
    """Start Chromium with a profile of its own and give its first tab.

    Args:
        executable: the browser.
        folder: empty; for the profile.
    """
    process = subprocess.Popen(
        [executable, *_FLAGS, f"--user-data-dir={folder}", "about:blank"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stderr is not None
        address = _tab(process.stderr)
        reading = threading.Thread(target=process.stderr.read, daemon=True)  # a full pipe would stop it
        reading.start()
        with connect(address, max_size=None) as socket:
            page = Page(socket)
            yield page
            page.send("Browser.close")
        process.wait(_PATIENCE_S)
        reading.join(_PATIENCE_S)
    finally:
        process.kill()  # no more than a word where it has ended
        process.wait()
        if process.stderr is not None:
            process.stderr.close()


def _tab(stderr: IO[str]) -> str:
    """Return the address of the first tab, once Chromium has said where it listens."""
    said: list[str] = []
    for line in stderr:
        if found := re.match(r"DevTools listening on ws://(\S+?)/", line):
            break
        said.append(line)
    else:
        raise AssertionError(f"Chromium did not start: {''.join(said)}")
    tabs = httpx.get(f"http://{found[1]}/json/list", timeout=_PATIENCE_S).json()
    address: str = next(tab["webSocketDebuggerUrl"] for tab in tabs if tab["type"] == "page")
    return address
