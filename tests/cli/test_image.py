from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from aisle.cli.image_build import DEFAULT_BASE, check_base, choose_base, default_tag, find_source
from aisle.cli.image_sbom import sbom
from aisle.environment.compat import load_compat
from aisle.environment.described import Environment, Gpu
from aisle.errors import AisleError

COMPAT = load_compat()
ROOT = Path(__file__).resolve().parents[2]


def machine(driver: str | None = None, *gpus: Gpu) -> Environment:
    return Environment("3.11.7", False, "x86_64", {}, None, None, None, driver, gpus)


def test_without_a_gpu_the_teams_base_is_taken() -> None:
    base, why = choose_base(None, None, machine(), COMPAT)
    assert base == DEFAULT_BASE
    assert "no NVIDIA GPU" in why


def test_what_is_not_given_is_taken_from_this_machine() -> None:
    here = machine("535.183.01", Gpu("NVIDIA H100 80GB HBM3", "9.0"))
    assert choose_base(None, None, here, COMPAT) == choose_base("9.0", "535.183.01", machine(), COMPAT)


@pytest.mark.parametrize(
    ("gpu", "driver", "base"),
    [
        ("H100", "535", "pytorch/pytorch:2.7.1-cuda11.8-cudnn9-runtime"),
        ("V100", "520.61.05", "pytorch/pytorch:2.7.1-cuda11.8-cudnn9-runtime"),
        ("H100", "580.95.05", "pytorch/pytorch:2.13.0-cuda13.0-cudnn9-runtime"),
    ],
)
def test_the_base_follows_the_matrix(gpu: str, driver: str, base: str) -> None:
    assert choose_base(gpu, driver, machine(), COMPAT)[0] == base


def test_half_a_question_is_asked_back() -> None:
    with pytest.raises(AisleError, match="--driver is not given") as error:
        choose_base("H100", None, machine(), COMPAT)
    assert error.value.code == "E910"


def test_a_gpu_too_new_for_its_driver_gets_no_image() -> None:
    with pytest.raises(AisleError, match="E910"):
        choose_base("B200", "535", machine(), COMPAT)


def test_a_tag_that_people_write_and_that_does_not_exist_is_refused_with_the_right_one() -> None:
    with pytest.raises(AisleError, match="cuDNN 9") as error:
        check_base("registry.example.com/pytorch/pytorch:2.7.0-cuda11.8-cudnn8-runtime", COMPAT)
    assert DEFAULT_BASE in error.value.hint


@pytest.mark.parametrize(
    ("target", "base", "tag"),
    [
        ("lab", DEFAULT_BASE, "pytorch-cuda:v2.7"),
        ("train", DEFAULT_BASE + "@sha256:" + "0" * 64, "pytorch-cuda:v2.7-train"),
        ("lab", "pytorch/pytorch:2.13.0-cuda13.0-cudnn9-runtime", "pytorch-cuda:v2.13"),
    ],
)
def test_the_tag_names_the_line_of_torch(target: str, base: str, tag: str) -> None:
    assert default_tag(target, base) == tag


def test_a_base_that_does_not_tell_its_torch_needs_a_tag() -> None:
    with pytest.raises(AisleError, match="E910"):
        default_tag("lab", "our/base:latest")


def test_the_checkout_is_found_from_within_and_asked_for_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT / "tests")
    assert find_source(None) == ROOT
    monkeypatch.chdir(tmp_path)
    with pytest.raises(AisleError, match="E911"):
        find_source(None)


def aisle(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "aisle.cli.main", "image", *words]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env={**os.environ, **environment}, check=False)


def test_print_shows_the_commands_with_mirrors_as_arguments_and_the_ca_as_a_secret() -> None:
    given = (
        "--gpu",
        "H100",
        "--driver",
        "535",
        "--registry",
        "hub.example.com",
        "--pip-index",
        "https://pypi.example.com/simple",
    )
    told = json.loads(aisle("print", *given, "--ca", "/ca.pem", "--json").stdout)
    assert told["base"] == f"hub.example.com/{DEFAULT_BASE}"
    assert told["tag"] == "pytorch-cuda:v2.7"
    assert "--build-arg PIP_INDEX_URL=https://pypi.example.com/simple" in told["build"]
    assert "--secret id=ca,src=/ca.pem" in told["build"]
    assert told["run"] == "docker run -d --gpus all -p 8888:8888 -p 2222:22 --name rec-env pytorch-cuda:v2.7"


def test_build_says_when_there_is_no_docker_and_when_docker_fails(tmp_path: Path) -> None:
    missing = aisle("build", "--gpu", "H100", "--driver", "535", PATH=str(tmp_path))
    assert "E912" in missing.stderr
    assert missing.returncode == 2
    (tmp_path / "docker").write_text("#!/bin/sh\nexit 3\n")
    (tmp_path / "docker").chmod(0o755)
    failed = aisle("build", "--gpu", "H100", "--driver", "535", PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert "ended with status 3" in failed.stderr


def test_a_build_argument_is_a_pair() -> None:
    assert "E910" in aisle("print", "--build-arg", "UID").stderr


def test_an_sbom_names_packages_by_their_purl() -> None:
    found = {
        "system": {"id": "debian", "version": "12"},
        "python": "3.11.2",
        "debian": [["libc6", "2.36-9+deb12u14", "amd64"]],
        "pypi": [["numpy", "2.4.6"]],
    }
    document = sbom("shop:1", found)
    assert [part["purl"] for part in document["components"]] == [
        "pkg:generic/python@3.11.2",
        "pkg:deb/debian/libc6@2.36-9%2Bdeb12u14?arch=amd64&distro=debian-12",
        "pkg:pypi/numpy@2.4.6",
    ]
    assert json.dumps(document) == json.dumps(sbom("shop:1", found))
