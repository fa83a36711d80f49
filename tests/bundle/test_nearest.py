"""Lists through an index are those of scoring everything, and cost what is asked for, not what the catalogue holds."""

# V items   D width   B shoppers   K places in a list

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from aisle.bundle.exact import ExactIndex
from aisle.bundle.nearest import Asked, Nearest
from aisle.bundle.scorer_vectors import VectorScorer
from aisle.features.histories import Histories
from aisle.recommend.knowledge import Knowledge, Memory, Shoppers, Told, tell
from aisle.recommend.rules import Rules, Shelf
from tests.recommend.scorers import histories

D = 4
MEMORY = Memory(("purchase",))


@dataclass(frozen=True)
class Table:
    """Knows the first users by heart; whole numbers, so that products are exact in any order."""

    user_UD: NDArray[np.float32]  # noqa: N815 - shape letter

    def knows(self, user_B: NDArray[np.int64], known: Histories) -> NDArray[np.bool_]:
        return (user_B >= 0) & (user_B < len(self.user_UD))

    def ask(self, user_B: NDArray[np.int64], known: Histories) -> tuple[NDArray[np.float32], None]:
        return self.user_UD[user_B], None


class Counted(np.ndarray[Any, Any]):
    """An array that counts how many of its elements are read by index."""

    read = 0

    def __getitem__(self, key: Any) -> Any:
        found = np.asarray(self).__getitem__(key)
        Counted.read += int(np.size(found))
        return found


def counted(nearest: Nearest) -> Nearest:
    return replace(nearest, popular_P=nearest.popular_P.view(Counted), rank_V=nearest.rank_V.view(Counted))


@dataclass(frozen=True)
class Shop:
    """Simulated."""

    nearest: Nearest
    knowledge: Knowledge

    @classmethod
    def of(cls, n_items: int, seed: int = 0, n_users: int = 3) -> Shop:
        rng = np.random.default_rng(seed)
        item_VD = rng.integers(-3, 4, (n_items, D)).astype(np.float32)
        scorable_V = rng.random(n_items) < 0.8
        scorer = VectorScorer(Table(rng.integers(-3, 4, (n_users, D)).astype(np.float32)), item_VD, scorable_V, None, D)
        fallback_V = rng.integers(0, 5, n_items).astype(np.float32)
        fallback_V[rng.random(n_items) < 0.1] = -np.inf
        shelf = Shelf(
            available=rng.integers(0, 2, n_items).astype(np.float32),
            price=rng.integers(1, 9, n_items).astype(np.float32),
            category=rng.integers(-1, 4, n_items).astype(np.int32),
        )
        knowledge = Knowledge("table", fallback_V, shelf, Rules(), MEMORY)
        return cls(Nearest.of(scorer, ExactIndex(item_VD, scorable_V), fallback_V), knowledge)

    def both(self, shoppers: Shoppers, k: int, allowed_V: NDArray[np.bool_] | None, rules: Rules, seen: bool) -> list[Told]:
        allowed = None if allowed_V is None else np.flatnonzero(allowed_V)
        scorer = self.nearest.scorer
        return [
            self.nearest.tell(self.knowledge, shoppers, Asked(k, seen, allowed_V, rules)),
            tell(scorer, self.knowledge, shoppers, k=k, filter_seen=seen, allowed=allowed, rules=rules),
        ]


RULES = [
    Rules(),
    Rules(available_only=True),
    Rules(max_price=3.0),
    Rules(exclude_events=("purchase",)),
    Rules(max_per_category=1),
    Rules(max_per_category=2, available_only=True, exclude_events=("purchase",)),
]


@settings(deadline=None)  # of a machine with other work
@given(st.integers(0, 10_000), st.sampled_from(RULES), st.booleans(), st.sampled_from([None, 0.05, 0.3, 0.9]))
def test_the_lists_are_those_of_scoring_everything(seed: int, rules: Rules, filter_seen: bool, share: float | None) -> None:
    rng = np.random.default_rng(seed)
    shop = Shop.of(int(rng.integers(1, 60)), seed)
    n_items = len(shop.knowledge.fallback)
    rows = [rng.integers(0, n_items, rng.integers(0, 9)).tolist() for _ in range(5)]
    shoppers = Shoppers(np.array([0, 1, -1, 2, -1]), histories(*rows), None)
    allowed_V = None if share is None else rng.random(n_items) < share
    quick, full = shop.both(shoppers, int(rng.integers(1, 15)), allowed_V, rules, filter_seen)
    for name in ("row", "item", "score", "rank", "from_model"):
        assert getattr(quick.lists, name).tolist() == getattr(full.lists, name).tolist(), name


@pytest.mark.parametrize("n_open", [20, 900])
def test_filling_a_list_looks_at_what_the_filter_leaves_and_not_at_the_catalogue(n_open: int) -> None:
    n_items = 50_000
    shop = Shop.of(n_items, n_users=0)
    allowed_V = np.zeros(n_items, np.bool_)
    allowed_V[np.random.default_rng(1).choice(n_items, n_open, replace=False)] = True
    nearest = counted(shop.nearest)
    Counted.read = 0
    strangers = Shoppers(np.full(3, -1), Histories.empty(3), None)
    lists = nearest.tell(shop.knowledge, strangers, Asked(500, allowed_V=allowed_V)).lists
    open_ones = np.flatnonzero(allowed_V & (shop.knowledge.fallback > -np.inf))
    assert len(lists) == 3 * min(500, len(open_ones))
    assert Counted.read <= 3 * n_open  # once for all who ask


def test_filling_a_list_from_the_whole_catalogue_looks_at_its_most_popular_items_alone() -> None:
    shop = Shop.of(50_000, n_users=0)
    nearest = counted(shop.nearest)
    for rules, most in ((Rules(), 10), (Rules(available_only=True), 100)):  # half of the items are available
        Counted.read = 0
        assert (
            len(nearest.tell(shop.knowledge, Shoppers(np.array([-1]), Histories.empty(1), None), Asked(rules=rules)).lists) == 10
        )
        assert Counted.read <= most


@settings(deadline=None)
@given(st.integers(0, 10_000))
def test_who_asks_for_something_else_gets_what_they_get_alone(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shop = Shop.of(int(rng.integers(1, 60)), seed)
    n_items = len(shop.knowledge.fallback)
    rows = [rng.integers(0, n_items, rng.integers(0, 9)).tolist() for _ in range(6)]
    shoppers = Shoppers(np.array([0, 1, -1, 2, -1, 1]), histories(*rows), None)
    groups = [(0, 3), (1,), (2, 4, 5)]
    asked = [
        Asked(
            int(rng.integers(1, 15)), bool(rng.random() < 0.5), rng.random(n_items) < 0.5, RULES[rng.integers(6)], np.array(some)
        )
        for some in groups
    ]
    told = shop.nearest.tell(shop.knowledge, shoppers, *asked)
    for one in asked:
        assert one.rows is not None
        alone = shop.nearest.tell(shop.knowledge, shoppers.take(one.rows), replace(one, rows=None))
        for place, row in enumerate(one.rows):
            theirs, mine = told.lists.row == row, alone.lists.row == place
            assert told.lists.item[theirs].tolist() == alone.lists.item[mine].tolist()
            assert told.lists.score[theirs].tolist() == alone.lists.score[mine].tolist()
            n = np.count_nonzero(mine)
            assert told.reasons.because[row, :n].tolist() == alone.reasons.because[place, :n].tolist()
