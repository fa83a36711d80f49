"""The same bits outside of the containers, in one, and in a fresh one after it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aisle.dataset.reader import Dataset
from aisle.experiment.recipe import load_recipe
from aisle.experiment.run import train_run
from aisle.storage.arrays import file_sha256
from tests.image.engine import docker, remove_containers

pytestmark = pytest.mark.image
MODELS = ("popularity", "fm", "ncf", "lstm")
QUICK = ["train.epochs=2", "evaluate.resamples=50", "baselines=['popularity']"]
# What may differ outside: the base image brings its own Python 3.11 and C library. Versions of torch, NumPy and SciPy, the
# processor and how torch uses it may not.
OF_THE_BASE = {"python", "C library"}


@pytest.fixture(scope="module")
def outside(dataset_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small simulated shop as "dataset", and beside it a run of each model, trained by this Python."""
    folder = tmp_path_factory.mktemp("outside")
    shutil.copytree(dataset_folder, folder / "dataset")
    for model in MODELS:
        train_run(Dataset(folder / "dataset"), load_recipe(model, QUICK), folder / model)
    for path in [folder, *folder.rglob("*")]:  # the user of the image is nobody here
        path.chmod(0o755 if path.is_dir() else 0o644)
    return folder


@pytest.fixture(scope="module")
def inside(train_image: str, outside: Path) -> Iterator[tuple[str, str]]:
    """Two containers with the same volumes and as many threads as out here; what was made outside is on them."""
    job = ("--env", "OMP_NUM_THREADS", train_image, "sleep", "infinity")
    started = [docker("run", "--detach", *job)]
    try:
        docker("cp", f"{outside}/.", f"{started[0]}:/workspace/data/outside")
        started.append(docker("run", "--detach", "--volumes-from", started[0], *job))
        yield started[0], started[1]
    finally:
        remove_containers(started)


def reproduced(container: str, run: str, out: str, *words: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(docker("exec", container, "aisle", "reproduce", run, "--out", out, "--json", *words))
    return told


@pytest.mark.parametrize("model", MODELS)
def test_a_run_from_outside_and_its_rerun_inside_have_the_same_bits(outside: Path, inside: tuple[str, str], model: str) -> None:
    first, second = inside
    told = reproduced(first, f"data/outside/{model}", f"runs/{model}", "--dataset", "data/outside/dataset")
    assert told["verdict"] == "identical", told
    assert {gap["name"] for gap in told["environment"]} <= OF_THE_BASE
    again = reproduced(second, f"runs/{model}", f"runs/{model}-again")
    assert (again["verdict"], again["environment"]) == ("identical", [])
    weights = "model/model.safetensors"
    sums = docker("exec", second, "sha256sum", f"runs/{model}/{weights}", f"runs/{model}-again/{weights}").split()[::2]
    assert sums == [file_sha256(outside / model / weights)] * 2
