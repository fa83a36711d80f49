"""A registry on the disk and one elsewhere: every promise holds for both."""

from __future__ import annotations

from pathlib import Path

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from aisle.registry.registry import Registry
from tests.registry.bundles import make_bundle


@pytest.fixture(params=["folder", "memory"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty registry."""
    if request.param == "folder":
        return str(tmp_path / "registry")
    MemoryFileSystem.store.clear()
    return "memory://registry"


@pytest.fixture
def registry(url: str) -> Registry:
    """An empty registry."""
    return Registry(url)


@pytest.fixture
def three(registry: Registry, tmp_path: Path) -> tuple[str, str, str]:
    """The ids of three published bundles."""
    for content in "abc":
        make_bundle(tmp_path / content, content=content)
    first, second, third = (registry.publish(tmp_path / content).id for content in "abc")
    return first, second, third
