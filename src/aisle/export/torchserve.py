"""A bundle becomes a model archive (.mar) that TorchServe loads: the bundle as it is, and a handler. A zip file; no pickle.

MAR-INF/MANIFEST.json      what torch-model-archiver 0.12 writes
torchserve_handler.py      `export.torchserve_handler`
bundle/                    the bundle
"""

from __future__ import annotations

import json
import re
import shutil
import zipfile
from datetime import datetime
from pathlib import Path

from aisle.bundle.check import check_bundle
from aisle.errors import AisleError
from aisle.export import torchserve_handler
from aisle.export.torchserve_handler import BUNDLE
from aisle.storage.atomic import storage_errors

ARCHIVER_VERSION = "0.12.0"  # of the layout that is written
MODEL_VERSION = "1.0"
_LONG_AGO = (1980, 1, 1, 0, 0, 0)  # the same bundle gives the same bytes
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_\-.]*")


def export_torchserve(bundle_folder: Path, out: Path, name: str | None = None, public_key: Path | None = None) -> Path:
    """Write a bundle as a model archive.

    Args:
        bundle_folder: a bundle; it is checked first.
        out: the folder for the archive: TorchServe's model store. Made where it is missing.
        name: of the model in TorchServe; None = the bundle's name. An archive of that name is replaced.
        public_key: PEM file of the key that the bundle must be signed with.

    Returns:
        The archive, `out/name.mar`.

    Raises:
        AisleError: E092 for a name that TorchServe refuses, E0xx when the bundle is not whole, E601 when `out` cannot be written.
    """
    manifest = check_bundle(bundle_folder, public_key)
    name = manifest.name if name is None else name
    if not _NAME.fullmatch(name):
        raise AisleError(
            f"a model cannot be called {name!r} in TorchServe: expected letters, digits, _, - and ., a letter or digit first",
            hint="give --name, such as aisle",
            code="E092",
        )
    archive = out / f"{name}.mar"
    partial = out / f".{name}.mar.partial"
    handler = Path(torchserve_handler.__file__)
    with storage_errors(archive):
        out.mkdir(parents=True, exist_ok=True)
        try:
            # Stored, not deflated: weights do not shrink, and a worker waits for them to be unpacked.
            with zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as file:
                _add_text(file, "MAR-INF/MANIFEST.json", _manifest(name, handler.name, manifest.created))
                _add_file(file, handler.name, handler)
                for path in sorted(path for path in bundle_folder.rglob("*") if path.is_file()):
                    _add_file(file, f"{BUNDLE}/{path.relative_to(bundle_folder).as_posix()}", path)
            partial.replace(archive)
        finally:
            partial.unlink(missing_ok=True)
    return archive


def _manifest(name: str, handler: str, created: str) -> str:
    """Return what torch-model-archiver says of an archive."""
    model = {"modelName": name, "handler": handler, "modelVersion": MODEL_VERSION}
    when = datetime.fromisoformat(created).strftime("%d/%m/%Y %H:%M:%S")
    return json.dumps({"createdOn": when, "runtime": "python", "model": model, "archiverVersion": ARCHIVER_VERSION}, indent=2)


def _add_text(file: zipfile.ZipFile, name: str, text: str) -> None:
    file.writestr(_entry(name), text)


def _add_file(file: zipfile.ZipFile, name: str, path: Path) -> None:
    entry = _entry(name)
    entry.file_size = path.stat().st_size
    with path.open("rb") as source, file.open(entry, "w") as target:
        shutil.copyfileobj(source, target, 1 << 20)


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _LONG_AGO)
    entry.external_attr = 0o644 << 16
    return entry
