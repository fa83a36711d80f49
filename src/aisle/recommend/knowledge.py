"""What answers need beside the model: popularity, the shelf, the rules, and which events of a shopper are remembered.

Recommending from a notebook and serving both go through here, so what was tried is what is served.
"""

# B shoppers   V items   K places in a list

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aisle.errors import AisleError
from aisle.features.histories import Histories, last_events, together
from aisle.recommend.reasons import Reasons, explain, for_request
from aisle.recommend.recommender import Recommendations, recommend
from aisle.recommend.rules import Gate, Rules, Shelf, open_to_all
from aisle.recommend.scorer import Scorer
from aisle.schema.events import Event


@dataclass(frozen=True)
class Memory:
    """Which events of a shopper are remembered, and what for: three keys of a recipe's [split].

    Attributes:
        positive_events: what a model may know.
        seen_events: what makes an item no news; None = the positive events.
        known_events: a model knows at most so many of the last positive events; None = all.
    """

    positive_events: tuple[str, ...]
    seen_events: tuple[str, ...] | None = None
    known_events: int | None = None

    @property
    def events(self) -> frozenset[str]:
        """Every kind of event that is remembered."""
        return frozenset({*self.positive_events, *(self.seen_events or ())})

    @property
    def apart(self) -> bool:
        """Whether what was seen is something else than what is known."""
        return self.known_events is not None or set(self.seen_events or self.positive_events) != set(self.positive_events)

    def known(self, histories: Histories) -> Histories:
        """Return what a model may know of some histories."""
        return last_events(_only(histories, self.positive_events), self.known_events)

    def seen(self, histories: Histories) -> Histories | None:
        """Return what makes items no news; None = the same that is known."""
        return _only(histories, self.seen_events or self.positive_events) if self.apart else None


@dataclass(frozen=True)
class Shoppers:
    """B shoppers at the moment of asking.

    Attributes:
        user: (B,) int64 user codes, -1 for a user that is not in the dataset.
        known: B histories, what the model may look at.
        seen: B histories of what is no news; None = `known`.
    """

    user: NDArray[np.int64]
    known: Histories
    seen: Histories | None

    def __len__(self) -> int:
        return len(self.user)

    def take(self, rows: NDArray[np.integer]) -> Shoppers:
        """Return some of them."""
        return Shoppers(self.user[rows], self.known.take(rows), None if self.seen is None else self.seen.take(rows))

    @property
    def met(self) -> Histories:
        """B histories with every event that is remembered; each of `known` and `seen` may have what the other lacks."""
        return self.known if self.seen is None else together(self.known, self.seen)


@dataclass(frozen=True)
class Knowledge:
    """What is the same for every question.

    Attributes:
        name: what the model is called where it gives a reason.
        fallback: (V,) float32 popularity; -inf is never recommended.
        shelf: what rules look at.
        rules: hold where a question brings none of its own.
        memory: which events count.
    """

    name: str
    fallback: NDArray[np.float32]
    shelf: Shelf
    rules: Rules
    memory: Memory

    @property
    def shown(self) -> NDArray[np.bool_] | None:
        """Which items may be shown as similar to another: (V,) bool; None = all.

        What cannot be bought is not, whether or not lists for shoppers leave it out; nor what the shop's prices close. Rules
        about a shopper, and the cap a category, do not apply: what is alike is mostly of one category.

        Raises:
            AisleError: E373 when a price rule needs a column that the catalogue lacks.
        """
        rules = Rules(
            available_only=self.shelf.available is not None, min_price=self.rules.min_price, max_price=self.rules.max_price
        )
        return open_to_all(Gate.of(rules, self.shelf, Histories.empty(0)))

    def gate(self, rules: Rules | None, shoppers: Shoppers) -> Gate:
        """Make rules ready for some shoppers.

        Args:
            rules: None = the shop's own.
            shoppers: who asks.

        Raises:
            AisleError: E373 when a rule needs a column that the catalogue lacks, E376 when one names a kind of event that is
                not remembered.
        """
        rules = self.rules if rules is None else rules
        remembered = ", ".join(sorted(self.memory.events))
        for name in rules.exclude_events:
            if name not in self.memory.events:
                raise AisleError(
                    f"the rule exclude_events names '{name}', and this model remembers {remembered} only",
                    hint=f"train with '{name}' in split.positive_events or split.seen_events",
                    code="E376",
                )
        return Gate.of(rules, self.shelf, shoppers.met if rules.exclude_events else shoppers.known)


@dataclass(frozen=True)
class Told:
    """Lists, and why each item is there; the reasons stand as a table, (B, longest list)."""

    lists: Recommendations
    reasons: Reasons


def tell(  # noqa: PLR0913 - the parts of one question, each by name
    scorer: Scorer,
    knowledge: Knowledge,
    shoppers: Shoppers,
    *,
    k: int = 10,
    filter_seen: bool = True,
    allowed: NDArray[np.integer] | None = None,
    rules: Rules | None = None,
) -> Told:
    """Recommend k items to each shopper and say why.

    Args:
        scorer: the model.
        knowledge: of the shop.
        shoppers: who asks.
        k: list length.
        filter_seen: leave out what is no news.
        allowed: (N,) the only item codes that may be recommended; None = the whole catalogue.
        rules: of these questions; None = the shop's own.

    Raises:
        AisleError: E350 when the model gives NaN, E373 and E376 for a rule that cannot be kept.
    """
    one = for_request(scorer)
    lists = recommend(
        one,
        knowledge.fallback,
        shoppers.user,
        shoppers.known,
        k=k,
        filter_seen=filter_seen,
        seen=shoppers.seen,
        candidates=allowed,
        gate=knowledge.gate(rules, shoppers),
    )
    item_BK = place_items(lists, len(shoppers))
    return Told(lists, explain(one, f"from {knowledge.name}", shoppers.user, shoppers.known, item_BK))


def place_items(lists: Recommendations, n_users: int) -> NDArray[np.int64]:
    """Return the lists as a table, -1 where one has ended: (n_users, longest list)."""
    item_BK = np.full((n_users, int(lists.rank.max(initial=0))), -1, np.int64)
    item_BK[lists.row, lists.rank - 1] = lists.item
    return item_BK


def _only(histories: Histories, names: tuple[str, ...]) -> Histories:
    return histories.where(np.isin(histories.event, [Event[name] for name in names]))
