"""A bundle: everything that answers, in one folder, without torch, without the training data, without unpickling."""

# B questions   V items

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aisle.bundle import layout
from aisle.bundle.catalogue import Catalogue, read_catalogue
from aisle.bundle.check import check_bundle
from aisle.bundle.index import open_index
from aisle.bundle.live_catalogue import LiveCatalogue, Wanted
from aisle.bundle.manifest import MANIFEST_NAME, Manifest, bundle_id, parse_manifest
from aisle.bundle.nearest import Asked, Nearest
from aisle.bundle.question import Answer, Item, Question, RawEvent
from aisle.bundle.scorer_vectors import VectorScorer
from aisle.bundle.scorers import load_scorer
from aisle.errors import AisleError
from aisle.features.context_words import ContextWords
from aisle.features.histories import Histories, last_events, together
from aisle.features.vocabulary import Vocabulary, vocabulary_of
from aisle.recommend.knowledge import Knowledge, Memory, Shoppers, Told, tell
from aisle.recommend.reasons import in_words
from aisle.recommend.recommender import Recommendations, similar_items
from aisle.recommend.rules import Rules, Shelf
from aisle.recommend.scorer import Scorer
from aisle.schema.events import Event

_HINT = "export it again with this version of aisle"


@dataclass(frozen=True)
class Bundle:
    """An opened bundle. It never changes; what changes while it serves is passed in or replaced in a copy.

    Attributes:
        folder: where it lies.
        id: the first 12 digits of its manifest's SHA-256.
        manifest: what it says of itself.
        users, items: raw ids <-> codes; items that came later are in `live` alone.
        scorer: the model.
        knowledge: popularity, shelf, rules, memory.
        known, seen: what is remembered of each user of `users`; `seen` None = the same as `known`.
        context: words of the context columns.
        catalogue: what there was to say about items at export.
        live: what there is to say about them now.
        nearest: the way through the index; None where the model is none of vectors.

    Example:
        >>> bundle = Bundle.open(Path("runs/demo/bundle"))                             # doctest: +SKIP
        >>> bundle.recommend([Question(user_id="u0000017", k=5)])[0].items[0].item_id  # doctest: +SKIP
    """

    folder: Path
    id: str
    manifest: Manifest
    users: Vocabulary
    items: Vocabulary
    scorer: Scorer
    knowledge: Knowledge
    known: Histories
    seen: Histories | None
    context: ContextWords
    catalogue: Catalogue
    live: LiveCatalogue
    nearest: Nearest | None

    @classmethod
    def open(cls, folder: Path, *, check: bool = True, public_key: Path | None = None) -> Bundle:
        """Open a bundle.

        Args:
            folder: the bundle.
            check: hold every file against the manifest first, about 1 s a gigabyte. False is for one that was checked just now.
            public_key: PEM file of the Ed25519 key that must have signed it.

        Raises:
            AisleError: E001 to E013 when it is not what was exported, E014 when it cannot be read, E02x and E03x when its model
                or index cannot be loaded.
        """
        folder = Path(folder)
        if check or public_key is not None:
            check_bundle(folder, public_key)
        content = _bytes(folder / MANIFEST_NAME)
        manifest = parse_manifest(content, folder / MANIFEST_NAME)
        arrays, told = layout.read_arrays(folder / layout.ARRAYS), _json(folder / layout.KNOWLEDGE_NAME)
        scorer = load_scorer(folder / layout.MODEL)
        try:
            users, items = vocabulary_of("users", arrays), vocabulary_of("items", arrays)
            catalogue = read_catalogue(folder / layout.CATALOGUE, len(items))
            knowledge = knowledge_from(told, arrays["fallback"], catalogue.shelf)
            known = Histories.from_arrays("known", arrays)
            seen = Histories.from_arrays("seen", arrays) if "seen.offsets" in arrays else None
        except (KeyError, TypeError, ValueError) as error:
            raise AisleError(f"the parts of {folder} do not fit together: {error!r}", hint=_HINT, code="E014") from error
        context, nearest = ContextWords.from_arrays(arrays), _nearest(folder, scorer, knowledge)
        live = LiveCatalogue.of(catalogue, items)
        ids = (bundle_id(content), manifest, users, items)
        return cls(folder, *ids, scorer, knowledge, known, seen, context, catalogue, live, nearest)

    def recommend(self, questions: Sequence[Question]) -> list[Answer]:
        """Answer some questions at once; they may differ in everything.

        Raises:
            AisleError: E038 when no candidate is in the catalogue or a category is not, E312 for an unknown context column,
                E373 and E376 for a rule that cannot be kept.
        """
        groups: dict[Any, list[int]] = {}
        for place, question in enumerate(questions):
            groups.setdefault(_alike(question), []).append(place)
        if self.nearest is not None and questions:
            asked = [self._asked(questions, places if len(groups) > 1 else None) for places in groups.values()]
            return self._answers(questions, self.nearest.tell(self.knowledge, self.shoppers(questions), *asked))
        answers: list[Answer | None] = [None] * len(questions)
        for places in groups.values():
            for place, answer in zip(places, self._recommend([questions[place] for place in places]), strict=True):
                answers[place] = answer
        return [answer for answer in answers if answer is not None]

    def similar_items(self, item_id: int | str, k: int = 10) -> tuple[Item, ...]:
        """Return the k items most like one, of those that may be shown: what cannot be bought is not; see `Knowledge.shown`.

        Raises:
            AisleError: E306 for an item that is not in the catalogue, E373 for a price rule without prices.
        """
        code = int(self.live.items.encode([item_id])[0])
        if code < 0:
            raise AisleError(
                f"item {item_id!r} is not in this bundle's catalogue of {self.live.n_items:,} items",
                hint="use a raw item id as in the log",
                code="E306",
            )
        lists = similar_items(self.scorer, np.array([code]), k=k, open_V=self.knowledge.shown)
        name = f"from {self.knowledge.name}"
        return tuple(
            Item(self.live.items[int(item)], float(score), int(rank), "model", name)
            for item, score, rank in zip(lists.item, lists.score, lists.rank, strict=True)
        )

    def shoppers(self, questions: Sequence[Question]) -> Shoppers:
        """Return who asks: user codes, and what is remembered of each, the newest of it from the questions."""
        user_B = self._users([question.user_id for question in questions])
        row_B = np.where([question.whole for question in questions], -1, user_B)
        known, seen = self.known.take(row_B), None if self.seen is None else self.seen.take(row_B)
        if any(question.events for question in questions):
            live, memory = self._histories([question.events for question in questions]), self.knowledge.memory
            known = last_events(together(known, memory.known(live)), memory.known_events)
            fresh = memory.seen(live)
            seen = together(seen, fresh) if seen is not None and fresh is not None else None
        return Shoppers(user_B, known.at(self._circumstances(questions)), seen)

    def _recommend(self, questions: Sequence[Question]) -> list[Answer]:
        """Answer questions that differ in shopper and k alone."""
        first, k = questions[0], max(question.k for question in questions)
        allowed_V = self.live.mask(Wanted(first.candidates, first.categories))
        allowed = None if allowed_V is None else np.flatnonzero(allowed_V)
        told = tell(
            self.scorer,
            self.knowledge,
            self.shoppers(questions),
            k=k,
            filter_seen=first.filter_seen,
            allowed=allowed,
            rules=first.rules,
        )
        return self._answers(questions, told)

    def _asked(self, questions: Sequence[Question], places: Sequence[int] | None) -> Asked:
        """Return what some questions, alike but for shopper and k, ask for; None = all of them.

        What rules say of the shelf goes into the mask, which is kept for the next question that says the same.
        """
        some = questions if places is None else [questions[place] for place in places]
        first, rules = some[0], some[0].rules or self.knowledge.rules
        shelf = (rules.min_price, rules.max_price, rules.available_only)
        allowed_V = self.live.mask(Wanted(first.candidates, first.categories, *shelf))
        if shelf != (None, None, False):
            rules = replace(rules, min_price=None, max_price=None, available_only=False)
        rows = None if places is None else np.array(places)
        return Asked(max(question.k for question in some), first.filter_seen, allowed_V, rules, rows)

    def _answers(self, questions: Sequence[Question], told: Told) -> list[Answer]:
        """Return the lists in raw ids; the columns of all of them at once."""
        lists = _cut(told.lists, [question.k for question in questions])
        ids, from_model = self.live.items.decode(lists.item), lists.from_model.tolist()
        sources = ["model" if model else "popular" for model in from_model]
        reasons, because_ids = in_words(told.reasons, lists, self.live.items.decode)
        items = list(map(Item, ids, lists.score.tolist(), lists.rank.tolist(), sources, reasons, because_ids))
        bounds = np.searchsorted(lists.row, np.arange(len(questions) + 1)).tolist()
        return [Answer(tuple(items[begin:end]), any(from_model[begin:end])) for begin, end in pairwise(bounds)]

    def _users(self, raw: Sequence[int | str | None]) -> NDArray[np.int64]:
        known = [place for place, user in enumerate(raw) if user is not None]
        code_B = np.full(len(raw), -1, np.int64)
        code_B[known] = self.users.encode([raw[place] for place in known])
        return code_B

    def _histories(self, events: Sequence[Sequence[RawEvent]]) -> Histories:
        """Return live events as histories, oldest first; what the bundle does not know says nothing."""
        flat = [event for some in events for event in some]
        code_E = self.live.items.encode([event.item_id for event in flat])
        offsets = np.concatenate([[0], np.cumsum([len(some) for some in events])]).astype(np.int64)
        kind_E = np.array([_EVENTS.get(event.event, 0) for event in flat], np.uint8)
        time_E = np.array([event.time_us for event in flat], np.int64)
        row_E = np.repeat(np.arange(len(events)), np.diff(offsets))
        order_E = np.lexsort((time_E, row_E))
        live = Histories(offsets, code_E[order_E].astype(np.int32), kind_E[order_E], time_E[order_E])
        return live.where((live.item >= 0) & (live.event > 0))

    def _circumstances(self, questions: Sequence[Question]) -> NDArray[np.int32] | None:
        if not self.context.vocabularies:
            for question in questions:
                if question.context:
                    self.context.encode(dict(question.context), 0)  # refuses columns that no log of this model had
            return None
        return np.concatenate([self.context.encode(dict(question.context), 1) for question in questions])

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """What the run measured on its test part."""
        return _json(self.folder / layout.METRICS_NAME)


