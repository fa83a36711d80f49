"""What the torch here was built for, read from its files: importing it is slow, and impossible where it is broken."""

from __future__ import annotations

import ast
import importlib.metadata
import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path

# The name of NVIDIA's package ends with the major version of CUDA.
_CUDNN_PACKAGE = "nvidia-cudnn-cu"
_CUDNN_HEADERS = ("/usr/include", "/usr/include/x86_64-linux-gnu", "/usr/include/aarch64-linux-gnu", "/usr/local/cuda/include")
_CUDNN_PARTS = ("CUDNN_MAJOR", "CUDNN_MINOR", "CUDNN_PATCHLEVEL")


def torch_build() -> dict[str, str | None]:
    """Return version, CUDA and cuDNN of the torch that `import torch` would find, and what its package says of itself.

    Returns:
        version: from torch/version.py; None where there is no torch, or no such file in it.
        cuda: that it was built for; None for a CPU build.
        cudnn: of NVIDIA's package for that CUDA, or of the system; None where there is none or none is needed.
        package: the version that the installed package claims; another one than `version` means a damaged installation.
    """
    written = _version_file()
    cuda = written.get("cuda")
    return {
        "version": written.get("__version__"),
        "cuda": cuda,
        "cudnn": None if cuda is None else _cudnn(cuda.split(".", maxsplit=1)[0]),
        "package": _package("torch"),
    }


def torch_origin() -> Path | None:
    """Return the file that `import torch` would run; None where there is none, or a hook on imports refuses to say."""
    try:
        spec = importlib.util.find_spec("torch")
    except (ImportError, ValueError):
        return None
    return Path(spec.origin) if spec is not None and spec.origin is not None else None


def _version_file() -> dict[str, str | None]:
    """Return the texts that torch/version.py assigns; nothing where there is no torch, or it is broken that far."""
    origin = torch_origin()
    if origin is None:
        return {}
    try:
        tree = ast.parse((origin.parent / "version.py").read_text())
    except (OSError, SyntaxError, ValueError):
        return {}
    return dict(_texts(tree))


def _texts(tree: ast.Module) -> Iterator[tuple[str, str | None]]:
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        value = getattr(node, "value", None)
        if isinstance(value, ast.Constant) and (value.value is None or isinstance(value.value, str)):
            yield from ((target.id, value.value) for target in targets if isinstance(target, ast.Name))


def _cudnn(cuda_major: str) -> str | None:
    """A wheel loads the cuDNN of NVIDIA's package where there is one, and the system's elsewhere."""
    named = _package(_CUDNN_PACKAGE + cuda_major)
    folders = [Path(folder) for folder in _CUDNN_HEADERS] + [Path(sys.prefix) / "include"]
    return next((version for version in [named, *map(_cudnn_header, folders)] if version), None)


def _cudnn_header(folder: Path) -> str | None:
    file = folder / "cudnn_version.h"
    if not file.is_file():
        return None
    numbers = dict(re.findall(r"^#define (CUDNN_\w+) (\d+)", file.read_text(errors="replace"), re.MULTILINE))
    return ".".join(numbers[part] for part in _CUDNN_PARTS) if all(part in numbers for part in _CUDNN_PARTS) else None


def _package(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
