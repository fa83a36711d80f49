"""Where bundles come from: a folder or link that may change, a channel of a registry that is followed."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from aisle.errors import AisleError
from aisle.registry.registry import Registry
from aisle.serve.opening import make_service
from aisle.serve.settings import Settings
from aisle.serve.sources import FolderSource, RegistrySource, source_of
from tests.serve.fakes import running


def test_an_address_with_a_manifest_is_a_bundle_and_anything_with_channels_a_registry(
    bundle_of: Callable[[str], Path], tmp_path: Path
) -> None:
    Registry(str(tmp_path / "registry")).promote(Registry(str(tmp_path / "registry")).publish(bundle_of("popularity")).id)
    assert isinstance(source_of(str(bundle_of("popularity")), tmp_path), FolderSource)
    assert isinstance(source_of(str(tmp_path / "registry"), tmp_path), RegistrySource)
    assert isinstance(source_of("memory://shop/registry", tmp_path), RegistrySource)


def test_a_folder_without_a_bundle_is_told(tmp_path: Path) -> None:
    with pytest.raises(AisleError, match="no bundle at") as error:
        source_of(str(tmp_path / "nothing"), tmp_path).version()
    assert error.value.code == "E083"


def test_a_link_that_leads_elsewhere_is_another_version(bundle_of: Callable[[str], Path], tmp_path: Path) -> None:
    link = tmp_path / "current"
    link.symlink_to(bundle_of("popularity"))
    source = FolderSource(link)
    before = source.version(), source.folder()
    link.unlink()
    link.symlink_to(bundle_of("item-knn"))
    assert source.version() != before[0]
    assert (before[1], source.folder()) == (bundle_of("popularity"), bundle_of("item-knn"))


def test_a_registry_without_a_promoted_bundle_is_told(tmp_path: Path) -> None:
    source = RegistrySource(Registry(str(tmp_path / "registry")), "production", tmp_path / "cache")
    with pytest.raises(AisleError, match="serves nothing yet") as error:
        source.folder()
    assert error.value.code == "E083"


def test_the_service_follows_promotions_and_rollbacks_of_its_channel(bundle_of: Callable[[str], Path], tmp_path: Path) -> None:
    registry = Registry(str(tmp_path / "registry"))
    one, two = registry.publish(bundle_of("popularity")).id, registry.publish(bundle_of("item-knn")).id
    registry.promote(one)
    settings = Settings(access_log=False, watch_s=0, cache=tmp_path / "cache")
    service = make_service(settings, str(tmp_path / "registry"))
    with running(service) as client:
        seen = []
        for step in (lambda: None, lambda: registry.promote(two), registry.rollback):
            step()
            client.wait(service.reloader.look())
            seen.append(client.recommend(user_id="u0000017").json()["bundle"])
        assert seen == [one, two, one]


def test_an_altered_bundle_is_refused_at_start_and_at_reload(bundle_of: Callable[[str], Path], tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    shutil.copytree(bundle_of("popularity"), folder)
    service = make_service(Settings(access_log=False, watch_s=0), str(folder))
    with running(service) as client:
        (folder / "arrays" / "fallback.npy").write_bytes(b"\x93NUMPY")
        answer = client.post("/v1/admin/reload", json={})
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "E076")  # it may be a copy that is under way
        assert "fallback.npy" in answer.json()["error"]["message"]
        assert client.recommend(user_id="u0000017").status_code == 200
        with pytest.raises(AisleError, match=r"fallback\.npy"):
            client.wait(service.load())
