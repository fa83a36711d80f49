"""What a run writes into its folder, and what it may remove from there: its own files and nothing else.

recipe.toml        every key, defaults included
environment.json   machine, packages, git commit, and what the bits of the weights depend on
dataset.json       path and content hash
log.txt, log.jsonl what happened
epochs.json        one record an epoch; curves.png the same as a picture; tensorboard/ the same for TensorBoard
checkpoints/       the last and the best epoch, removed when the run is finished
model/             see `experiment.saved_model`
mlflow.json        where the run is told to MLflow, where it is
test/              per-case results of the model; baselines/<name>/ of each baseline
metrics.json       test metrics with intervals, baselines, paired differences; its presence means: finished
"""

from __future__ import annotations

from pathlib import Path

from aisle.errors import AisleError
from aisle.experiment.run_log import JSON_NAME, TEXT_NAME
from aisle.experiment.tracking import MARK_NAME
from aisle.storage.atomic import remove

METRICS_NAME = "metrics.json"
RECIPE_NAME = "recipe.toml"
DATASET_NAME = "dataset.json"
_NAMES = frozenset(
    {METRICS_NAME, RECIPE_NAME, DATASET_NAME, TEXT_NAME, JSON_NAME}
    | {"environment.json", "environment.resume.json", "epochs.json", "curves.png", MARK_NAME}
    | {"tensorboard", "checkpoints", "model", "test", "baselines"}
)


def check_folder(folder: Path, *, resume: bool, overwrite: bool) -> None:
    """Refuse a place that a run cannot have, before anything is written there.

    Raises:
        AisleError: E406 when it holds a run and neither resume nor overwrite is wanted, E602 when it is a file, E604 when
            it holds something else.
    """
    if folder.exists() and not folder.is_dir():
        raise AisleError(f"{folder} exists already, and is no folder", hint="choose another --out", code="E602")
    if not folder.exists() or not any(folder.iterdir()):
        return
    if not _is_run(folder):
        raise AisleError(f"{folder} holds files that are no run of aisle", hint="choose another --out", code="E604")
    if not resume and not overwrite:
        raise AisleError(
            f"{folder} holds a run already",
            hint="go on with --resume, replace it with --overwrite, or choose another --out",
            code="E406",
        )


def open_folder(folder: Path, *, resume: bool) -> None:
    """Make the folder; unless its run goes on, remove what the earlier one wrote, and leave what others put beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    if not resume:
        for path in list(folder.iterdir()):
            if _is_ours(path):
                remove(path)


def _is_run(folder: Path) -> bool:
    """A run says its recipe and dataset; one that was killed before that holds nothing but files of a run."""
    described = (folder / RECIPE_NAME).exists() and (folder / DATASET_NAME).exists()
    return described or all(_is_ours(path) for path in folder.iterdir())


def _is_ours(path: Path) -> bool:
    """Also the hidden neighbour under which an atomic write builds one of our files."""
    return path.name in _NAMES or path.name.removeprefix(".").removesuffix(".partial").removesuffix(".old") in _NAMES
