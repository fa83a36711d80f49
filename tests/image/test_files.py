"""The files that make the images, read without an engine."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from aisle.cli.image_build import DEFAULT_BASE, default_tag
from aisle.environment.compat import load_compat

IMAGE = Path(__file__).resolve().parents[2] / "image"
DOCKERFILE = (IMAGE / "Dockerfile").read_text()
COMPOSE = (IMAGE / "compose.yaml").read_text()


def pins(file: Path) -> dict[str, str]:
    rows = [line.split("==") for line in file.read_text().splitlines() if line and not line.startswith("#")]
    return {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in rows}


@pytest.mark.parametrize("target", ["train", "lab", "serve", "hub", "build"])
def test_an_image_has_the_versions_that_the_tests_ran_with(target: str) -> None:
    tested = pins(IMAGE.parent / "requirements.lock")
    locked = pins(IMAGE / "locks" / f"{target}.txt")
    assert {name: version for name, version in locked.items() if tested.get(name, version) != version} == {}


def test_torch_comes_from_the_base_or_not_at_all() -> None:
    for target in ("train", "lab", "serve"):
        names = set(pins(IMAGE / "locks" / f"{target}.txt"))
        assert names.isdisjoint({"torch", "triton"})
        assert not any(name.startswith("nvidia-") for name in names)
    assert {"jupyterlab", "pandas", "scikit-learn"} <= set(pins(IMAGE / "locks" / "lab.txt"))


def test_the_lab_keeps_every_version_of_train() -> None:
    train, lab = pins(IMAGE / "locks" / "train.txt"), pins(IMAGE / "locks" / "lab.txt")
    assert {name for name, version in train.items() if lab.get(name) != version} == set()


def test_the_hub_and_the_labs_that_it_starts_have_one_jupyterhub() -> None:
    assert pins(IMAGE / "locks" / "hub.txt")["jupyterhub"] == pins(IMAGE / "locks" / "lab.txt")["jupyterhub"]


def test_every_outside_image_is_an_argument_and_no_frontend_is_pulled() -> None:
    for text in (DOCKERFILE, (IMAGE / "hub" / "Dockerfile").read_text()):
        froms = re.findall(r"^FROM (\S+)(?: AS (\S+))?$", text, re.MULTILINE)
        stages = {name for _, name in froms}
        assert all(base.startswith("${") or base in stages for base, _ in froms)
        assert not re.match(r"#\s*syntax=", text)
    assert f"ARG BASE={DEFAULT_BASE}\n" in DOCKERFILE


def test_the_default_base_is_one_that_was_seen() -> None:
    assert DEFAULT_BASE in {tag.tag for tag in load_compat().images.tags}


def test_compose_takes_the_tags_that_aisle_image_build_gives() -> None:
    for variable, target in (("LAB_IMAGE", "lab"), ("TRAIN_IMAGE", "train"), ("SERVE_IMAGE", "serve")):
        assert f"${{{variable}:-{default_tag(target, DEFAULT_BASE)}}}" in COMPOSE


def test_sshd_allows_keys_and_nothing_else() -> None:
    settings = dict(
        line.split(" ", 1) for line in (IMAGE / "lab" / "sshd_config").read_text().splitlines() if re.match("[A-Z]", line)
    )
    refused = ("PasswordAuthentication", "PermitRootLogin", "KbdInteractiveAuthentication", "PermitEmptyPasswords", "UsePAM")
    assert {name: settings[name] for name in refused} == dict.fromkeys(refused, "no")
    assert settings["AuthenticationMethods"] == "publickey"
