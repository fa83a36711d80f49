"""The manifest of a bundle: what is in the folder, byte by byte, what made it, and what it needs.

manifest.json     this
manifest.sha256   the SHA-256 of manifest.json's bytes: 64 hexadecimal digits and a line end
manifest.sig      optional, see `bundle.signature`

The same files and the same `About` give the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from aisle.bundle.signature import sign
from aisle.errors import AisleError
from aisle.storage.arrays import file_sha256
from aisle.storage.atomic import write_atomic

FORMAT_VERSION: Final = 1
MANIFEST_NAME = "manifest.json"
DIGEST_NAME = "manifest.sha256"
SIGNATURE_NAME = "manifest.sig"
SEALS = frozenset({MANIFEST_NAME, DIGEST_NAME, SIGNATURE_NAME})

# `torch.load` and the like unpickle what they open, which runs whatever the file says.
EXTRA_FOLDER = "extras"
EXTRA_SUFFIXES = frozenset({".pt2"})
PICKLE_SUFFIXES = frozenset({".pkl", ".pickle", ".pt", ".pth", ".joblib"})

_ID_LENGTH = 12
_HINT = "export it again, or fetch it again from where it was published"
_SHA256 = r"[0-9a-f]{64}"


class _Contract(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class FileInfo(_Contract):
    """One file: the SHA-256 of its bytes, and how many there are."""

    sha256: str = Field(pattern=f"^{_SHA256}$")
    size_bytes: int = Field(ge=0)


class Versions(_Contract):
    """What made the bundle; None where it was not there or not used."""

    aisle: str
    python: str
    numpy: str
    torch: str | None = None
    cuda: str | None = None
    cudnn: str | None = None
    onnx: str | None = None
    onnx_opset: int | None = None
    onnx_ir_version: int | None = None
    onnxruntime: str | None = None
    faiss: str | None = None
    safetensors: str | None = None


class Interval(_Contract):
    """A metric with its 95% interval; no bounds where nothing was resampled."""

    mean: float
    low: float | None = None
    high: float | None = None


class ModelAbout(_Contract):
    """What is served.

    Attributes:
        recipe: its name.
        kind: the kind of model, as in a recipe.
        scorer: how it is served, as in model/scorer.json.
        n_users, n_items: of the id maps.
        width: of the vectors, where it has any.
        max_history: the latest events that the model looks at, where it looks at a history.
    """

    recipe: str
    kind: str
    scorer: str
    n_users: int = Field(ge=0)
    n_items: int = Field(ge=0)
    width: int | None = None
    max_history: int | None = None


class About(_Contract):
    """What a bundle's author says about it; the files are counted and hashed by `write_manifest`.

    Attributes:
        name: of the bundle.
        created: ISO 8601, UTC.
        versions: what made it.
        gpu_architectures: that the torch which made it has code for, such as "sm_90"; empty for a CPU build.
        dataset_sha256: the content hash of the dataset that the model learned from.
        data_note: what people must know of that data, such as "simulated shop"; shown wherever its lists are.
        git_commit: of the recipe's work tree; None outside git.
        recipe_sha256: of recipe.json.
        model: what is served.
        metrics: metric -> mean and interval on the test part.
        tolerance: two items whose scores differ by less may change places between ways of answering; relative above 1.
        index: what `bundle.index` measured while building; None where there is no index.
    """

    name: str = Field(min_length=1)
    created: str
    versions: Versions
    gpu_architectures: tuple[str, ...] = ()
    dataset_sha256: str
    data_note: str = ""
    git_commit: str | None = None
    recipe_sha256: str
    model: ModelAbout
    metrics: Mapping[str, Interval] = {}
    tolerance: float = Field(gt=0)
    index: dict[str, Any] | None = None


class Manifest(About):
    """The contract between `export` and everything that opens a bundle; see `About`.

    Attributes:
        format_version: of the folder's layout.
        files: path inside the bundle -> what the file must hold; every file but the manifest's own three.
    """

    format_version: Literal[1] = FORMAT_VERSION
    files: dict[str, FileInfo]


def manifest_bytes(manifest: Manifest) -> bytes:
    """Return the one way to write a manifest: keys in order, UTF-8, no NaN."""
    content = manifest.model_dump(mode="json")
    return (json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n").encode()


def digest_bytes(manifest: bytes) -> bytes:
    """Return what manifest.sha256 holds for these bytes."""
    return (hashlib.sha256(manifest).hexdigest() + "\n").encode()


def bundle_id(manifest: bytes) -> str:
    """Return the short name of a bundle: the first 12 digits of its manifest's SHA-256."""
    return hashlib.sha256(manifest).hexdigest()[:_ID_LENGTH]


