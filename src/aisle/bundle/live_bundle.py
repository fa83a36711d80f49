"""A bundle whose catalogue changes while it serves: each change gives a new whole bundle, the old one stays as it is."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from aisle.bundle.bundle import Bundle
from aisle.bundle.grown_scorer import GrownScorer
from aisle.bundle.live_catalogue import ItemChange, LiveCatalogue
from aisle.bundle.new_items import GrownIndex, Kinship, NewItems
from aisle.bundle.scorer_vectors import VectorScorer
from aisle.recommend.scorer import Scorer


class LiveBundle:
    """Keeps what is needed to make new items like known ones; safe to be changed from several threads.

    Args:
        base: as it was opened.
    """

    def __init__(self, base: Bundle) -> None:
        self.base = base
        self._now = base
        self._new: NewItems | None = None
        self._lock = threading.Lock()

    @property
    def now(self) -> Bundle:
        """The bundle over the latest state of the catalogue."""
        return self._now

    def change(self, changes: Sequence[ItemChange]) -> Bundle:
        """Change the catalogue: all of the changes or, where one is refused, none.

        The work is that of what is changed, and one pass over a column that is; new items add a pass over the popular items.
        The first of them makes an index of all titles, about 10 s for a million: call this in a thread of its own. What is
        served meanwhile is served as before; only further changes wait.

        Returns:
            The bundle that answers from now on.

        Raises:
            AisleError: E037 for a change that cannot be.
        """
        with self._lock:
            live = self._now.live.with_changes(changes)
            return self._show(live, live.changed.tolist())

    def go_back(self, bundle: Bundle) -> None:
        """Take over the catalogue of an earlier bundle."""
        with self._lock:
            self._show(bundle.live, None)

    def _show(self, live: LiveCatalogue, changed: Sequence[int] | None) -> Bundle:
        """Make the bundle over a state of the catalogue; `changed` since the last one, None = anything may have."""
        new = self._new
        if len(live.new_codes):
            new = (new or NewItems(self._kinship())).follow(live, changed)
        elif new is not None:
            new = NewItems(new.kinship)
        if new is None or not new.kin_M:
            shown = self.base
        else:
            shown = self._now if new is self._new else _grown(self.base, self._now.scorer, new)
        self._now = replace(shown, live=live, knowledge=replace(shown.knowledge, shelf=live.shelf))
        self._new = new
        return self._now

    def _kinship(self) -> Kinship:
        scorer, everything = self.base.scorer, self.base.knowledge.fallback > -1
        scorable_V = scorer.scorable_V if isinstance(scorer, VectorScorer) else everything
        return Kinship(self.base.catalogue, scorable_V)


def _grown(base: Bundle, before: Scorer, new: NewItems) -> Bundle:
    """Return a bundle with room for new items; what did not change is taken from the scorer that answered before."""
    n_base, n_items = len(base.items), len(base.items) + len(new.kin_M)
    scorer = GrownScorer.of(base.scorer, n_base, new, before if isinstance(before, GrownScorer) else None)
    # Nobody has met the new ones yet: as popular items they come last.
    fallback_V = np.concatenate([base.knowledge.fallback, np.zeros(len(new.kin_M), np.float32)])
    nearest = None
    if base.nearest is not None and scorer.later is not None:
        index = GrownIndex(base.nearest.index, n_base, scorer.later.item_vectors, scorer.later.scorable_V)
        nearest = base.nearest.grown(scorer, index, n_items, base.knowledge.fallback)
    return replace(base, scorer=scorer, nearest=nearest, knowledge=replace(base.knowledge, fallback=fallback_V))
