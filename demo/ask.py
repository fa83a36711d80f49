"""Ask a service that is starting for one list, with the standard library, as a shop's own server would."""

from __future__ import annotations

import json
import sys
import time
import urllib.error
import urllib.request

WAIT_S = 30.0


def get(url: str, body: dict[str, object] | None = None) -> dict[str, object]:
    """Send one request and return its JSON."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"content-type": "application/json"})  # noqa: S310 - loopback
    with urllib.request.urlopen(request, timeout=10) as reply:  # noqa: S310
        told: dict[str, object] = json.load(reply)
        return told


def wait_until_ready(url: str) -> float:
    """Return the seconds until the service is ready."""
    start = time.monotonic()
    while time.monotonic() - start < WAIT_S:
        try:
            get(f"{url}/health/ready")
        except (OSError, urllib.error.HTTPError):
            time.sleep(0.05)
        else:
            return time.monotonic() - start
    raise SystemExit(f"{url} is not ready after {WAIT_S:.0f} s")


def main(url: str, user: str) -> None:
    """Print one answer."""
    wait_until_ready(url)
    body = {"user_id": user, "k": 3}
    print(f"\n$ curl -X POST {url}/v1/recommend -H 'content-type: application/json' -d '{json.dumps(body)}'")
    print(json.dumps(get(f"{url}/v1/recommend", body), indent=1))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
