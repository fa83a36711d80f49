"""A bundle whose catalogue changes while it serves: each change gives a new whole bundle, the old one stays as it is."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from aisle.bundle.bundle import Bundle
from aisle.bundle.live_catalogue import ItemChange, LiveCatalogue
from aisle.bundle.new_items import Kinship, NewItems
from aisle.bundle.scorer_vectors import VectorScorer


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

        The first new item makes an index of all titles, about 5 s for a million; what is served meanwhile is served as before.

        Returns:
            The bundle that answers from now on.

        Raises:
            AisleError: E037 for a change that cannot be.
        """
        with self._lock:
            return self._show(self._now.live.with_changes(changes))

    def follow(self, live: LiveCatalogue) -> Bundle:
        """Take over the state of another bundle's catalogue, such as that of the one this one replaces, with all changes."""
        with self._lock:
            return self._show(live)

    def _show(self, live: LiveCatalogue) -> Bundle:
        if len(live.new_codes):
            self._new = (self._new or NewItems(self._kinship())).follow(live)
        self._now = self.base.changed(live, self._new)
        return self._now

    def _kinship(self) -> Kinship:
        scorer, everything = self.base.scorer, self.base.knowledge.fallback > -1
        scorable_V = scorer.scorable_V if isinstance(scorer, VectorScorer) else everything
        return Kinship(self.base.catalogue, scorable_V)
