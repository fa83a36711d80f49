import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aisle.errors import AisleError
from aisle.features.histories import Histories
from aisle.recommend.lists import Lists
from aisle.recommend.recommender import recommend
from aisle.recommend.rules import ALL, Gate, Rules, Shelf, cap_lists
from aisle.schema.events import Event
from tests.recommend.scorers import TableScorer, histories

OUT = -np.inf
NAN = np.nan
TABLE = np.array([[0.9, 0.8, 0.7, 0.6, 0.5, OUT]], np.float32)  # item 5 can only fill a list
POPULAR = np.array([1, 2, 3, 4, 5, 6], np.float32)
SHELF = Shelf(
    available=np.array([1, 0, 1, NAN, 1, 1], np.float32),
    price=np.array([5, 10, 15, 20, NAN, 10], np.float32),
    category=np.array([0, 0, 0, 1, -1, 1], np.int32),
)


def items(rules: Rules, known: Histories, k: int = 3, table: np.ndarray = TABLE) -> tuple[list[int], dict[str, int]]:
    """The items of one shopper's list, and what the rules took."""
    gate = Gate.of(rules, SHELF, known)
    result = recommend(TableScorer(table), POPULAR, np.array([0]), known, k=k, filter_seen=False, gate=gate)
    return result.item.tolist(), {name: int(count[0]) for name, count in result.removed.items()}


def test_without_rules_nothing_is_removed() -> None:
    assert items(Rules(), histories([])) == ([0, 1, 2], {})


def test_what_is_not_available_is_left_out_and_what_does_not_say_stays() -> None:
    assert items(Rules(available_only=True), histories([]), k=4) == ([0, 2, 3, 4], {"unavailable": 1})


def test_prices_lie_between_the_bounds_and_a_missing_price_is_within_none() -> None:
    # 10 <= price <= 15: items 1 and 2 of the model's, then item 5 (10) fills the third place. Items 0, 3 and 4 are taken.
    assert items(Rules(min_price=10, max_price=15), histories([])) == ([1, 2, 5], {"price": 3})


def test_what_was_bought_is_left_out_and_what_was_viewed_stays() -> None:
    known = histories([0, 1])
    known.event[:] = [Event.purchase, Event.view]
    assert items(Rules(exclude_events=("purchase",)), known) == ([1, 2, 3], {"exclude_events": 1})


def test_a_cap_passes_over_what_is_too_much_and_keeps_the_order() -> None:
    # In order: 0 (category 0), 1 (0), 2 (0, too much), 3 (1), 4 (no category).
    assert items(Rules(max_per_category=2), histories([]), k=4) == ([0, 1, 3, 4], {"max_per_category": 1})


def test_popular_items_that_fill_a_list_keep_every_rule() -> None:
    unknown = np.full((1, 6), OUT, np.float32)
    known = histories([5])
    # By popularity 5, 4, 3, 2, 1, 0. Bought: 5. Unavailable: 1.
    rules = Rules(exclude_events=("purchase",), available_only=True)
    assert items(rules, known, k=6, table=unknown)[0] == [4, 3, 2, 0]
    # At most one of category 0: after item 2, item 0 is too much.
    assert items(dataclasses.replace(rules, max_per_category=1), known, k=6, table=unknown)[0] == [4, 3, 2]


def test_popular_items_are_neither_seen_nor_forbidden() -> None:
    unknown, bought = np.full((1, 6), OUT, np.float32), histories([5])
    gate = Gate.of(Rules(exclude_events=("purchase",)), SHELF, bought)
    result = recommend(TableScorer(unknown), POPULAR, np.array([0]), histories([]), k=6, seen=histories([3]), gate=gate)
    assert result.item.tolist() == [4, 2, 1, 0]


def test_an_item_that_two_rules_forbid_is_counted_once() -> None:
    # Item 1 is both unavailable and too cheap; items 0 (5) and 4 (no price) are out by price.
    _, removed = items(Rules(available_only=True, min_price=12), histories([]))
    assert removed == {"unavailable": 1, "price": 2}


def test_rules_that_cannot_be_kept_are_refused() -> None:
    with pytest.raises(AisleError, match="catalogue column 'price'") as caught:
        Gate.of(Rules(max_price=5), Shelf(), histories([]))
    assert caught.value.code == "E373"
    for bad in ({"min_price": 5, "max_price": 4}, {"max_per_category": 0}):
        with pytest.raises(AisleError) as caught:
            Rules(**bad)  # type: ignore[arg-type]
        assert caught.value.code == "E372"
    with pytest.raises(AisleError, match="did you mean 'purchase'"):
        Rules(exclude_events=("purchse",))


def test_a_cap_looks_as_far_down_as_it_must() -> None:
    n = 400
    category = np.zeros(n, np.int32)
    category[-2:] = 1
    score = np.arange(n, 0, -1, dtype=np.float32)[None]  # the two of another category stand last
    gate = Gate(category=category, cap=1)
    result = recommend(TableScorer(score), np.zeros(n, np.float32), np.array([0]), histories([]), k=2, gate=gate)
    assert result.item.tolist() == [0, n - 2]
    assert result.removed["max_per_category"].tolist() == [9]  # of the 5 * 2 best


