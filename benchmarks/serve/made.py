"""A bundle of the size that is to be measured, made without training: SASRec, simulated shoppers and items.

What is measured is time, which does not depend on what the weights are, with one exception: how much of an approximate index has
to be looked at depends on how the vectors lie. So items lie as in `benchmarks.index` (clusters of unequal size), the events of a
shopper are of three clusters, and the network, whose weights are random otherwise, passes on what the items of a history have in
common, as a trained one does: with random weights alone shoppers would point anywhere, and a search would look at a fifth of all.
"""

# U users   V items   D width   C clusters   E events

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from aisle import __version__
from aisle.bundle import layout
from aisle.bundle.bundle import Bundle, knowledge_json
from aisle.bundle.catalogue import Catalogue, Named, write_catalogue
from aisle.bundle.golden import golden_questions, make_golden, write_golden
from aisle.bundle.index import IndexConfig, build_index
from aisle.bundle.manifest import MANIFEST_NAME, About, Manifest, ModelAbout, Versions, write_manifest
from aisle.bundle.scorer_vectors import VectorScorer
from aisle.bundle.scorers import load_scorer
from aisle.experiment.recipe import Recipe, load_recipe, recipe_as_dict
from aisle.export.scorers import export_scorer
from aisle.export.torchserve_model import with_torch
from aisle.export.versions import versions
from aisle.features.histories import Histories
from aisle.features.vocabulary import Vocabulary, vocabulary_arrays
from aisle.models.next_item import NextItem
from aisle.recommend.knowledge import Knowledge, Memory
from aisle.recommend.rules import Rules
from aisle.schema.events import Event
from aisle.storage.arrays import file_sha256
from aisle.storage.atomic import atomic_folder
from aisle.storage.strings import Strings
from benchmarks.index.vectors import CATEGORIES, simulate_vectors

_FOND_OF, _PASSED_ON, _LITTLE = 3, 0.5, 0.1
_LAST_EVENT_US = 1_790_000_000_000_000  # of everybody, in 2026
_SAMPLES = 512


@dataclass(frozen=True)
class Size:
    """How large.

    Attributes:
        items: V.
        users: U, each with a history of `history` events.
        history: events a shopper; what the model reads too.
        width: D.
        blocks: of the transformer.
        seed: of everything.
    """

    items: int = 50_000
    users: int = 20_000
    history: int = 50
    width: int = 64
    blocks: int = 2
    seed: int = 1


def make_bundle(size: Size, folder: Path, *, overwrite: bool = False) -> Manifest:
    """Write a bundle of some size."""
    rng = np.random.default_rng(size.seed)
    simulated = simulate_vectors(size.items, size.width, size.seed)
    known = _histories(size, simulated.cluster_V, rng)
    recipe = _recipe(size)
    model = _model(recipe, simulated.item_VD, size.seed)
    popular_V = np.bincount(known.item, minlength=size.items).astype(np.float32)
    shop = _catalogue(size, simulated.category_V, rng)
    knowledge = Knowledge("sasrec", popular_V, shop.shelf, Rules(), Memory(tuple(recipe.split.positive_events)))
    users, items = _ids("u", size.users), _ids("i", size.items)
    with atomic_folder(folder, overwrite=overwrite, marker=MANIFEST_NAME) as partial:
        _write_json(partial / layout.RECIPE_NAME, recipe_as_dict(recipe))
        _write_json(partial / layout.METRICS_NAME, {})
        _write_json(partial / layout.KNOWLEDGE_NAME, knowledge_json(knowledge))
        arrays: dict[str, NDArray[Any]] = {"fallback": popular_V, **known.arrays("known")}
        arrays |= vocabulary_arrays("users", users) | vocabulary_arrays("items", items)
        layout.write_arrays(partial / layout.ARRAYS, arrays)
        (partial / layout.CATALOGUE).mkdir()
        write_catalogue(partial / layout.CATALOGUE, shop)
        report = export_scorer(model, recipe.model, recipe.parameters, partial / layout.MODEL)
        index = _index(partial, known, rng)
        about = _about(size, partial, recipe, report.kind, index)
        write_manifest(partial, about)
        eager = with_torch(Bundle.open(partial, check=False), model)
        questions = golden_questions(users.decode(range(min(200, size.users))), items.decode(range(200)), count=32)
        write_golden(partial / layout.GOLDEN_NAME, make_golden(eager, questions))
        return write_manifest(partial, about)


