"""A real TorchServe, as pip installs it, with our archives; that it answers as the model does: test_four_ways.py. Slow."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from aisle.export.torchserve import export_torchserve
from benchmarks.serve.made import Size, make_bundle
from benchmarks.serve.torchserve import Running, Settings, TorchServeError, alive, missing, running

BATCHED = Settings(batch_size=8, max_batch_delay_ms=10)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(missing() is not None and "AISLE_REQUIRE_TORCHSERVE" not in os.environ, reason=f"SKIPPED: {missing()}"),
    pytest.mark.timeout(600),
]


def ask_all(server: Running, bodies: list[dict[str, Any]]) -> list[tuple[int, Any]]:
    """Ask eight at a time, so that TorchServe makes batches."""
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(server.ask, bodies))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "bundle"
    make_bundle(Size(items=300, users=60, history=20, width=16), folder)
    return folder


@pytest.fixture(scope="module")
def server(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    place = tmp_path_factory.mktemp("torchserve")
    with running(export_torchserve(made, place / "store", "shop"), place / "server", BATCHED) as server:
        yield server


def test_without_the_token_of_its_key_file_nothing_is_answered(server: Running) -> None:
    status, told = server.ask({"user_id": "u0000001"}, key="guessed")
    assert status == 400
    assert told["type"] == "InvalidKeyException"


def test_in_a_batch_one_bad_request_is_refused_alone(server: Running) -> None:
    bodies = [{"user_id": "u0000001"} if place % 2 else {"k": 0} for place in range(32)]
    replies = ask_all(server, bodies)
    assert [status for status, _ in replies] == [200 if place % 2 else 400 for place in range(32)]
    assert {told["error"]["code"] for status, told in replies if status == 400} == {"E091"}
    assert server.ask(None, raw=b"{no json")[0] == 400


def test_an_archive_that_does_not_fit_is_refused_by_name(made: Path, tmp_path: Path) -> None:
    """The manifest says that another aisle made the bundle; its worker must not answer."""
    archive = export_torchserve(made, tmp_path / "store", "shop")
    altered = tmp_path / "shop.mar"
    with zipfile.ZipFile(archive) as source, zipfile.ZipFile(altered, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name == "bundle/manifest.json":
                manifest = json.loads(content)
                manifest["versions"]["aisle"] = "0.0.1"
                content = json.dumps(manifest).encode()
            target.writestr(name, content)
    named = r"refuses this archive: .*aisle .* where the archive was made by 0\.0\.1"
    with pytest.raises(TorchServeError, match=named), running(altered, tmp_path / "server"):
        pass


def fail_with(archive: Path, folder: Path, groups: list[int]) -> None:
    with running(archive, folder) as server:
        groups.append(server.group)
        assert len(alive(server.group)) >= 3  # the launcher, Java, a worker
        raise ZeroDivisionError


def test_nothing_of_it_runs_on_when_the_block_ends_in_an_error(made: Path, tmp_path: Path) -> None:
    groups: list[int] = []
    with pytest.raises(ZeroDivisionError):
        fail_with(export_torchserve(made, tmp_path / "store", "shop"), tmp_path / "server", groups)
    assert not alive(groups[0])
