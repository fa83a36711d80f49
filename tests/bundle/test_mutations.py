"""Whatever is changed in a bundle, it is refused, and the message names what was changed. None is accepted."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from aisle.bundle.check import check_bundle
from aisle.bundle.manifest import DIGEST_NAME, MANIFEST_NAME, SIGNATURE_NAME, digest_bytes, parse_manifest, write_manifest
from aisle.bundle.signature import make_key
from aisle.errors import AisleError
from tests.bundle.sealed import FILES, about, fill

SEALED = (*FILES, "extras/model.pt2")
SEALS = {MANIFEST_NAME: "E002", DIGEST_NAME: "E002", SIGNATURE_NAME: "E011"}


@dataclass(frozen=True)
class Mutation:
    """What is done to a bundle, and what must be said of it."""

    do: Callable[[Path], None]
    code: str
    named: str


def flip(name: str, place: float) -> Callable[[Path], None]:
    """Change one byte: 0.0 is the first of the file, 1.0 the last."""

    def do(bundle: Path) -> None:
        content = bytearray((bundle / name).read_bytes())
        content[int(place * (len(content) - 1))] ^= 1
        (bundle / name).write_bytes(content)

    return do


def cut(name: str, size: int) -> Callable[[Path], None]:
    """Cut bytes off the end; a negative size adds some."""

    def do(bundle: Path) -> None:
        content = (bundle / name).read_bytes()
        (bundle / name).write_bytes(content[:-size] if size > 0 else content + b" " * -size)

    return do


def remove(name: str) -> Callable[[Path], None]:
    def do(bundle: Path) -> None:
        (bundle / name).unlink()

    return do


def add(name: str) -> Callable[[Path], None]:
    def do(bundle: Path) -> None:
        (bundle / name).parent.mkdir(parents=True, exist_ok=True)
        (bundle / name).write_bytes(b"")

    return do


def link(name: str, target: str) -> Callable[[Path], None]:
    """Put a link in a file's place, to a copy with the same bytes where target is "copy"."""

    def do(bundle: Path) -> None:
        elsewhere = bundle.parent / "elsewhere"
        shutil.copyfile(bundle / name, elsewhere)
        (bundle / name).unlink()
        (bundle / name).symlink_to(elsewhere if target == "copy" else target)

    return do


def link_folder(bundle: Path) -> None:
    shutil.move(bundle / "ids", bundle.parent / "ids")
    (bundle / "ids").symlink_to(bundle.parent / "ids")


def folder_for_file(bundle: Path) -> None:
    (bundle / "recipe.json").unlink()
    (bundle / "recipe.json").mkdir()


def pipe_for_file(bundle: Path) -> None:
    (bundle / "recipe.json").unlink()
    os.mkfifo(bundle / "recipe.json")


def rename(bundle: Path) -> None:
    (bundle / "golden.json").rename(bundle / "gold.json")


def swap(bundle: Path) -> None:
    """Two files change places: every byte is still there."""
    one, other = bundle / "recipe.json", bundle / "metrics.json"
    one.rename(bundle / "between")
    other.rename(one)
    (bundle / "between").rename(other)


def retell(sealed: bool, **fields: object) -> Callable[[Path], None]:
    """Change fields of the manifest; with `sealed` its digest is made to match."""

    def do(bundle: Path) -> None:
        raw = json.loads((bundle / MANIFEST_NAME).read_text())
        for name, value in fields.items():
            raw[name] = {**raw[name], **value} if isinstance(value, dict) else value
        content = (json.dumps(raw, indent=1, sort_keys=True) + "\n").encode()
        (bundle / MANIFEST_NAME).write_bytes(content)
        if sealed:
            (bundle / DIGEST_NAME).write_bytes(digest_bytes(content))

    return do


def rewrite(bundle: Path) -> None:
    """A thief alters a file and seals the folder again with everything matching, but has no key: the signature stays."""
    signature = (bundle / SIGNATURE_NAME).read_bytes()
    (bundle / "model" / "scorer.json").write_text('{"kind": "theirs"}')
    write_manifest(bundle, about())
    (bundle / SIGNATURE_NAME).write_bytes(signature)


