"""The same verbs for every model: fit, recommend, similar_items, evaluate, save, load."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from aisle.dataset.cases import Cases, Split
from aisle.dataset.reader import Dataset
from aisle.dataset.split import split as cut
from aisle.errors import AisleError
from aisle.evaluate.evaluation import Evaluation, evaluate
from aisle.evaluate.facts import Facts
from aisle.evaluate.protocol import EvaluateConfig
from aisle.experiment.facts import facts_of
from aisle.experiment.job import Fitted, Job
from aisle.experiment.recipe import Recipe, parse_recipe, recipe_as_dict
from aisle.experiment.registry import MODELS
from aisle.experiment.request import (
    Answer,
    Request,
    context_words_of,
    reason_columns,
    removed_table,
    shelf_arrays,
    shelf_from,
    shelf_of,
)
from aisle.experiment.saved_model import HINT, read_saved, write_saved
from aisle.features.context_words import ContextWords
from aisle.features.histories import Histories
from aisle.features.vocabulary import vocabulary_arrays, vocabulary_of
from aisle.recommend.knowledge import Knowledge, Memory, Shoppers, tell
from aisle.recommend.recommender import Recommendations, similar_items
from aisle.recommend.rules import Rules
from aisle.recommend.scorer import Scorer
from aisle.schema.events import Event
from aisle.train.checkpoint import Checkpoints
from aisle.train.watch import EpochRecord, Watch


class Recommender:
    """A model with the maps and histories that it needs to answer for raw ids.

    Args:
        recipe: which model, how it is trained, split and measured.

    Example:
        >>> model = Recommender(load_recipe("item-knn")).fit(Dataset(folder))      # doctest: +SKIP
        >>> model.recommend(["u0000017"], k=5)                                     # doctest: +SKIP
        >>> model.evaluate().means["HR@10"]                                        # doctest: +SKIP
    """

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.fitted: Fitted | None = None
        self._split: Split | None = None

    def fit(
        self,
        dataset: Dataset,
        split: Split | None = None,
        *,
        watch: Watch | None = None,
        checkpoints: Checkpoints | None = None,
    ) -> Self:
        """Learn from the training part of a dataset.

        Args:
            dataset: a prepared dataset.
            split: how it is cut; by default as the recipe says.
            watch: callbacks; without its own `validate`, NDCG on the validation cases chooses the epoch.
            checkpoints: where to keep an epoch at a time, for `resume`.

        Raises:
            AisleError: E5xx when training cannot go on (no such device, a loss that is no number, another run's checkpoint).
        """
        split = split or cut(dataset, self.recipe.split)
        self._split = split
        days = self.recipe.evaluate.fallback_days
        self._facts = facts_of(dataset, split, refit=self.recipe.train.refit, fallback_days=days)
        watch = watch or Watch()
        if watch.validate is None and len(split.validation):
            train_only = facts_of(dataset, split, refit=False, fallback_days=days)
            watch = dataclasses.replace(watch, validate=self._validation(train_only))
        kind = MODELS[self.recipe.model]
        self.fitted = kind.fit(self.recipe.parameters, Job(dataset, split, self.recipe.train, watch, checkpoints))
        self.scorer: Scorer = self.fitted.model
        self.users, self.items = dataset.users, dataset.items
        self.context_words, self._shelf = context_words_of(dataset), shelf_of(dataset)
        self._remember(dataset.histories)
        return self

    def _remember(self, histories: Histories) -> None:
        """Keep what the model may know of each user, and what the user has seen, as the split's questions do."""
        self.known, self.seen = self.memory.known(histories), self.memory.seen(histories)

    @property
    def memory(self) -> Memory:
        """Which events of a user the model may know, and which make an item no news."""
        config = self.recipe.split
        return Memory(config.positive_events, config.seen_events, config.known_events)

    @property
    def knowledge(self) -> Knowledge:
        """What answers need beside the model."""
        return Knowledge(self.recipe.model, self._facts.fallback, self._shelf, self.recipe.rules, self.memory)

    @property
    def validation_metric(self) -> str:
        """The metric that chooses the epoch; with a minus before it where less is better."""
        return "-RMSE" if self.recipe.evaluate.protocol == "rating" else f"NDCG@{self.recipe.evaluate.k[0]}"

    @property
    def records(self) -> Sequence[EpochRecord]:
        """One record an epoch of training."""
        return self._need_fit().records

    def _validation(self, train_only: Facts) -> Callable[[Scorer], float]:
        """Return what measures an epoch; its facts come from the training part alone, whatever the final model learns from."""
        assert self._split is not None
        cases = self._split.validation
        quick = dataclasses.replace(self.recipe.evaluate, lists=False, resamples=0)
        name = self.validation_metric
        sign = -1 if name.startswith("-") else 1
        return lambda scorer: sign * evaluate(scorer, cases, quick, train_only).means[name.removeprefix("-")]

    def validate(self) -> float:
        """Measure a model that learned from the training part alone on the validation cases; higher is better.

        Returns:
            `validation_metric` of the fitted model: what epochs and settings are chosen by.

        Raises:
            AisleError: E309 for a model loaded without its dataset, E311 for one that learned the validation answers.
        """
        fitted = self._need_fit()
        if self._split is None:
            raise AisleError("a loaded model carries no validation cases", hint="load it with its dataset", code="E309")
        if self.recipe.train.refit and len(self._split.validation):
            raise AisleError(
                "train.refit is true: this model has learned the validation answers, so they say nothing about it",
                hint="fit it with train.refit=false to validate it",
                code="E311",
            )
        return self._validation(self._facts)(fitted.model)

    def evaluate(self, cases: Cases | None = None, config: EvaluateConfig | None = None) -> Evaluation:
        """Measure on the test cases of the split (or on others), as the recipe's protocol says (or another).

        Raises:
            AisleError: E309 for a model loaded without its dataset, when no cases are given: it carries no test answers.
        """
        cases = self.test_cases if cases is None else cases
        return evaluate(self.scorer, cases, config or self.recipe.evaluate, self._facts)

    @property
    def test_cases(self) -> Cases:
        """The test part of the split.

        Raises:
            AisleError: E309 for a model loaded without its dataset.
        """
        if self._split is None:
            raise AisleError("a loaded model carries no test cases", hint="load it with its dataset, or pass cases", code="E309")
        return self._split.test

    def recommend(
        self,
        users: Sequence[Any],
        *,
        k: int = 10,
        filter_seen: bool = True,
        candidates: Sequence[Any] | None = None,
        context: Mapping[str, Any] | None = None,
        rules: Rules | None = None,
    ) -> pl.DataFrame:
        """Return the k best items for each user.

        Args:
            users: raw user ids. One that nobody knows gets popular items, said so in `source`.
            k: list length; fewer where fewer can be recommended.
            filter_seen: leave out what the user has already seen, as the recipe's `split.seen_events` says.
            candidates: raw item ids to choose from; those not in the catalogue cannot be recommended.
            context: context column of the log -> raw value, such as {"daytime": "evening"}: the circumstances of the moment,
                for models that read them. A value that the log did not have says nothing.
            rules: what the shop allows in a list; None = the recipe's `[rules]`. They hold for popular items too.

        Returns:
            Columns user_id, item_id, score, rank (from 1), source ("model" or "popular"), reason (in words) and
            because_item_id (the user's own item that the reason names, or null), best first for each user.

        Raises:
            AisleError: E305 when none of the candidates is in the catalogue, E312 for an unknown context column, E373 and E376
                for a rule that cannot be kept with what the model knows.
        """
        return self.answer(users, Request(k, filter_seen, candidates, context, rules)).table

    def answer(self, users: Sequence[Any], request: Request) -> Answer:
        """Return the lists of `recommend`, and what rules took out of them."""
        code_B = self.users.encode(users)
        allowed, candidates = None, request.candidates
        if candidates is not None:
            allowed = self.items.encode(candidates)
            allowed = allowed[allowed >= 0]
            if not len(allowed):
                raise AisleError(
                    f"none of the {len(candidates)} candidates is in the catalogue",
                    hint="candidates are raw item ids as in the log",
                    code="E305",
                )
        context = None if request.context is None else self.context_words.encode(request.context, len(code_B))
        seen = None if self.seen is None else self.seen.take(code_B)
        shoppers = Shoppers(code_B, self.known.take(code_B).at(context), seen)
        told = tell(
            self.scorer,
            self.knowledge,
            shoppers,
            k=request.k,
            filter_seen=request.filter_seen,
            allowed=allowed,
            rules=request.rules,
        )
        lists, why = told.lists, told.reasons
        source = pl.Series("source", lists.source, dtype=pl.String)
        table = self._table("user_id", list(users), lists, more={"source": source, **reason_columns(why, lists, self.items)})
        return Answer(table, removed_table(lists, users))

    def similar_items(self, items: Sequence[Any], *, k: int = 10) -> pl.DataFrame:
        """Return the k items most like each given one, of those that may be shown.

        What the catalogue says cannot be bought is not shown, nor what the price rules of the recipe's `[rules]` close.

        Returns:
            Columns item_id (the one asked about), similar_item_id, score, rank.

        Raises:
            AisleError: E306 for an item that is not in the catalogue, E373 for a price rule without prices.
        """
        codes = self.items.encode(items)
        for item, code in zip(items, codes, strict=True):
            if code < 0:
                raise AisleError(
                    f"item {item!r} is not in this model's catalogue of {len(self.items):,} items",
                    hint="use a raw item id as in the log",
                    code="E306",
                )
        lists = similar_items(self.scorer, codes, k=k, open_V=self.knowledge.shown)
        return self._table("item_id", list(items), lists, answer="similar_item_id")

    def histories(self, users: Sequence[Any]) -> tuple[NDArray[np.int64], Histories]:
        """Return user codes, -1 for an unknown user, and what the model knows of each: (B,), B histories."""
        code_B = self.users.encode(users)
        return code_B, self.known.take(code_B)

    def known_events(self, user: Any) -> list[tuple[int | str, str]]:
        """Return what a user did, oldest first: raw item id and the event's name; empty for an unknown user."""
        known = self.known.take(self.users.encode([user]))
        return list(zip(self.items.decode(known.item), [Event(code).name for code in known.event], strict=True))

    def _table(
        self,
        key: str,
        asked: list[Any],
        lists: Recommendations,
        answer: str = "item_id",
        more: Mapping[str, pl.Series] | None = None,
    ) -> pl.DataFrame:
        return pl.DataFrame(
            {
                key: pl.Series([asked[row] for row in lists.row], strict=False),
                answer: pl.Series(self.items.decode(lists.item), dtype=pl.String if self.items.kind == "string" else pl.Int64),
                "score": lists.score,
                "rank": lists.rank,
                **(more or {}),
            }
        )

    def save(self, folder: Path, *, overwrite: bool = False) -> None:
        """Write the model: one JSON file, one safetensors file. Loading needs neither the dataset nor pickle."""
        arrays = {f"model.{name}": array for name, array in self._need_fit().model.state().items()}
        arrays |= vocabulary_arrays("users", self.users) | vocabulary_arrays("items", self.items)
        arrays |= self.known.arrays("known")
        arrays |= {} if self.seen is None else self.seen.arrays("seen")
        arrays |= {"facts.fallback": self._facts.fallback, "facts.item_events": self._facts.item_events}
        arrays |= {"facts.user_events": self._facts.user_events} | self.context_words.arrays() | shelf_arrays(self._shelf)
        write_saved(folder, recipe_as_dict(self.recipe), arrays, overwrite=overwrite)

    @classmethod
    def load(cls, folder: Path, dataset: Dataset | None = None) -> Recommender:
        """Read a model that `save` wrote.

        Args:
            folder: where it lies.
            dataset: the one that it was trained on, for `evaluate` as it was after `fit`. Without it a model recommends, and
                evaluates cases that it is given without the metrics that need prices, categories or segments.

        Raises:
            AisleError: E307 when there is none, or it is newer or damaged.
        """
        about, arrays = read_saved(Path(folder))
        self = cls(parse_recipe(about["recipe"], str(folder)))
        try:
            self._put(arrays)
        except (KeyError, ValueError, RuntimeError, IndexError) as error:  # arrays of another model, or of other shapes
            raise AisleError(
                f"the arrays of {folder} do not make a {self.recipe.model}: {str(error).splitlines()[0]}", hint=HINT, code="E307"
            ) from error
        if dataset is not None:
            self._split = cut(dataset, self.recipe.split)
            days = self.recipe.evaluate.fallback_days
            self._facts = facts_of(dataset, self._split, refit=self.recipe.train.refit, fallback_days=days)
        return self

    def _put(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take over what `save` wrote."""
        state = {name.removeprefix("model."): array for name, array in arrays.items() if name.startswith("model.")}
        model = MODELS[self.recipe.model].load(self.recipe.parameters, state)
        self.fitted = Fitted(model, (), None, "cpu", 0.0)
        self.scorer = model
        self.users, self.items = vocabulary_of("users", arrays), vocabulary_of("items", arrays)
        self.context_words, self._shelf = ContextWords.from_arrays(arrays), shelf_from(arrays)
        self.known = Histories.from_arrays("known", arrays)
        self.seen = Histories.from_arrays("seen", arrays) if "seen.offsets" in arrays else None
        self._facts = Facts(arrays["facts.fallback"], arrays["facts.item_events"], arrays["facts.user_events"])

    def _need_fit(self) -> Fitted:
        if self.fitted is None:
            raise AisleError("this model is not fitted", hint="call fit(dataset) first", code="E308")
        return self.fitted