def write_manifest(folder: Path, about: About, private_key: Path | None = None) -> Manifest:
    """Seal a folder: hash every file in it and write manifest, digest and, with a key, signature.

    Args:
        folder: everything that the bundle holds; earlier seals are replaced.
        about: what is said about it.
        private_key: PEM file of an Ed25519 key; None leaves the bundle unsigned.

    Returns:
        What was written.

    Raises:
        AisleError: E009 for something that is no plain file, E013 for a file that could only be opened by unpickling, E012 for
            a file without a key, E601 when the place cannot be written.
    """
    sizes = {path: size for path, size in plain_files(folder).items() if path not in SEALS}
    for path in sizes:
        check_path(path)
    files = {path: FileInfo(sha256=file_sha256(folder / path), size_bytes=sizes[path]) for path in sorted(sizes)}
    manifest = Manifest(**dict(about), files=files)
    content = manifest_bytes(manifest)
    signature = None if private_key is None else sign(content, private_key)
    write_atomic(folder / MANIFEST_NAME, content)
    write_atomic(folder / DIGEST_NAME, digest_bytes(content))
    (folder / SIGNATURE_NAME).unlink(missing_ok=True)
    if signature is not None:
        write_atomic(folder / SIGNATURE_NAME, signature)
    return manifest


def parse_manifest(content: bytes, where: Path) -> Manifest:
    """Read a manifest's bytes.

    Args:
        content: of manifest.json.
        where: its path, for messages.

    Raises:
        AisleError: E003 when it is no manifest, E004 for a format that this aisle does not read, E009 for paths that lead
            elsewhere.
    """
    try:
        raw = json.loads(content)
        version = raw["format_version"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise AisleError(f"{where} is no manifest of a bundle: {error!r}", hint=_HINT, code="E003") from error
    if type(version) is not int or version != FORMAT_VERSION:
        raise AisleError(
            f"{where} has format version {version!r}; this aisle reads version {FORMAT_VERSION}",
            hint="upgrade aisle, or export the run again with this version",
            code="E004",
        )
    try:
        manifest = Manifest.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise AisleError(f"{where} is damaged at '{place}': {first['msg']}", hint=_HINT, code="E003") from error
    for path in manifest.files:
        check_path(path)
    return manifest


def check_path(path: str) -> None:
    """Refuse a path that leads out of the bundle, or to something that only unpickling opens.

    Raises:
        AisleError: E009, E013.
    """
    pure = PurePosixPath(path)
    plain = str(pure) == path and not pure.is_absolute() and ".." not in pure.parts and not set(path) & {"\\", "\0"}
    if not plain or path in SEALS | {"."}:
        raise AisleError(
            f"the manifest names {path!r}, which is no file inside the bundle", hint="do not open this bundle", code="E009"
        )
    extra = pure.suffix.lower() in EXTRA_SUFFIXES
    if pure.suffix.lower() in PICKLE_SUFFIXES or extra != (pure.parts[0] == EXTRA_FOLDER):
        raise AisleError(
            f"{path} may not be there: {EXTRA_FOLDER}/ holds {', '.join(sorted(EXTRA_SUFFIXES))} files and nothing else does; "
            "what is opened by unpickling is in no bundle",
            hint="keep weights as safetensors, arrays as .npy, networks as .onnx",
            code="E013",
        )


def plain_files(folder: Path) -> dict[str, int]:
    """Return every file below: path inside the folder, with '/' -> bytes; an empty folder counts, as a path that ends in '/'.

    Raises:
        AisleError: E009 for a link, a device, or anything else that is neither file nor folder.
    """
    found: dict[str, int] = {}
    _collect(folder, "", found)
    return found


def _collect(folder: Path, prefix: str, found: dict[str, int]) -> None:
    with os.scandir(folder) as scan:
        entries = sorted(scan, key=lambda entry: entry.name)
    if not entries and prefix:
        found[prefix] = 0
    for entry in entries:
        path = prefix + entry.name
        if entry.is_dir(follow_symlinks=False):
            _collect(folder / entry.name, path + "/", found)
        elif entry.is_file(follow_symlinks=False):
            found[path] = entry.stat(follow_symlinks=False).st_size
        else:
            seen = f"a link to {os.readlink(entry.path)}" if entry.is_symlink() else "neither file nor folder"
            raise AisleError(f"{path} in the bundle is {seen}; expected plain files", hint=_HINT, code="E009")