def rewrite_without_signature(bundle: Path) -> None:
    (bundle / "model" / "scorer.json").write_text('{"kind": "theirs"}')
    write_manifest(bundle, about())


def rewrite_with_own_key(bundle: Path) -> None:
    make_key(bundle.parent / "thief")
    (bundle / "model" / "scorer.json").write_text('{"kind": "theirs"}')
    write_manifest(bundle, about(), bundle.parent / "thief")


OUTSIDE = {"files": {"../key": {"sha256": "0" * 64, "size_bytes": 1}}}

# What is found without knowing who signed.
ANYBODY = {
    **{f"{name}: byte at {place:.0%}": Mutation(flip(name, place), "E006", name) for name in SEALED for place in (0, 0.5, 1)},
    **{f"{name}: removed": Mutation(remove(name), "E005", name) for name in SEALED},
    **{f"{name}: cut by 1": Mutation(cut(name, 1), "E007", name) for name in SEALED},
    **{f"{name}: emptied": Mutation(cut(name, 1 << 20), "E007", name) for name in SEALED},
    **{f"{name}: grown by 1": Mutation(cut(name, -1), "E007", name) for name in SEALED},
    **{f"{name}: first byte": Mutation(flip(name, 0), code, name) for name, code in SEALS.items()},
    **{f"{name}: a byte within": Mutation(flip(name, 0.5), code, name) for name, code in SEALS.items()},
    **{f"{name}: last byte": Mutation(flip(name, 1), code, name) for name, code in SEALS.items()},
    **{f"{name}: cut by 1": Mutation(cut(name, 1), code, name) for name, code in SEALS.items()},
    **{f"{name}: grown by 1": Mutation(cut(name, -1), code, name) for name, code in SEALS.items()},
    **{f"{name}: emptied": Mutation(cut(name, 1 << 20), code, name) for name, code in SEALS.items()},
    f"{MANIFEST_NAME}: removed": Mutation(remove(MANIFEST_NAME), "E001", MANIFEST_NAME),
    f"{DIGEST_NAME}: removed": Mutation(remove(DIGEST_NAME), "E002", DIGEST_NAME),
    "added: a file": Mutation(add("notes.txt"), "E008", "notes.txt"),
    "added: a file deep down": Mutation(add("model/parts/0/more.npy"), "E008", "model/parts/0/more.npy"),
    "added: a hidden file": Mutation(add(".hidden"), "E008", ".hidden"),
    "added: a pickle": Mutation(add("model/weights.pkl"), "E008", "model/weights.pkl"),
    "added: an empty folder": Mutation(lambda bundle: (bundle / "new").mkdir(), "E008", "new/"),
    "added: a link": Mutation(lambda bundle: (bundle / "passwd").symlink_to("/etc/passwd"), "E009", "passwd"),
    "linked: a file, to the same bytes": Mutation(link("ids/items.npy", "copy"), "E009", "ids/items.npy"),
    "linked: a file, to nothing": Mutation(link("ids/items.npy", "../nothing"), "E009", "ids/items.npy"),
    "linked: the manifest, to the same bytes": Mutation(link(MANIFEST_NAME, "copy"), "E009", MANIFEST_NAME),
    "linked: a folder, to the same files": Mutation(link_folder, "E009", "ids"),
    "a folder for a file": Mutation(folder_for_file, "E009", "recipe.json"),
    "a pipe for a file": Mutation(pipe_for_file, "E009", "recipe.json"),
    "two files change places": Mutation(swap, "E006", "json"),
    "a file is renamed": Mutation(rename, "E005", "golden.json"),
    "versions changed": Mutation(retell(False, versions={"torch": "2.14.0"}), "E002", MANIFEST_NAME),
    "format newer": Mutation(retell(False, format_version=2), "E002", MANIFEST_NAME),
    "tolerance widened": Mutation(retell(False, tolerance=9.0), "E002", MANIFEST_NAME),
    "format newer, digest too, signature left": Mutation(retell(True, format_version=2), "E011", SIGNATURE_NAME),
    "versions changed, digest too, signature left": Mutation(retell(True, versions={"aisle": "9"}), "E011", SIGNATURE_NAME),
    "rewritten to match altered files, signature left": Mutation(rewrite, "E011", SIGNATURE_NAME),
}  # fmt: skip
# What the trusted key finds on top.
BY_KEY = {
    f"{SIGNATURE_NAME}: removed": Mutation(remove(SIGNATURE_NAME), "E010", SIGNATURE_NAME),
    "rewritten to match altered files, signature dropped": Mutation(rewrite_without_signature, "E010", SIGNATURE_NAME),
    "rewritten to match altered files, signed by another": Mutation(rewrite_with_own_key, "E011", SIGNATURE_NAME),
}


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("signed")
    public = make_key(folder / "key")
    fill(folder / "bundle")
    write_manifest(folder / "bundle", about(), folder / "key")
    return folder / "bundle", public