@given(st.integers(0, 200), st.integers(1, 3), st.integers(1, 6))
def test_a_capped_list_is_that_of_a_walk_down_the_list(seed: int, cap: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    category = rng.integers(-1, 3, 12).astype(np.int32)
    place = rng.permutation(12)[None, : rng.integers(1, 13)].astype(np.int32)
    lists = Lists(place, -np.arange(place.shape[1], dtype=np.float32)[None], np.ones(place.shape, np.bool_))
    expected: list[int] = []
    passed, count = 0, {0: 0, 1: 0, 2: 0}
    for item in place[0]:
        kind = int(category[item])
        if len(expected) == k:
            break
        if kind >= 0 and count[kind] >= cap:
            passed += 1
            continue
        expected.append(int(item))
        count[kind] = count.get(kind, 0) + 1
    got, passed_B = cap_lists(lists, category, cap, k)
    assert [item for item in got.place[0].tolist() if item >= 0] == expected
    assert passed_B.tolist() == [passed]


def walked(order: list[int], category: np.ndarray, cap: int, k: int) -> list[int]:
    """Walk down a whole order, with no thought of what it costs."""
    kept: list[int] = []
    for item in order:
        alike = sum(category[other] == category[item] for other in kept)
        if len(kept) < k and (category[item] < 0 or alike < cap):
            kept.append(item)
    return kept


@settings(deadline=None)  # of a machine with other work
@given(st.integers(0, 10_000), st.integers(1, 3), st.integers(1, 8))
def test_a_capped_answer_is_that_of_a_walk_down_the_whole_catalogue(seed: int, cap: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(5, 150))
    table = rng.integers(0, 40, (3, n)).astype(np.float32)  # many are equal
    table[rng.random(table.shape) < 0.3] = OUT
    popular = np.where(rng.random(n) < 0.2, OUT, rng.integers(0, 9, n)).astype(np.float32)
    category = (rng.zipf(1.5, n) % 12 - 1).astype(np.int32)
    scorer, known = TableScorer(table, frozenset({2})), histories(*[rng.integers(0, n, 5).tolist() for _ in range(3)])
    candidates = None if rng.random() < 0.5 else rng.integers(0, n, n)
    gates = [Gate(taken=known, category=category, cap=cap), Gate(taken=known)]
    capped, whole = [
        recommend(scorer, popular, np.arange(3), known, k=places, filter_seen=False, candidates=candidates, gate=gate)
        for places, gate in zip((k, n), gates, strict=True)
    ]
    for row in range(3):
        order, of_whole = whole.item[whole.row == row].tolist(), np.flatnonzero(whole.row == row)
        expected = walked(order, category, cap, k)
        assert capped.item[capped.row == row].tolist() == expected
        at = of_whole[[order.index(item) for item in expected]]
        assert capped.score[capped.row == row].tolist() == whole.score[at].tolist()
        assert capped.from_model[capped.row == row].tolist() == whole.from_model[at].tolist()


@dataclasses.dataclass
class Shelves:
    """Makes lists in order of the item code, and counts the items that it was made to list."""

    n_items: int
    looked_at: int = 0

    def __call__(self, places: int, rows: slice = ALL, open_N: np.ndarray | None = None, /) -> Lists:
        item = np.arange(self.n_items) if open_N is None else np.flatnonzero(open_N)
        listed = len(range(*rows.indices(2))) * min(places, len(item))
        self.looked_at += listed
        place = np.full((len(range(*rows.indices(2))), places), -1, np.int32)
        place[:, : len(item)] = item[:places]
        return Lists(place, np.zeros(place.shape, np.float32), place >= 0)


def looked_at(category: np.ndarray, cap: int, k: int) -> tuple[list[int], int]:
    """The list of two who ask, and how many items each of them cost."""
    shelves = Shelves(len(category))
    lists, _ = Gate(category=category.astype(np.int32), cap=cap).capped(shelves, k, np.arange(len(category)))
    assert lists.place[0].tolist() == lists.place[1].tolist()
    return [place for place in lists.place[0].tolist() if place >= 0], shelves.looked_at // 2


def test_a_cap_that_cannot_be_filled_looks_no_further_once_every_category_has_its_fill() -> None:
    category = np.arange(100_000) % 20
    assert looked_at(category, 1, 500) == (list(range(20)), 5 * 500)


def test_a_cap_looks_among_what_is_still_open_alone() -> None:
    category = np.concatenate([np.arange(99_970) % 19, np.full(30, 19)])  # the rarest category stands last
    # The first 5 * 500 close 19 categories; the next look finds what they gave and the 30.
    assert looked_at(category, 1, 500) == ([*range(19), 99_970], 5 * 500 + 19 + 30)


def test_what_a_cap_looks_at_does_not_grow_with_the_catalogue() -> None:
    for n in (20_000, 100_000, 400_000):  # long-tailed: most of the items lie in a few categories
        category = np.random.default_rng(0).zipf(2, n) % 2_000
        expected = np.sort(np.unique(category, return_index=True)[1])[:500].tolist()  # the first of each
        found, looked = looked_at(category, 1, 500)
        assert found == expected
        assert looked <= (5 + 20) * 500  # two looks


@given(st.integers(0, 200))
def test_lists_under_rules_do_not_depend_on_who_else_is_asked(seed: int) -> None:
    rng = np.random.default_rng(seed)
    table = rng.random((5, 6), np.float32)
    known = histories(*[rng.integers(0, 6, rng.integers(0, 4)).tolist() for _ in range(5)])
    rules = Rules(exclude_events=("purchase",), available_only=True, max_per_category=1)

    def ask(users: list[int], cells: int) -> list[list[int]]:
        part = known.take(np.array(users))
        result = recommend(
            TableScorer(table, frozenset({3})), POPULAR, np.array(users), part, k=4, filter_seen=False,
            gate=Gate.of(rules, SHELF, part), block_cells=cells,
        )  # fmt: skip
        return [result.item[result.row == row].tolist() for row in range(len(users))]

    together = ask([0, 1, 2, 3, 4], 1000)
    assert [ask([user], 1000)[0] for user in range(5)] == together == ask([0, 1, 2, 3, 4], 12)


def test_rules_are_plain_values() -> None:
    assert Rules().any is False
    assert dataclasses.replace(Rules(), max_price=5.0).any
