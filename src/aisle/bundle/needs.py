"""What a bundle asks of the machine that is to run it, read from its manifest."""

from __future__ import annotations

from typing import Literal

from aisle.bundle.manifest import EXTRA_FOLDER, Manifest
from aisle.doctor.wanted import Wanted

_OF_FAISS = ("hnsw", "ivf")


def wanted_of(manifest: Manifest, purpose: Literal["serve", "torch"] = "serve") -> Wanted:
    """Return what a bundle asks for.

    Args:
        manifest: of the bundle.
        purpose: "serve" needs no torch; "torch" also holds the torch that is there against the one that made the bundle.
    """
    made = manifest.versions
    of_faiss = manifest.index is not None and manifest.index.get("kind") in _OF_FAISS
    return Wanted(
        purpose=purpose,
        aisle=made.aisle,
        onnx_opset=made.onnx_opset,
        onnx_ir_version=made.onnx_ir_version,
        faiss=made.faiss if of_faiss else None,
        torch=made.torch,
        cuda=made.cuda,
        cudnn=made.cudnn,
        architectures=manifest.gpu_architectures,
        extras=any(path.startswith(EXTRA_FOLDER + "/") for path in manifest.files),
    )
