"""What torch was built for is read from its files: also of a torch that cannot be imported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from aisle.environment import torch_build as module
from aisle.environment.torch_build import torch_build

CUDA_BUILD = """from typing import Optional
__version__ = '2.13.0+cu130'
debug = False
cuda: Optional[str] = '13.0'
hip: Optional[str] = None
"""


def installed(
    folder: Path, version_file: str | None, *, package: str | None = None, cudnn: str | None = None
) -> dict[str, str | None]:
    """Make a torch that raises when it is imported, put it first on the path, and ask in a process of its own."""
    (folder / "torch").mkdir(parents=True)
    (folder / "torch" / "__init__.py").write_text("raise ImportError('libcudart.so.13: cannot open shared object file')")
    if version_file is not None:
        (folder / "torch" / "version.py").write_text(version_file)
    for name, version in (("torch", package), ("nvidia_cudnn_cu13", cudnn)):
        if version is not None:
            (folder / f"{name}-{version}.dist-info").mkdir()
            (folder / f"{name}-{version}.dist-info" / "METADATA").write_text(
                f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
            )
    code = "import json; from aisle.environment.torch_build import torch_build; print(json.dumps(torch_build()))"
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    found: dict[str, str | None] = json.loads(done.stdout)
    return found


def test_a_broken_torch_still_says_what_it_is(tmp_path: Path) -> None:
    found = installed(tmp_path, CUDA_BUILD, package="2.13.0", cudnn="9.20.0.48")
    assert found == {"version": "2.13.0+cu130", "cuda": "13.0", "cudnn": "9.20.0.48", "package": "2.13.0"}


def test_a_torch_without_its_version_file_has_no_version_but_its_package_has(tmp_path: Path) -> None:
    found = installed(tmp_path, None, package="2.12.1")
    assert (found["version"], found["package"]) == (None, "2.12.1")
    assert installed(tmp_path / "other", "this is no Python (", package="2.12.1")["version"] is None


def test_a_cpu_build_needs_no_cudnn(tmp_path: Path) -> None:
    found = installed(tmp_path, "__version__ = '2.13.0+cpu'\ncuda = None\n", cudnn="9.20.0.48")
    assert (found["version"], found["cuda"], found["cudnn"]) == ("2.13.0+cpu", None, None)


def test_nothing_is_imported_to_find_out() -> None:
    code = "import sys; from aisle.environment.facts import environment; environment(); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_no_torch_at_all_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert torch_build()["version"] is None


def test_the_cudnn_of_the_system_is_read_from_its_header(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    header = "#define CUDNN_MAJOR 9\n#define CUDNN_MINOR 7\n#define CUDNN_PATCHLEVEL 1\n"
    (tmp_path / "cudnn_version.h").write_text(header)
    monkeypatch.setattr(module, "_CUDNN_HEADERS", (str(tmp_path / "none"), str(tmp_path)))
    assert module._cudnn("13") == "9.7.1"
    (tmp_path / "cudnn_version.h").write_text("#define CUDNN_MAJOR 9\n")
    assert module._cudnn("13") is None
