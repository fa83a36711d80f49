"""A small folder that looks like a bundle, for tests of what seals one: any files, and a manifest over them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from aisle.bundle.manifest import About, Manifest, ModelAbout, Versions, write_manifest

FILES = ("recipe.json", "metrics.json", "environment.json", "golden.json", "ids/users.npy", "ids/items.npy", "model/scorer.json")


def about(**changed: object) -> About:
    whole: dict[str, object] = {
        "name": "shop-ncf",
        "created": "2026-11-23T22:00:00Z",
        "versions": Versions(aisle="0.4.0", python="3.11.9", numpy="2.1.0", torch="2.13.0+cpu", onnx_opset=18),
        "dataset_sha256": "d" * 64,
        "recipe_sha256": "e" * 64,
        "model": ModelAbout(recipe="ncf", kind="ncf", scorer="pairs", n_users=3, n_items=4),
        "metrics": {"ndcg@10": {"mean": 0.11, "low": 0.1, "high": 0.12}},
        "tolerance": 1e-5,
    }
    return About.model_validate(whole | changed)


def fill(folder: Path, *, extra: bool = True) -> None:
    """Write the files of a bundle, without its seals."""
    for number, name in enumerate(FILES):
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.suffix == ".npy":
            np.save(file, np.arange(100 + number))
        else:
            file.write_text(f'{{"file": {number}}}\n')
    if extra:
        (folder / "extras").mkdir()
        (folder / "extras" / "model.pt2").write_bytes(b"a torch.export program would be here")


def seal(folder: Path, private_key: Path | None = None) -> Manifest:
    """Fill and seal a folder."""
    fill(folder)
    return write_manifest(folder, about(), private_key)