def _model(recipe: Recipe, item_VD: NDArray[np.float32], seed: int) -> NextItem:
    """Return a SASRec whose state is, roughly, what the items of the history have in common."""
    model = NextItem.untrained(recipe.parameters, np.ones(len(item_VD), np.bool_), seed=seed)
    one_DD = torch.eye(item_VD.shape[1])
    with torch.no_grad():
        model.item.weight.copy_(torch.from_numpy(item_VD))
        for block in model.encoder.blocks:  # type: ignore[union-attr]
            block.attention.query_key_value.weight[-len(one_DD) :] = one_DD
            block.attention.out.weight.copy_(_PASSED_ON * one_DD)
            block.feed[2].weight *= _LITTLE
    return model.eval()


def _histories(size: Size, cluster_V: NDArray[np.int32], rng: np.random.Generator) -> Histories:
    """Return U histories whose items are of the few clusters that a shopper is fond of."""
    by_cluster = np.argsort(cluster_V, kind="stable")
    begin_C = np.searchsorted(cluster_V[by_cluster], np.arange(int(cluster_V.max()) + 2))
    fond_UF = cluster_V[rng.integers(size.items, size=(size.users, _FOND_OF))]
    cluster_UL = np.take_along_axis(fond_UF, rng.integers(_FOND_OF, size=(size.users, size.history)), axis=1)
    width_UL = begin_C[cluster_UL + 1] - begin_C[cluster_UL]
    item_E = by_cluster[begin_C[cluster_UL] + (rng.random(cluster_UL.shape) * width_UL).astype(np.int64)].ravel()
    offsets = np.arange(size.users + 1, dtype=np.int64) * size.history
    time_E = np.tile(_LAST_EVENT_US - 60_000_000 * np.arange(size.history, 0, -1, dtype=np.int64), size.users)
    return Histories(offsets, item_E.astype(np.int32), np.full(len(item_E), Event.view, np.uint8), time_E)


def _catalogue(size: Size, category_V: NDArray[np.int32], rng: np.random.Generator) -> Catalogue:
    names = Vocabulary(Strings.pack([f"category-{number:02}" for number in range(CATEGORIES)]))
    category = Named(category_V, names)
    price_V = rng.lognormal(3, 1, size.items).astype(np.float32).round(2)
    available_V = (rng.random(size.items) < 0.95).astype(np.float32)
    titles = Strings.pack(f"item number {number}" for number in range(size.items))
    return Catalogue(size.items, titles, category, None, price_V, available_V)


def _recipe(size: Size) -> Recipe:
    numbers = {"width": size.width, "length": size.history, "blocks": size.blocks, "heads": 2}
    return load_recipe("sasrec", [f"parameters.{name}={number}" for name, number in numbers.items()])


def _index(folder: Path, known: Histories, rng: np.random.Generator) -> dict[str, Any]:
    scorer = load_scorer(folder / layout.MODEL)
    if not isinstance(scorer, VectorScorer):
        raise TypeError(f"SASRec is served as {type(scorer).__name__}, which has no vectors")
    user_S = rng.choice(len(known), min(_SAMPLES, len(known)), replace=False)
    vector_SD = scorer.user_vectors(user_S, known.take(user_S))
    report = build_index(scorer.item_vectors, scorer.scorable_V, IndexConfig(), folder / layout.INDEX, vector_SD)
    return {**asdict(report), "dim": int(scorer.item_vectors.shape[1])}


def _about(size: Size, folder: Path, recipe: Recipe, kind: str, index: dict[str, Any]) -> About:
    return About(
        name="sasrec",
        created="2026-01-01T00:00:00+00:00",
        versions=Versions(aisle=__version__, **versions(folder / layout.MODEL)),
        dataset_sha256="none: simulated",
        recipe_sha256=file_sha256(folder / layout.RECIPE_NAME),
        model=ModelAbout(
            recipe=recipe.model,
            kind=recipe.model,
            scorer=kind,
            n_users=size.users,
            n_items=size.items,
            width=size.width,
            max_history=size.history,
        ),
        tolerance=1e-4,
        index=index,
    )


def _ids(letter: str, count: int) -> Vocabulary:
    return Vocabulary(Strings.pack(f"{letter}{number:07}" for number in range(count)))


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=1, default=str) + "\n")
