"""The torch here is tried in a process of its own, and whatever it does there leaves us standing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from aisle.environment.torch_here import Trial, _cudnn, _folders, try_torch

FAKE = """
__version__ = "2.13.0+cu130"
class cuda:
    is_available = staticmethod(lambda: True)
    device_count = staticmethod(lambda: 2)
    class nccl:
        version = staticmethod(lambda: (2, 29, 7))
class backends:
    class cudnn:
        version = staticmethod(lambda: 92000)
class _C:
    _cuda_getArchFlags = staticmethod(lambda: "sm_80 sm_90 compute_90")
print("torch greets you")
"""


def tried(folder: Path, code: str, monkeypatch: pytest.MonkeyPatch, timeout_s: float = 30.0) -> Trial:
    (folder / "torch").mkdir(parents=True)
    (folder / "torch" / "__init__.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    return try_torch(timeout_s)


def test_a_torch_that_works_tells_what_it_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trial = tried(tmp_path, FAKE, monkeypatch)
    assert (trial.outcome, trial.usable, trial.devices) == ("ok", True, 2)
    assert trial.architectures == ("sm_80", "sm_90", "compute_90")
    assert (trial.cudnn, trial.nccl) == ("9.20.0", "2.29.7")


def test_what_it_cannot_answer_is_not_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = FAKE.replace("lambda: 2)", "lambda: 1 / 0)").replace("lambda: 92000", "lambda: None").replace("(2, 29, 7)", "1 / 0")
    trial = tried(tmp_path, code, monkeypatch)
    assert (trial.outcome, trial.usable, trial.devices, trial.cudnn, trial.nccl) == ("ok", True, None, None, None)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("raise ImportError('libcudart.so.13: cannot open shared object file')", "ImportError: libcudart.so.13: cannot open"),
        ("import os; os._exit(3)", "exit status 3"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGILL)", "ended by signal 4"),
        ("this is no Python (", "SyntaxError"),
    ],
)
def test_a_torch_that_fails_says_how(code: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trial = tried(tmp_path, code, monkeypatch)
    assert trial.outcome == "failed"
    assert said in trial.said


def test_a_torch_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trial = tried(tmp_path, "import threading; threading.Event().wait(60)", monkeypatch, timeout_s=0.5)
    assert (trial.outcome, trial.said) == ("timed out", "no answer in 0.5 s")


def test_a_warning_about_cuda_is_kept_where_cuda_cannot_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = FAKE.replace("lambda: True", "lambda: print('CUDA initialization: unknown error') and None or False")
    trial = tried(tmp_path, code, monkeypatch)
    assert (trial.usable, trial.said) == (False, "CUDA initialization: unknown error")


def test_versions_of_cudnn_are_decoded() -> None:
    assert [_cudnn(number) for number in (92000, 90100, 91002, 8907)] == ["9.20.0", "9.1.0", "9.10.2", "8.9.7"]


def test_every_torch_on_the_path_is_found_once_and_in_order(tmp_path: Path) -> None:
    for name in ("b", "a", "empty"):
        (tmp_path / name).mkdir()
    for name in ("b", "a"):
        (tmp_path / name / "torch").mkdir()
        (tmp_path / name / "torch" / "__init__.py").touch()
    path = [str(tmp_path / name) for name in ("empty", "b", "a", "b", "gone")]
    assert list(_folders(path)) == [str(tmp_path / "b"), str(tmp_path / "a")]


def test_pins_and_copies_are_read_from_a_made_up_installation(tmp_path: Path) -> None:
    """Two torches on the path, one with a wheel's metadata, of whose packages one is missing and one of another version."""
    for folder, version in (("first", "2.13.0"), ("second", "2.7.1")):
        place = tmp_path / folder
        (place / "torch").mkdir(parents=True)
        (place / "torch" / "__init__.py").touch()
        write(place, "torch", version, 'nvidia-nccl-cu13==2.29.7; platform_system == "Linux"', "nvidia-none-cu13==1.2", "jinja2")
    write(tmp_path / "first", "nvidia_nccl_cu13", "2.28.9")
    write(tmp_path / "first", "nvidia_cudnn_cu12", "9.1.0.70")
    code = "from aisle.environment.torch_here import torch_here\nprint(torch_here('x86_64', trial=False))"
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path / 'first'}:{tmp_path / 'second'}"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert "Pin(name='nvidia-nccl-cu13', wanted='2.29.7', installed='2.28.9')" in done.stdout
    assert "Pin(name='nvidia-none-cu13', wanted='1.2', installed=None)" in done.stdout
    assert "cuda_majors=('12', '13')" in done.stdout
    assert f"folders=('{tmp_path / 'first'}', '{tmp_path / 'second'}'" in done.stdout
    assert "packages=('2.13.0', '2.7.1'" in done.stdout


def write(folder: Path, name: str, version: str, *requires: str) -> None:
    information = folder / f"{name}-{version}.dist-info"
    information.mkdir()
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *(f"Requires-Dist: {line}" for line in requires)]
    (information / "METADATA").write_text("\n".join(lines) + "\n")
