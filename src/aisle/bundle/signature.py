"""Ed25519 signatures of a bundle's manifest: who signed is known by a key that was shared beforehand, as a PEM file.

manifest.sig carries the signer's public key beside the signature. That lets a damaged signature be found by anybody; that the
bundle comes from whom one trusts is found only by giving the key that one expects.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from aisle.errors import AisleError
from aisle.storage.atomic import storage_errors, write_atomic

PUBLIC_SUFFIX = ".pub"
_ALGORITHM = "ed25519"
_HINT_KEY = "make a pair with aisle.bundle.signature.make_key, or with `openssl genpkey -algorithm ed25519`"
_HINT_SIGNED = "fetch the bundle again from where it was signed; do not open this one"


def make_key(path: Path) -> Path:
    """Make a pair of keys: the private one at `path`, readable by its owner only, the public one beside it.

    Args:
        path: where the private key goes; must not exist.

    Returns:
        The public key's file, `<path>.pub`.

    Raises:
        AisleError: E012 when there is a file already, E601 when the place cannot be written.
    """
    public = path.with_name(path.name + PUBLIC_SUFFIX)
    for file in (path, public):
        if file.exists():
            raise AisleError(f"{file} exists already", hint="choose another name: a key that is gone is gone", code="E012")
    private = Ed25519PrivateKey.generate()
    pem, no_password = serialization.Encoding.PEM, serialization.NoEncryption()
    with storage_errors(path):
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as written:
            written.write(private.private_bytes(pem, serialization.PrivateFormat.PKCS8, no_password))
    write_atomic(public, private.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo))
    return public


def sign(content: bytes, private_key: Path) -> bytes:
    """Return the bytes of a signature file for this content.

    Args:
        content: what is signed, the manifest's bytes.
        private_key: PEM file (PKCS#8, not encrypted).

    Raises:
        AisleError: E012 for a file that holds no such key.
    """
    key = _private_key(private_key)
    return _signature_file(key.public_key(), key.sign(content))


def verify(content: bytes, signature: bytes, where: Path, public_key: Path | None) -> None:
    """Refuse content that this signature file does not sign.

    Args:
        content: what was signed.
        signature: the bytes of the signature file.
        where: that file, for messages.
        public_key: PEM file of the key that is trusted; None checks only that signature and content belong together.

    Raises:
        AisleError: E011 when the signature is damaged, of other content, or by another key; E012 for a file without a key.
    """
    try:
        about = json.loads(signature)
        signer = Ed25519PublicKey.from_public_bytes(bytes.fromhex(about["public_key"]))
        signed = bytes.fromhex(about["signature"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise AisleError(f"{where} is no signature file: {error!r}", hint=_HINT_SIGNED, code="E011") from error
    if _signature_file(signer, signed) != signature:
        raise AisleError(f"{where} was altered: it is not as aisle writes it", hint=_HINT_SIGNED, code="E011")
    if public_key is not None:
        trusted = _public_key(public_key)
        if _hex(trusted) != _hex(signer):
            raise AisleError(
                f"{where} is signed by key {_hex(signer)[:16]}...; {public_key} is key {_hex(trusted)[:16]}...",
                hint=_HINT_SIGNED,
                code="E011",
            )
    try:
        signer.verify(signed, content)
    except InvalidSignature as error:
        raise AisleError(
            f"{where} does not sign this manifest: one of the two was changed afterwards", hint=_HINT_SIGNED, code="E011"
        ) from error


def _signature_file(signer: Ed25519PublicKey, signed: bytes) -> bytes:
    about = {"algorithm": _ALGORITHM, "public_key": _hex(signer), "signature": signed.hex()}
    return (json.dumps(about, indent=1, sort_keys=True) + "\n").encode()


def _hex(key: Ed25519PublicKey) -> str:
    return key.public_bytes_raw().hex()


def _private_key(path: Path) -> Ed25519PrivateKey:
    key = _load(path, lambda data: serialization.load_pem_private_key(data, password=None))
    return key if isinstance(key, Ed25519PrivateKey) else _not_ed25519(path, key)


def _public_key(path: Path) -> Ed25519PublicKey:
    key = _load(path, serialization.load_pem_public_key)
    return key if isinstance(key, Ed25519PublicKey) else _not_ed25519(path, key)


def _load(path: Path, load: Callable[[bytes], object]) -> object:
    try:
        return load(path.read_bytes())
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise AisleError(f"no key can be read from {path}: {error}", hint=_HINT_KEY, code="E012") from error


def _not_ed25519(path: Path, key: object) -> NoReturn:
    raise AisleError(f"{path} holds a {type(key).__name__.strip('_')}; expected an Ed25519 key", hint=_HINT_KEY, code="E012")