_EVENTS = {event.name: int(event) for event in Event}


def knowledge_json(knowledge: Knowledge) -> dict[str, Any]:
    """Return the part of the knowledge that is no array, ready for JSON."""
    rules = {name: getattr(knowledge.rules, name) for name in Rules.__dataclass_fields__}
    memory = {name: getattr(knowledge.memory, name) for name in Memory.__dataclass_fields__}
    return {"name": knowledge.name, "rules": rules, "memory": memory}


def knowledge_from(told: Mapping[str, Any], fallback_V: NDArray[np.float32], shelf: Shelf) -> Knowledge:
    """Return what `knowledge_json` took apart, with popularity and the shelf."""
    memory, rules = _tuples(told["memory"]), _tuples(told["rules"])
    return Knowledge(told["name"], fallback_V, shelf, Rules(**rules), Memory(**memory))


def _tuples(told: Mapping[str, Any]) -> dict[str, Any]:
    """Return lists as tuples: JSON has no others."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in told.items()}


def _cut(lists: Recommendations, lengths: Sequence[int]) -> Recommendations:
    """Return lists of different lengths, of ones that are all as long as the longest."""
    if min(lengths, default=0) == max(lengths, default=0):
        return lists
    kept = lists.rank <= np.array(lengths)[lists.row]
    return Recommendations(lists.row[kept], lists.item[kept], lists.score[kept], lists.rank[kept], lists.from_model[kept])


def _alike(question: Question) -> Any:
    """Return what questions must have in common to be answered together."""
    return question.filter_seen, question.candidates, question.categories, question.rules


def _nearest(folder: Path, scorer: Scorer, knowledge: Knowledge) -> Nearest | None:
    if not (folder / layout.INDEX).is_dir():
        return None
    if not isinstance(scorer, VectorScorer):
        raise AisleError(f"{folder} has an index, and a model without vectors", hint=_HINT, code="E014")
    return Nearest.of(scorer, open_index(folder / layout.INDEX, scorer.item_vectors), knowledge.fallback)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise AisleError(f"{path} of the bundle cannot be read: {error}", hint=_HINT, code="E014") from error


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(_bytes(path))
    except ValueError as error:
        raise AisleError(f"{path} of the bundle is no JSON: {error}", hint=_HINT, code="E014") from error
    if not isinstance(content, dict):
        raise AisleError(f"{path} of the bundle holds no JSON object", hint=_HINT, code="E014")
    return content
