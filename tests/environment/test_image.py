"""An image is asked through docker; a stand-in plays docker here, since no engine runs in a test."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from aisle.environment.described import Environment
from aisle.environment.image import LABEL, image_document
from aisle.errors import AisleError

DOCUMENT = {
    "python": "3.12.4",
    "machine": "x86_64",
    "gpus": [],
    "packages": {"numpy": "2.2.0"},
    "torch_build": {"version": None, "cuda": None, "cudnn": None, "package": None},
}


def docker(folder: Path, monkeypatch: pytest.MonkeyPatch, *, run: tuple[int, str], inspect: tuple[int, str] = (1, "")) -> Path:
    """Put a `docker` first on the path that answers `run` and `image inspect` with a status and a text."""
    for name, (_, text) in (("run", run), ("image", inspect)):
        (folder / name).write_text(text)
    file = folder / "docker"
    file.write_text(
        f"""#!/bin/sh
echo "$@" >> {folder}/asked
case "$1" in
run) cat {folder}/run; [ {run[0]} = 0 ] || echo "executable file not found" >&2; exit {run[0]};;
*) cat {folder}/image; [ {inspect[0]} = 0 ] || echo "no such image" >&2; exit {inspect[0]};;
esac
"""
    )
    file.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    return folder / "asked"


def inspected(**config: object) -> tuple[int, str]:
    return 0, json.dumps([{"Architecture": "amd64", "Config": config}])


def test_an_image_with_aisle_is_asked_without_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = docker(tmp_path, monkeypatch, run=(0, json.dumps(DOCUMENT)))
    assert image_document("shop:1") == DOCUMENT
    assert asked.read_text() == "run --rm --network none --entrypoint aisle shop:1 env --json\n"


def test_an_image_without_aisle_is_read_by_its_label(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    docker(tmp_path, monkeypatch, run=(127, ""), inspect=inspected(Labels={LABEL: json.dumps(DOCUMENT)}))
    assert image_document("shop:1") == DOCUMENT


def test_an_image_of_pytorch_or_nvidia_is_read_by_its_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    variables = ["PATH=/usr/bin", "PYTORCH_VERSION=2.7.0", "CUDA_VERSION=12.8.0", "NV_CUDNN_VERSION=9.7.1.26-1"]
    docker(tmp_path, monkeypatch, run=(127, ""), inspect=inspected(Env=variables, Labels=None))
    here = Environment.of(image_document("pytorch/pytorch:2.7.0"), "image")
    assert (here.torch, here.cuda, here.cudnn, here.machine) == ("2.7.0", "12.8.0", "9.7.1.26-1", "x86_64")
    assert (here.python, dict(here.packages)) == ("", {})


@pytest.mark.parametrize(
    ("run", "inspect", "said"),
    [
        ((125, ""), (1, ""), "the image shop:1 cannot be asked: no such image"),
        ((127, ""), inspected(Env=["PATH=/usr/bin"]), "neither labels nor variables"),
        ((127, ""), inspected(), "neither labels nor variables"),
        ((0, "no JSON"), (1, ""), "gave no JSON"),
        ((0, "3"), (1, ""), "gave a int"),
        ((127, ""), inspected(Labels={LABEL: "{"}), "the label aisle.environment of shop:1 gave no JSON"),
    ],
)
def test_an_image_that_says_nothing_is_an_error(
    run: tuple[int, str], inspect: tuple[int, str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docker(tmp_path, monkeypatch, run=run, inspect=inspect)
    with pytest.raises(AisleError, match=said) as caught:
        image_document("shop:1")
    assert caught.value.code == "E019"


def test_without_docker_it_is_said_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(AisleError, match="no docker here") as caught:
        image_document("shop:1")
    assert caught.value.code == "E019"
    assert "--against" in caught.value.hint
