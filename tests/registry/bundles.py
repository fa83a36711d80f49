"""Small folders that are bundles as far as a registry looks: files under a manifest."""

from __future__ import annotations

from pathlib import Path

from aisle.bundle.manifest import MANIFEST_NAME, SIGNATURE_NAME, About, ModelAbout, Versions, bundle_id, write_manifest
from aisle.bundle.signature import sign


def make_bundle(folder: Path, name: str = "shop", *, content: str = "1", key: Path | None = None) -> str:
    """Write a bundle with two files and return its id; another name or content is another bundle."""
    (folder / "model").mkdir(parents=True)
    (folder / "model" / "scorer.json").write_text(content)
    (folder / "recipe.json").write_text("{}")
    about = About(
        name=name,
        created="2026-11-23T00:00:00+00:00",
        versions=Versions(aisle="1", python="3.11", numpy="2"),
        dataset_sha256="d" * 64,
        recipe_sha256="e" * 64,
        model=ModelAbout(recipe="popularity", kind="popularity", scorer="counted", n_users=1, n_items=1),
        tolerance=1e-4,
    )
    write_manifest(folder, about, key)
    return bundle_id((folder / "manifest.json").read_bytes())


def sign_later(folder: Path, key: Path) -> None:
    """Sign a bundle that was made without: the manifest stays as it is."""
    (folder / SIGNATURE_NAME).write_bytes(sign((folder / MANIFEST_NAME).read_bytes(), key))
