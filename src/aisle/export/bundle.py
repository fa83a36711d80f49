"""A finished run becomes a bundle: one folder that answers without torch, the dataset or the run."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aisle import __version__
from aisle.bundle import layout
from aisle.bundle.bundle import Bundle, knowledge_json
from aisle.bundle.catalogue import Catalogue, Named, write_catalogue
from aisle.bundle.golden import golden_questions, make_golden, write_golden
from aisle.bundle.index import IndexConfig, IndexReport, build_index
from aisle.bundle.manifest import EXTRA_FOLDER, MANIFEST_NAME, About, Interval, Manifest, ModelAbout, Versions, write_manifest
from aisle.bundle.scorer_vectors import VectorScorer
from aisle.bundle.scorers import load_scorer
from aisle.dataset.reader import Dataset
from aisle.environment.facts import environment
from aisle.experiment.recipe import recipe_as_dict
from aisle.experiment.recommender import Recommender
from aisle.experiment.run import Run
from aisle.export.program import PROGRAM_NAME, write_program
from aisle.export.scorers import export_scorer
from aisle.export.torchserve_model import with_torch
from aisle.export.versions import architectures, versions
from aisle.features.histories import Histories
from aisle.features.vocabulary import Vocabulary, vocabulary_arrays
from aisle.schema.events import Event
from aisle.storage.arrays import file_sha256
from aisle.storage.atomic import atomic_folder

_LEAST_TOLERANCE = 1e-6  # of models that answer with the same numbers everywhere: sums in another order
_SAMPLED_IDS = 2_000  # users and items that golden requests are about
_SAMPLED_USERS = 512  # whose vectors an index is tuned and measured with


@dataclass(frozen=True)
class ExportConfig:
    """How a run becomes a bundle.

    Attributes:
        name: of the bundle; None = the model's name.
        index: which index, for models of vectors.
        private_key: PEM file of the Ed25519 key to sign with; None leaves the bundle unsigned.
        golden: how many golden requests are recorded.
        data_note: what people must know of the data, such as "simulated shop".
        program: also write the encoder as a `torch.export` program, see `export.program`.
    """

    name: str | None = None
    index: IndexConfig = field(default_factory=IndexConfig)
    private_key: Path | None = None
    golden: int = 64
    data_note: str = ""
    program: bool = False


def export_run(
    run: Run,
    out: Path,
    config: ExportConfig | None = None,
    *,
    overwrite: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> Manifest:
    """Write a bundle of a run, atomically.

    The golden requests are answered by the model as it was trained (eagerly, in torch where it is a torch model), so that
    whatever serves the bundle can be held against it.

    Args:
        run: a finished run.
        out: the bundle's folder.
        config: how; the defaults where None.
        overwrite: replace a bundle at `out`.
        say: told what is being done.

    Returns:
        The manifest.

    Raises:
        AisleError: E404 when the run's dataset is gone, E02x when its model cannot be served, E602 or E604 when `out` cannot be
            had.
    """
    config = config or ExportConfig()
    recommender, dataset = run.recommender(), run.dataset()
    with atomic_folder(out, overwrite=overwrite, marker=MANIFEST_NAME) as folder:
        say("what the bundle knows: ids, histories, catalogue")
        _write_knowledge(folder, run, recommender, dataset)
        say("the model")
        (folder / layout.MODEL).mkdir()
        fitted = recommender.fitted
        assert fitted is not None
        report = export_scorer(fitted.model, run.recipe.model, run.recipe.parameters, folder / layout.MODEL)
        if config.program:
            say("the torch.export program")
            write_program(fitted.model, folder / EXTRA_FOLDER / PROGRAM_NAME)
        index = _write_index(folder, recommender, config.index, say)
        about = _about(run, folder, dataset, config, index)
        width = index and index["dim"]
        scorer = json.loads((folder / layout.MODEL / "scorer.json").read_text())
        about = about.model_copy(
            update={
                "tolerance": max(report.tolerance, _LEAST_TOLERANCE),
                "model": about.model.model_copy(update={"scorer": scorer["kind"], "width": width}),
            }
        )
        say("golden requests")
        _write_golden(folder, about, recommender, config.golden)
        return write_manifest(folder, about, config.private_key)


def _write_knowledge(folder: Path, run: Run, recommender: Recommender, dataset: Dataset) -> None:
    """Write everything but the model: what the run says of itself, and what answers need beside the model."""
    _write_json(folder / layout.RECIPE_NAME, recipe_as_dict(run.recipe))
    _write_json(folder / layout.METRICS_NAME, run.metrics)
    trained_in = json.loads((run.folder / "environment.json").read_text())
    _write_json(folder / layout.ENVIRONMENT_NAME, {"trained": trained_in, "exported": environment()})
    shutil.copytree(run.folder / "test", folder / layout.TEST)
    _write_json(folder / layout.KNOWLEDGE_NAME, knowledge_json(recommender.knowledge))
    arrays: dict[str, NDArray[Any]] = {"fallback": recommender.knowledge.fallback}
    arrays |= vocabulary_arrays("users", recommender.users) | vocabulary_arrays("items", recommender.items)
    arrays |= recommender.known.arrays("known") | recommender.context_words.arrays()
    arrays |= {} if recommender.seen is None else recommender.seen.arrays("seen")
    layout.write_arrays(folder / layout.ARRAYS, arrays)
    catalogue = catalogue_of(dataset)
    if catalogue != Catalogue(dataset.n_items):  # a log without a catalogue: an empty folder is no file of a bundle
        (folder / layout.CATALOGUE).mkdir()
        write_catalogue(folder / layout.CATALOGUE, catalogue)


def catalogue_of(dataset: Dataset) -> Catalogue:
    """Return what a dataset says of its items for people and for filters."""
    kinds = dataset.manifest.item_features
    columns: dict[str, Any] = {}
    if kinds.get("title") == "text":
        columns["title"] = dataset.item_feature("title").texts
    for name in ("category", "brand"):
        if kinds.get(name) == "category":
            feature = dataset.item_feature(name)
            assert feature.values is not None
            assert feature.vocabulary is not None
            columns[name] = Named(np.asarray(feature.values, np.int32), feature.vocabulary)
    for name in ("price", "available"):
        if kinds.get(name) == "number":
            columns[name] = np.asarray(dataset.item_feature(name).values, np.float32)
    return Catalogue(dataset.n_items, **columns)


def _write_index(
    folder: Path, recommender: Recommender, config: IndexConfig, say: Callable[[str], None]
) -> dict[str, Any] | None:
    scorer = load_scorer(folder / layout.MODEL)
    if not isinstance(scorer, VectorScorer):
        return None
    say("the index")
    user = np.arange(len(recommender.users))
    user = user[scorer.knows(user, recommender.known)]
    sample = np.sort(np.random.default_rng(0).permutation(user)[:_SAMPLED_USERS])
    vector_SD = scorer.user_vectors(sample, _asking_now(recommender, sample))
    report: IndexReport = build_index(scorer.item_vectors, scorer.scorable_V, config, folder / layout.INDEX, vector_SD)
    return {**asdict(report), "dim": int(scorer.item_vectors.shape[1])}


def _asking_now(recommender: Recommender, user: NDArray[np.int64]) -> Histories:
    """Return what is known of some users, in no particular circumstances."""
    words = recommender.context_words
    return recommender.known.take(user).at(words.encode({}, len(user)) if words.vocabularies else None)


def _about(run: Run, folder: Path, dataset: Dataset, config: ExportConfig, index: dict[str, Any] | None) -> About:
    """Return what the manifest says, but for what only the served model knows."""
    measured = run.metrics["test"]["metrics"]
    metrics = {name: _interval(told) for name, told in measured.items()}
    parameters = run.recipe.parameters
    return About(
        name=config.name or run.recipe.model,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        versions=Versions(aisle=__version__, **versions(folder / layout.MODEL)),
        gpu_architectures=architectures(),
        dataset_sha256=dataset.manifest.content_hash,
        data_note=config.data_note,
        git_commit=environment()["git_commit"],
        recipe_sha256=file_sha256(folder / layout.RECIPE_NAME),
        model=ModelAbout(
            recipe=run.recipe.model,
            kind=run.recipe.model,
            scorer="",
            n_users=dataset.n_users,
            n_items=dataset.n_items,
            max_history=getattr(parameters, "length", getattr(parameters, "history", None)),
        ),
        metrics=metrics,
        tolerance=1e-4,
        index=index,
    )


def _interval(told: Mapping[str, Any]) -> Interval:
    low, high = told.get("ci") or (None, None)
    return Interval(mean=told["mean"], low=low, high=high)


def _write_golden(folder: Path, about: About, recommender: Recommender, count: int) -> None:
    """Record what the trained model itself answers, through the same code that serves."""
    write_manifest(folder, about)  # a bundle that can be opened; sealed again when the golden requests are in it
    served = Bundle.open(folder, check=False)
    eager = with_torch(served, recommender.scorer)
    users, items = _some(recommender.users), _some(recommender.items)
    events = sorted({Event(code).name for code in np.unique(recommender.known.event)})
    write_golden(folder / layout.GOLDEN_NAME, make_golden(eager, golden_questions(users, items, events, count=count)))


def _some(ids: Vocabulary) -> list[int | str]:
    """Return some raw ids, always the same."""
    return ids.decode(np.sort(np.random.default_rng(0).permutation(len(ids))[:_SAMPLED_IDS]))


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=1, default=str) + "\n")
