"""Bundles of real runs on the simulated shop, exported once a test session."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from aisle.dataset.reader import Dataset
from aisle.experiment.recipe import load_recipe
from aisle.experiment.run import Run, train_run
from aisle.export.bundle import ExportConfig, export_run

QUICK = ["evaluate.resamples=50", "baselines=[]"]
ONE_EPOCH = [*QUICK, "train.epochs=1", "train.refit=false"]
SMALL = {
    "sasrec": [*ONE_EPOCH, "parameters.width=16", "parameters.length=20"],
    "lstm": [*ONE_EPOCH, "parameters.width=16", "parameters.length=20"],
    "ncf": ONE_EPOCH,
    "fm": ONE_EPOCH,
    "two-tower": [*ONE_EPOCH, "parameters.width=16"],
    "two-stage": ONE_EPOCH,
    "mf-ncf-ml-1m": [*ONE_EPOCH, 'split.kind="leave-one-out"'],  # MF has no recipe for any shop
}


@pytest.fixture(scope="session")
def run_of(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Run]:
    """Return what trains a small run of a recipe, once a session."""
    done: dict[str, Run] = {}

    def run(name: str) -> Run:
        if name not in done:
            recipe = load_recipe(name, SMALL.get(name, QUICK))
            done[name] = train_run(dataset, recipe, tmp_path_factory.mktemp("runs") / name)
        return done[name]

    return run


@pytest.fixture(scope="session")
def bundle_of(run_of: Callable[[str], Run], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return what exports a small run of a recipe, once a session; the folder is not to be changed."""
    done: dict[str, Path] = {}

    def bundle(name: str) -> Path:
        if name not in done:
            out = tmp_path_factory.mktemp("bundles") / name
            export_run(run_of(name), out, ExportConfig(golden=16))
            done[name] = out
        return done[name]

    return bundle


@pytest.fixture(scope="session")
def exported_bundle(bundle_of: Callable[[str], Path]) -> Path:
    """A bundle with graphs, an item matrix and an index: a small SASRec."""
    return bundle_of("sasrec")
