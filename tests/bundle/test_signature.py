"""A signature tells the holder of the right key from everybody else."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key

from aisle.bundle.signature import make_key, sign, verify
from aisle.errors import AisleError

SIGNATURE = Path("manifest.sig")


@pytest.fixture
def key(tmp_path: Path) -> Path:
    make_key(tmp_path / "key")
    return tmp_path / "key"


def test_what_was_signed_is_accepted_with_its_key_and_without(key: Path) -> None:
    signature = sign(b"content", key)
    verify(b"content", signature, SIGNATURE, key.with_name("key.pub"))
    verify(b"content", signature, SIGNATURE, None)


def test_other_content_is_refused_even_without_a_key(key: Path) -> None:
    for public in (key.with_name("key.pub"), None):
        with pytest.raises(AisleError, match="does not sign this manifest") as caught:
            verify(b"contents", sign(b"content", key), SIGNATURE, public)
        assert caught.value.code == "E011"


def test_another_signer_is_refused_by_the_key_that_is_trusted(key: Path) -> None:
    make_key(key.with_name("thief"))
    forged = sign(b"content", key.with_name("thief"))
    verify(b"content", forged, SIGNATURE, None)  # a signature alone says nothing about who: only a key does
    with pytest.raises(AisleError, match=r"is signed by key .*key\.pub is key") as caught:
        verify(b"content", forged, SIGNATURE, key.with_name("key.pub"))
    assert caught.value.code == "E011"


def test_every_altered_byte_of_a_signature_file_is_refused(key: Path) -> None:
    signature = sign(b"content", key)
    for place in range(len(signature)):
        altered = bytearray(signature)
        altered[place] ^= 1
        with pytest.raises(AisleError) as caught:
            verify(b"content", bytes(altered), SIGNATURE, None)
        assert caught.value.code == "E011"


@pytest.mark.parametrize("signature", [b"", b"{}", b"null", b"[" * 100_000, b'{"public_key": "zz", "signature": ""}'])
def test_a_file_that_is_no_signature_is_refused(signature: bytes) -> None:
    with pytest.raises(AisleError, match="is no signature file") as caught:
        verify(b"content", signature, SIGNATURE, None)
    assert caught.value.code == "E011"


def test_a_private_key_is_its_owners_and_is_never_replaced(key: Path) -> None:
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    with pytest.raises(AisleError, match="exists already") as caught:
        make_key(key)
    assert caught.value.code == "E012"


def test_a_file_without_such_a_key_is_refused(key: Path) -> None:
    other = generate_private_key(SECP256R1()).public_key()
    pem = other.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    key.with_name("other.pub").write_bytes(pem)
    key.with_name("words.pub").write_text("no key")
    signature = sign(b"content", key)
    for name, words in (("other.pub", "expected an Ed25519 key"), ("words.pub", "no key can be read"), ("none", "No such file")):
        with pytest.raises(AisleError, match=words) as caught:
            verify(b"content", signature, SIGNATURE, key.with_name(name))
        assert caught.value.code == "E012"
    with pytest.raises(AisleError, match="no key can be read"):
        sign(b"content", key.with_name("key.pub"))
