"""What made a bundle: the versions that a machine can hold against another machine."""

from __future__ import annotations

import importlib.metadata
import json
import platform
from pathlib import Path

import numpy as np
import torch

from aisle.export.graph import IR_VERSION

_PACKAGES = ("onnx", "onnxruntime", "safetensors")


def versions(model: Path) -> dict[str, str | int | None]:
    """Return the versions that a manifest names, besides aisle's own.

    Args:
        model: the bundle's model/, whose scorers say which ONNX operators they need.
    """
    cudnn = torch.backends.cudnn.version() if torch.backends.cudnn.is_available() else None  # type: ignore[no-untyped-call]
    found: dict[str, str | int | None] = {name: _installed(name) for name in _PACKAGES}
    opsets = [about["opset"] for about in _scorers(model) if about.get("opset")]
    return {
        **found,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "cudnn": None if cudnn is None else f"{cudnn // 10_000}.{cudnn % 10_000 // 100}.{cudnn % 100}",
        "onnx_opset": max(opsets, default=None),
        "onnx_ir_version": IR_VERSION if opsets else None,
        "faiss": _installed("faiss-cpu") or _installed("faiss-gpu"),
    }


def architectures() -> tuple[str, ...]:
    """Return the GPU architectures that this torch has code for; none for a CPU build."""
    return tuple(torch.cuda.get_arch_list())


def _scorers(model: Path) -> list[dict[str, int]]:
    return [json.loads(path.read_text()) for path in sorted(model.rglob("scorer.json"))]


def _installed(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