@pytest.mark.parametrize("name", ANYBODY)
@pytest.mark.parametrize("keyed", [False, True], ids=["without key", "with key"])
def test_a_changed_bundle_is_refused_by_name(name: str, keyed: bool, signed: tuple[Path, Path], tmp_path: Path) -> None:
    _refused(ANYBODY[name], signed[0], signed[1] if keyed else None, tmp_path)


@pytest.mark.parametrize("name", BY_KEY)
def test_a_forged_bundle_is_refused_where_the_key_is_known(name: str, signed: tuple[Path, Path], tmp_path: Path) -> None:
    _refused(BY_KEY[name], *signed, tmp_path)


def _refused(mutation: Mutation, whole: Path, key: Path | None, place: Path) -> None:
    bundle = place / "bundle"
    shutil.copytree(whole, bundle)
    check_bundle(bundle, key)
    mutation.do(bundle)
    with pytest.raises(AisleError) as caught:
        check_bundle(bundle, key)
    assert caught.value.code == mutation.code
    assert mutation.named in caught.value.message


@pytest.mark.parametrize(
    ("change", "code", "named"),
    [
        ({"format_version": 2}, "E004", "format version 2"),
        ({"format_version": 99}, "E004", "format version 99"),
        ({"unknown": 1}, "E003", "unknown"),
        (OUTSIDE, "E009", "../key"),
    ],
)
def test_an_unsigned_manifest_with_a_matching_digest_is_still_judged(
    change: dict[str, object], code: str, named: str, tmp_path: Path
) -> None:
    fill(tmp_path)
    write_manifest(tmp_path, about())
    retell(True, **change)(tmp_path)
    with pytest.raises(AisleError, match=named) as caught:
        check_bundle(tmp_path)
    assert caught.value.code == code


def test_at_least_thirty_ways_are_tried() -> None:
    assert len(ANYBODY) + len(BY_KEY) >= 30


def test_every_byte_of_the_manifest_counts(tmp_path: Path) -> None:
    fill(tmp_path, extra=False)
    write_manifest(tmp_path, about())
    content = (tmp_path / MANIFEST_NAME).read_bytes()
    parse_manifest(content, tmp_path)
    for place in range(len(content)):
        (tmp_path / MANIFEST_NAME).write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        with pytest.raises(AisleError, match="altered"):
            check_bundle(tmp_path)


def test_every_file_of_an_exported_bundle_counts(exported_bundle: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    shutil.copytree(exported_bundle, bundle)
    names = [path for path in check_bundle(bundle).files if (bundle / path).stat().st_size]
    assert {"golden.json", "model/scorer.json"} <= set(names)
    for name in names:
        content = (bundle / name).read_bytes()
        for change, code in ((flip(name, 0.5), "E006"), (cut(name, 1), "E007"), (remove(name), "E005")):
            change(bundle)
            with pytest.raises(AisleError) as caught:
                check_bundle(bundle)
            assert (caught.value.code, name in caught.value.message) == (code, True)
            (bundle / name).write_bytes(content)
    check_bundle(bundle)
