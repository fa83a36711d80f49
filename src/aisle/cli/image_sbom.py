"""What is in an image, as a CycloneDX document: every Debian or Ubuntu package and every Python package, with its version.

Made from the package databases of the image itself rather than by a scanner, so that it needs nothing but docker and is the same
text for the same image: no time, no serial number. CI holds it against CycloneDX's schema.
"""

from __future__ import annotations

import json
import subprocess
from typing import Any
from urllib.parse import quote

from aisle import __version__
from aisle.errors import AisleError

_TIMEOUT_S = 120
# Runs in the image, with its Python; sys.path of /opt/aisle reaches the packages of the base as well.
_ASK = """
import importlib.metadata as m, json, platform, subprocess
words = ["dpkg-query", "-W", "-f", "${Package} ${Version} ${Architecture}\\\\n"]
rows = subprocess.run(words, capture_output=True, text=True, check=True)
release = platform.freedesktop_os_release()
first = {}
for one in m.distributions():
    first.setdefault(one.metadata["Name"].lower().replace("_", "-").replace(".", "-"), one.version)
print(json.dumps({
    "system": {"id": release["ID"], "version": release.get("VERSION_ID", "")},
    "python": platform.python_version(),
    "debian": [row.split(" ") for row in rows.stdout.splitlines()],
    "pypi": sorted(first.items()),
}))
"""


def packages(image: str) -> dict[str, Any]:
    """Return the packages of an image, asked from itself without a network.

    Raises:
        AisleError: E912 when it cannot be run.
    """
    words = ["docker", "run", "--rm", "--network", "none", "--entrypoint", "/opt/aisle/bin/python", image, "-c", _ASK]
    try:
        asked = subprocess.run(words, capture_output=True, text=True, timeout=_TIMEOUT_S, check=True)  # noqa: S603
    except (subprocess.SubprocessError, OSError) as error:
        said = getattr(error, "stderr", None) or error
        raise AisleError(f"the image {image} cannot be asked: {said}", hint="look whether docker runs", code="E912") from error
    found: dict[str, Any] = json.loads(asked.stdout)
    return found


def sbom(image: str, found: dict[str, Any]) -> dict[str, Any]:
    """Return the CycloneDX 1.6 document of what `packages` found."""
    distribution = found["system"]["id"]
    parts = [_component("python", found["python"], "generic", "")]
    for name, version, machine in found["debian"]:
        where = f"?arch={machine}&distro={distribution}-{found['system']['version']}"
        parts.append(_component(name, version, f"deb/{distribution}", where))
    parts += [_component(name, version, "pypi", "") for name, version in found["pypi"]]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "tools": {"components": [{"type": "application", "name": "aisle image", "version": __version__}]},
            "component": {"type": "container", "name": image, "bom-ref": "image"},
        },
        "components": parts,
    }


def _component(name: str, version: str, kind: str, where: str) -> dict[str, str]:
    purl = f"pkg:{kind}/{quote(name, safe='')}@{quote(version, safe='')}{where}"
    return {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}
