"""Tests of real containers run with `-m image` only, after ci/image/test.sh has built the images: `make test-image`.

Nothing here skips: where the engine or an image is missing, they fail.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.image.engine import Compose, docker, remove_containers

ROOT = Path(__file__).resolve().parents[2]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "image: needs a docker engine and the images that ci/image/test.sh builds")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "image" in str(config.option.markexpr):
        return
    left_out = [item for item in items if item.get_closest_marker("image")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not item.get_closest_marker("image")]


def named(target: str) -> str:
    """The image that ci/image/test.sh built for a target."""
    name = os.environ.get("TEST_IMAGES", "aisle-ci") + f"/{target}"
    docker("image", "inspect", name)
    return name


@pytest.fixture(scope="session")
def lab_image() -> str:
    return named("lab")


@pytest.fixture(scope="session")
def train_image() -> str:
    return named("train")


@pytest.fixture(scope="session")
def serve_image() -> str:
    return named("serve")


@pytest.fixture(scope="session")
def hub_image() -> str:
    return named("hub")


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two key pairs: "ours", whose public half the lab is given, and "strange"."""
    folder = tmp_path_factory.mktemp("keys")
    for name in ("ours", "strange"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    return folder


@pytest.fixture(scope="session")
def team(lab_image: str, train_image: str, serve_image: str, keys: Path) -> Iterator[Compose]:
    """The team's server of image/compose.yaml with its lab up, on free ports; volumes and all are removed in the end."""
    settings = {
        "LAB_IMAGE": lab_image,
        "TRAIN_IMAGE": train_image,
        "SERVE_IMAGE": serve_image,
        "SSH_PUBLIC_KEY": (keys / "ours.pub").read_text().strip(),
        "LAB_PORT": "0",
        "SSH_PORT": "0",
        "SSH_ADDRESS": "127.0.0.1",
        "SERVE_PORT": "0",
        "LAB_MEMORY": "3gb",
        "TRAIN_MEMORY": "3gb",
        "BUNDLE": "/checkpoints/bundle",
    }
    compose = Compose(f"aisle-test-{os.getpid()}", (ROOT / "image" / "compose.yaml",), settings)
    try:
        compose("up", "--detach", "--wait", "lab")
        yield compose
    finally:
        compose("--profile", "train", "--profile", "serve", "down", "--volumes", "--timeout", "10")


@pytest.fixture
def containers() -> Iterator[list[str]]:
    """Ids of containers that a test starts; they and their anonymous volumes are removed after it."""
    started: list[str] = []
    yield started
    remove_containers(started)
