"""A manifest names every byte of the bundle, is the same for the same inputs, and is refused by name when it is none."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from aisle.bundle.manifest import (
    DIGEST_NAME,
    MANIFEST_NAME,
    SIGNATURE_NAME,
    bundle_id,
    check_path,
    digest_bytes,
    manifest_bytes,
    parse_manifest,
    write_manifest,
)
from aisle.bundle.signature import make_key
from aisle.errors import AisleError
from tests.bundle.sealed import FILES, about, fill, seal


def test_every_file_is_there_with_its_hash_and_size(tmp_path: Path) -> None:
    manifest = seal(tmp_path / "bundle")
    assert set(manifest.files) == {*FILES, "extras/model.pt2"}
    content = (tmp_path / "bundle" / "ids" / "items.npy").read_bytes()
    assert manifest.files["ids/items.npy"].sha256 == hashlib.sha256(content).hexdigest()
    assert manifest.files["ids/items.npy"].size_bytes == len(content)


def test_the_digest_is_that_of_the_manifests_bytes_and_names_the_bundle(tmp_path: Path) -> None:
    seal(tmp_path)
    content = (tmp_path / MANIFEST_NAME).read_bytes()
    assert (tmp_path / DIGEST_NAME).read_text() == hashlib.sha256(content).hexdigest() + "\n"
    assert bundle_id(content) == hashlib.sha256(content).hexdigest()[:12]


def test_the_same_files_and_facts_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        seal(tmp_path / name)
    assert (tmp_path / "one" / MANIFEST_NAME).read_bytes() == (tmp_path / "two" / MANIFEST_NAME).read_bytes()


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    written = seal(tmp_path)
    assert parse_manifest((tmp_path / MANIFEST_NAME).read_bytes(), tmp_path) == written
    assert written.metrics["ndcg@10"].high == 0.12


def test_sealing_again_replaces_the_seals_and_drops_an_old_signature(tmp_path: Path) -> None:
    make_key(tmp_path / "key")
    first = seal(tmp_path / "bundle", tmp_path / "key")
    assert (tmp_path / "bundle" / SIGNATURE_NAME).exists()
    assert write_manifest(tmp_path / "bundle", about()) == first
    assert not (tmp_path / "bundle" / SIGNATURE_NAME).exists()


@pytest.mark.parametrize("name", ["model/weights.pkl", "model/weights.pt", "model/model.pt2", "extras/notes.txt"])
def test_what_only_unpickling_opens_is_never_sealed(name: str, tmp_path: Path) -> None:
    fill(tmp_path)
    (tmp_path / name).write_bytes(b"?")
    with pytest.raises(AisleError, match=name) as caught:
        write_manifest(tmp_path, about())
    assert caught.value.code == "E013"


def test_links_and_empty_folders_are_never_sealed(tmp_path: Path) -> None:
    fill(tmp_path)
    (tmp_path / "link").symlink_to("recipe.json")
    with pytest.raises(AisleError, match=r"link in the bundle is a link to recipe\.json"):
        write_manifest(tmp_path, about())
    (tmp_path / "link").unlink()
    (tmp_path / "empty").mkdir()
    with pytest.raises(AisleError, match="empty/"):
        write_manifest(tmp_path, about())


@pytest.mark.parametrize("path", ["../x", "a/../../x", "/etc/passwd", "a//b", "./a", "a/", ".", "", "a\\b", "a\0", MANIFEST_NAME])
def test_a_path_that_leads_elsewhere_is_refused(path: str) -> None:
    with pytest.raises(AisleError) as caught:
        check_path(path)
    assert caught.value.code == "E009"


CHANGES: dict[str, tuple[dict[str, Any], str]] = {
    "a newer format": ({"format_version": 2}, "E004"),
    "an older format": ({"format_version": 0}, "E004"),
    "a format that is a word": ({"format_version": "1"}, "E004"),
    "a format that is true": ({"format_version": True}, "E004"),
    "an unknown field": ({"run_this": "rm"}, "E003"),
    "a hash that is none": ({"files": {"a": {"sha256": "0" * 63, "size_bytes": 1}}}, "E003"),
    "a size below 0": ({"files": {"a": {"sha256": "0" * 64, "size_bytes": -1}}}, "E003"),
    "a tolerance of 0": ({"tolerance": 0}, "E003"),
    "versions without aisle": ({"versions": {"python": "3.11", "numpy": "2"}}, "E003"),
    "a path outside": ({"files": {"../../x": {"sha256": "0" * 64, "size_bytes": 1}}}, "E009"),
    "a pickle": ({"files": {"model/a.pkl": {"sha256": "0" * 64, "size_bytes": 1}}}, "E013"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_manifest_that_is_none_is_refused_by_name(change: str, tmp_path: Path) -> None:
    fields, code = CHANGES[change]
    raw = json.loads(manifest_bytes(seal(tmp_path))) | fields
    with pytest.raises(AisleError) as caught:
        parse_manifest(json.dumps(raw).encode(), Path("manifest.json"))
    assert caught.value.code == code


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000, b'{"format_version": 1}'])
def test_bytes_that_are_no_manifest_are_refused(content: bytes) -> None:
    with pytest.raises(AisleError) as caught:
        parse_manifest(content, Path("manifest.json"))
    assert caught.value.code == "E003"


def test_a_metric_that_is_no_number_is_never_written() -> None:
    with pytest.raises(ValidationError, match="finite"):
        about(metrics={"ndcg@10": {"mean": float("nan")}})


def test_the_digest_has_one_form() -> None:
    assert digest_bytes(b"x") == hashlib.sha256(b"x").hexdigest().encode() + b"\n"
