"""Is this folder the bundle that was exported: the manifest first, then every file's name, size and hash.

The order is that of trust: digest and signature are checked over the manifest's bytes before anything in it is believed, names
and sizes of all files before the first is hashed. Nothing but the manifest's three files is parsed here.
"""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path

from aisle.bundle.manifest import (
    DIGEST_NAME,
    EXTRA_FOLDER,
    MANIFEST_NAME,
    SEALS,
    SIGNATURE_NAME,
    FileInfo,
    Manifest,
    digest_bytes,
    parse_manifest,
    plain_files,
)
from aisle.bundle.signature import verify
from aisle.errors import AisleError
from aisle.storage.arrays import file_sha256

_HINT = "fetch the bundle again from where it was published, or export it again"
_MAX_SEAL_BYTES = 64 << 20  # a manifest of a hundred thousand files; more is no manifest


def check_bundle(folder: Path, public_key: Path | None = None) -> Manifest:
    """Refuse a bundle that is not, byte by byte, what was exported.

    Args:
        folder: the bundle.
        public_key: PEM file of the Ed25519 key that must have signed it; None takes unsigned bundles too.

    Returns:
        What the bundle says of itself.

    Raises:
        AisleError: E001 no bundle or no manifest, E002 manifest altered, E003 no manifest, E004 another format version, E005 file
            missing, E006 altered, E007 truncated or grown, E008 extra, E009 a link or a path that leads elsewhere, E010 not
            signed, E011 signed wrongly, E012 no key, E013 a file that only unpickling opens.
    """
    manifest = check_seals(folder, public_key)
    sizes = {path: size for path, size in plain_files(folder).items() if path not in SEALS}
    _check_names(folder, manifest.files, sizes)
    for path, info in manifest.files.items():
        if sizes[path] != info.size_bytes:
            raise AisleError(
                f"{path} in the bundle has {sizes[path]:,} bytes; its manifest says {info.size_bytes:,}", hint=_HINT, code="E007"
            )
    for path, info in manifest.files.items():
        _check_hash(path, file_sha256(folder / path), info)
    return manifest


def open_extra(folder: Path, name: str, public_key: Path) -> bytes:
    """Return the bytes of an extra, such as a `torch.export` program, from a signed bundle.

    Opening such a file can unpickle, that is, run what it says; so there is no way to get one without the key of whom one
    trusts. What is returned is what was hashed: the file is read once.

    Args:
        folder: the bundle.
        name: file inside extras/, such as "model.pt2".
        public_key: PEM file of the Ed25519 key that must have signed the bundle.

    Raises:
        AisleError: as `check_bundle` does for the manifest, its digest and signature; E005 when there is no such extra, E006
            and E007 when it was altered.
    """
    manifest = check_seals(folder, public_key)
    path = f"{EXTRA_FOLDER}/{name}"
    info = manifest.files.get(path)
    if info is None:
        extras = ", ".join(known for known in manifest.files if known.startswith(EXTRA_FOLDER + "/")) or "none"
        raise AisleError(f"no {path} in this bundle; its extras: {extras}", hint="export with that extra", code="E005")
    if path not in plain_files(folder):
        raise AisleError(f"{path} is missing from the bundle", hint=_HINT, code="E005")
    content = (folder / path).read_bytes()
    _check_hash(path, hashlib.sha256(content).hexdigest(), info)
    return content


def check_seals(folder: Path, public_key: Path | None) -> Manifest:
    """Refuse a bundle whose manifest, digest and signature do not belong together; its other files are not looked at.

    Args:
        folder: the bundle, or as much of it as its three seals.
        public_key: PEM file of the Ed25519 key that must have signed it; None takes unsigned bundles too.

    Raises:
        AisleError: those of `check_bundle` that concern the manifest.
    """
    if not folder.is_dir():
        raise AisleError(f"no bundle at {folder}: there is no such folder", hint="make one with `aisle export`", code="E001")
    content = _seal(folder, MANIFEST_NAME)
    if content is None:
        raise AisleError(f"no bundle at {folder}: it has no {MANIFEST_NAME}", hint="make one with `aisle export`", code="E001")
    digest = _seal(folder, DIGEST_NAME)
    if digest is None:
        raise AisleError(f"{DIGEST_NAME} is missing from the bundle", hint=_HINT, code="E002")
    if not hmac.compare_digest(digest, digest_bytes(content)):
        raise AisleError(
            f"{MANIFEST_NAME} was altered: its SHA-256 is {digest_bytes(content).decode().strip()}; "
            f"{DIGEST_NAME} says {digest[:64].decode(errors='replace')!r}",
            hint=_HINT,
            code="E002",
        )
    signature = _seal(folder, SIGNATURE_NAME)
    if signature is not None:
        verify(content, signature, folder / SIGNATURE_NAME, public_key)
    elif public_key is not None:
        raise AisleError(
            f"the bundle has no {SIGNATURE_NAME}, and {public_key} is given to check it",
            hint="take a signed bundle, or leave the key out to take this one on its digest alone",
            code="E010",
        )
    return parse_manifest(content, folder / MANIFEST_NAME)


def _seal(folder: Path, name: str) -> bytes | None:
    """Return the bytes of one of the manifest's files; None where there is nothing of that name."""
    path = folder / name
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise AisleError(f"{name} in the bundle is no plain file", hint=_HINT, code="E009")
    if not path.exists():
        return None
    if (size := path.stat().st_size) > _MAX_SEAL_BYTES:
        raise AisleError(f"{name} has {size:,} bytes; no manifest has more than {_MAX_SEAL_BYTES:,}", hint=_HINT, code="E003")
    return path.read_bytes()


def _check_names(folder: Path, files: dict[str, FileInfo], sizes: dict[str, int]) -> None:
    if folders := [path for path in files if path not in sizes and (folder / path).is_dir()]:
        raise AisleError(f"{_several(folders)} a folder; the manifest says that it is a file", hint=_HINT, code="E009")
    if missing := [path for path in files if path not in sizes]:
        raise AisleError(f"{_several(missing)} missing from the bundle", hint=_HINT, code="E005")
    if extra := [path for path in sizes if path not in files]:
        raise AisleError(f"{_several(extra)} in the bundle's folder but not in its manifest", hint=_HINT, code="E008")


def _several(paths: list[str]) -> str:
    shown = ", ".join(paths[:5]) + (f" and {len(paths) - 5:,} more" if len(paths) > 5 else "")
    return f"{shown} {'is' if len(paths) == 1 else 'are'}"


def _check_hash(path: str, seen: str, info: FileInfo) -> None:
    if seen != info.sha256:
        raise AisleError(
            f"{path} in the bundle was altered: its SHA-256 is {seen}; its manifest says {info.sha256}", hint=_HINT, code="E006"
        )
