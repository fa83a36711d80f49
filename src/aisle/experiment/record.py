"""What a finished run says about how it was made, and whether it says so with one voice."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aisle.dataset.reader import Dataset
from aisle.errors import AisleError
from aisle.experiment.identity import identity_of
from aisle.experiment.recipe import Recipe, parse_recipe
from aisle.experiment.run import Run, read_run
from aisle.experiment.run_folder import DATASET_NAME
from aisle.experiment.saved_model import Arrays, read_saved

_ENVIRONMENT_NAMES = ("environment.json", "environment.resume.json")

Facts = Mapping[str, Any]


@dataclass(frozen=True)
class Record:
    """A finished run as it was recorded.

    Attributes:
        run: its recipe and metrics.
        arrays: everything that was saved of the model.
        dataset_path, content_hash: what it was trained on.
        environments: where; two where the run was interrupted and resumed.
    """

    run: Run
    arrays: Arrays
    dataset_path: Path
    content_hash: str
    environments: tuple[Facts, ...]

    @property
    def device(self) -> str:
        """What trained: "cpu", or the GPU in words."""
        return short_device(self.run)

    @property
    def on_gpu(self) -> bool:
        """Whether a GPU trained it."""
        return self.device != "cpu"

    @property
    def threads(self) -> int:
        """CPU threads that trained it: what the recipe asked for, or what torch made of 0."""
        return int(self.environments[0].get("threads", self.run.recipe.train.threads))


def short_device(run: Run) -> str:
    """Return "cpu", or the GPU in words: threads and capability of a CPU are facts of their own."""
    words = str(run.metrics["device"])
    return "cpu" if words.startswith("cpu") else words


def read_record(folder: Path) -> Record:
    """Read a finished run, and hold what its files say of one thing against each other.

    Raises:
        AisleError: E405 no finished run, E307 its model cannot be read, E413 its files contradict each other, or say nothing
            about where it was made.
    """
    run = read_run(folder)
    about, arrays = read_saved(run.folder / "model")
    environments = [_read(run, name) for name in _ENVIRONMENT_NAMES if (run.folder / name).exists()]
    if not environments:
        raise _broken(run, f"there is no {_ENVIRONMENT_NAMES[0]} that says where it was made")
    dataset = _read(run, DATASET_NAME)
    saved = parse_recipe(about["recipe"], str(run.folder / "model"))
    contradictions = [
        *_contradictions(run.recipe, saved),
        *_of_hashes(run, dataset, environments),
        *(words for facts in environments for words in _of_environment(run.recipe, facts)),
    ]
    if contradictions:
        raise _broken(run, "; ".join(contradictions))
    return Record(run, arrays, Path(dataset["path"]), dataset["content_hash"], tuple(environments))


def open_dataset(record: Record, folder: Path | None) -> Dataset:
    """Open the dataset that a run was trained on.

    Args:
        record: the run.
        folder: where the dataset lies now; None = where it lay then.

    Raises:
        AisleError: E404 when there is none, or another one.
    """
    where = record.dataset_path if folder is None else folder
    hint = "say where the recorded dataset lies with --dataset, or prepare it again from the same log"
    if not where.exists():
        raise AisleError(f"the dataset of {record.run.folder} is not at {where} any more", hint=hint, code="E404")
    dataset = Dataset(where)
    if dataset.manifest.content_hash != record.content_hash:
        raise AisleError(
            f"{where} is not the dataset that {record.run.folder} was trained on: content hash "
            f"{dataset.manifest.content_hash[:16]}, expected {record.content_hash[:16]}",
            hint=hint,
            code="E404",
        )
    return dataset


def _contradictions(recipe: Recipe, saved: Recipe) -> Iterator[str]:
    """Compare the recipe of the run with the one that its model was saved with, key by key."""
    asked, trained = identity_of("", recipe), identity_of("", saved)
    for key in sorted({*asked, *trained}):
        if asked.get(key) != trained.get(key):
            yield f"{key} is {asked.get(key)} in recipe.toml and {trained.get(key)} in model/model.json"


def _of_hashes(run: Run, dataset: Facts, environments: Sequence[Facts]) -> Iterator[str]:
    expected = dataset["content_hash"]
    seen = [("metrics.json", run.metrics["dataset"]), *((_ENVIRONMENT_NAMES[0], facts.get("dataset")) for facts in environments)]
    for name, content_hash in seen:
        if content_hash not in (None, expected):
            yield f"the dataset is {str(expected)[:16]} in dataset.json and {str(content_hash)[:16]} in {name}"


def _of_environment(recipe: Recipe, facts: Facts) -> Iterator[str]:
    for name, asked in (("seed", recipe.train.seed), ("threads", recipe.train.threads)):
        free = name == "threads" and asked == 0  # torch chose
        if not free and facts.get(name) not in (None, asked):
            yield f"train.{name} is {asked} in recipe.toml and {facts[name]} in environment.json"


def _read(run: Run, name: str) -> dict[str, Any]:
    try:
        facts: dict[str, Any] = json.loads((run.folder / name).read_text())
    except (OSError, ValueError) as error:
        raise _broken(run, f"{name} cannot be read ({error})") from error
    return facts


def _broken(run: Run, why: str) -> AisleError:
    return AisleError(
        f"the record of {run.folder} does not hold together: {why}",
        hint="put the file back as `aisle train` wrote it, or train again",
        code="E413",
    )
