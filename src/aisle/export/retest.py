"""A bundle measured on the test cases of a newer run: what it would answer today, knowing the shoppers' newest events."""

# B shoppers   N candidates   V items of the new dataset   W items of the bundle

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from aisle.bundle.bundle import Bundle
from aisle.dataset.reader import Dataset
from aisle.dataset.split import split as cut
from aisle.evaluate.evaluation import Evaluation, evaluate
from aisle.experiment.facts import facts_of
from aisle.experiment.request import context_words_of
from aisle.experiment.run import Run
from aisle.export.unseen import check_left_out, check_splits
from aisle.features.histories import Histories
from aisle.features.vocabulary import Vocabulary
from aisle.recommend.scorer import Scorer


@dataclass(frozen=True)
class Retested:
    """What a bundle reached.

    Attributes:
        evaluation: on the questions of the run.
        unchecked: why nobody can say whether the bundle learned some of the answers; "" where it did not.
    """

    evaluation: Evaluation
    unchecked: str


def retest(bundle: Bundle, run: Run) -> Retested:
    """Ask a bundle the test questions of a run, as the run's own model was asked.

    The bundle knows its own catalogue and shoppers: what came later it cannot recommend, and an unknown shopper gets its own
    popular items. Of the shoppers' events it is told everything that the run's questions know, as a service would have.

    Args:
        bundle: trained on an older dataset of the same shop.
        run: whose dataset is where it was.

    Raises:
        AisleError: E049 when the bundle may have learned from events that these questions ask for, E404 when the run's dataset
            is gone.
    """
    learned, asked = bundle.metrics.get("split", {}), run.metrics["split"]
    check_splits(learned, asked)
    dataset = run.dataset()
    parts = cut(dataset, run.recipe.split)
    old, unchecked = Translated.of(bundle, dataset), ""
    if asked["kind"] == "leave-one-out":
        remembered = bundle.known.take(old.user[parts.test.user])
        target_C, ordered = old.item[parts.test.target_item], dataset.manifest.time_kind == "order"
        unchecked = check_left_out(learned, remembered, target_C, parts.test, ordered=ordered)
    facts = facts_of(dataset, parts, refit=run.recipe.train.refit, fallback_days=run.recipe.evaluate.fallback_days)
    facts = replace(facts, fallback=old.widen(bundle.knowledge.fallback))
    return Retested(evaluate(old, parts.test, run.recipe.evaluate, facts), unchecked)


@dataclass(frozen=True)
class Translated:
    """A bundle's model that answers in the codes of another dataset.

    Attributes:
        scorer: the bundle's, for W items.
        user: (U,) the bundle's code of each user of the dataset, -1 for one that it does not know.
        item: (V,) the same of each item.
        context: one array a column of the bundle's context, code of the dataset -> code of the bundle; its last entry, where
            the code -1 leads, is -1.
        column: which column of the dataset's context each of these is, -1 = none.
    """

    scorer: Scorer
    user: NDArray[np.int64]
    item: NDArray[np.int64]
    context: tuple[NDArray[np.int64], ...]
    column: tuple[int, ...]

    @classmethod
    def of(cls, bundle: Bundle, dataset: Dataset) -> Translated:
        """Match users, items and words of the context by their raw ids."""
        words = context_words_of(dataset).vocabularies
        names = list(words)
        column = tuple(names.index(name) if name in words else -1 for name in bundle.context.vocabularies)
        context = tuple(
            np.append(_codes(ours, words[name]), -1) if name in words else np.array([-1])
            for name, ours in bundle.context.vocabularies.items()
        )
        return cls(bundle.scorer, _codes(bundle.users, dataset.users), _codes(bundle.items, dataset.items), context, column)

    def knows(self, user_B: NDArray[np.int64], known: Histories) -> NDArray[np.bool_]:
        """Say for which shoppers the bundle's model has more to offer than popularity: (B,) bool."""
        return self.scorer.knows(self._users(user_B), self._histories(known))

    def score(self, user_B: NDArray[np.int64], known: Histories) -> NDArray[np.float32]:
        """Score the dataset's catalogue: (B, V) float32, -inf for items that the bundle does not know."""
        return self.widen(self.scorer.score(self._users(user_B), self._histories(known)))

    def score_items(self, user_B: NDArray[np.int64], known: Histories, item_BN: NDArray[np.int64]) -> NDArray[np.float32]:
        """Score given items only: (B, N) -> (B, N) float32."""
        code_BN = self.item[item_BN]
        score_BN = self.scorer.score_items(self._users(user_B), self._histories(known), np.maximum(code_BN, 0))
        return np.where(code_BN >= 0, score_BN, np.float32(-np.inf))

    def similar(self, item_B: NDArray[np.int64]) -> NDArray[np.float32]:
        """Score how alike every item is to each given one: (B,) -> (B, V) float32."""
        code_B = self.item[item_B]
        score_BV = self.widen(self.scorer.similar(np.maximum(code_B, 0)))
        score_BV[code_B < 0] = -np.inf
        return score_BV

    def widen(self, score_W: NDArray[np.float32]) -> NDArray[np.float32]:
        """Put scores of the bundle's items in the places of the dataset's: (..., W) -> (..., V), -inf where there are none."""
        score_V = np.full((*score_W.shape[:-1], len(self.item)), -np.inf, np.float32)
        there_V = self.item >= 0
        score_V[..., there_V] = score_W[..., self.item[there_V]]
        return score_V

    def _users(self, user_B: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.where(user_B >= 0, self.user[user_B], -1)

    def _histories(self, known: Histories) -> Histories:
        """Translate histories; an event with an item that the bundle does not know says nothing."""
        kept = known.where(self.item[known.item] >= 0)
        item_E = self.item[kept.item].astype(np.int32)
        return replace(kept, item=item_E, context=self._context(known.context))

    def _context(self, context_BF: NDArray[np.int32] | None) -> NDArray[np.int32] | None:
        if context_BF is None or not self.context:
            return None
        columns = [
            codes[context_BF[:, column] if column >= 0 else np.full(len(context_BF), -1)]
            for codes, column in zip(self.context, self.column, strict=True)
        ]
        return np.stack(columns, axis=1).astype(np.int32)


def _codes(ours: Vocabulary, theirs: Vocabulary) -> NDArray[np.int64]:
    """Return our code of each of their ids, -1 where we do not have it."""
    return ours.encode(theirs.decode(range(len(theirs))))
