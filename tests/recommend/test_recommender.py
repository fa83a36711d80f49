import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from aisle.recommend.knowledge import Knowledge, Memory
from aisle.recommend.recommender import Recommendations, recommend, similar_items
from aisle.recommend.rules import Rules, Shelf
from tests.recommend.scorers import TableScorer, histories

OUT = -np.inf
TABLE = np.array([[0.1, 0.9, 0.5, 0.3], [OUT, OUT, 0.2, OUT]], np.float32)
POPULAR = np.array([4, 3, 2, 1], np.float32)


def lists(result: Recommendations) -> dict[int, list[tuple[int, str]]]:
    """Row -> (item, source) in order of rank."""
    answer: dict[int, list[tuple[int, str]]] = {}
    for row, item, rank, source in zip(result.row, result.item, result.rank, result.source, strict=True):
        answer.setdefault(int(row), []).append((int(item), str(source)))
        assert rank == len(answer[int(row)])
    return answer


def test_the_best_items_come_first_without_those_seen() -> None:
    result = recommend(TableScorer(TABLE), POPULAR, np.array([0]), histories([1]), k=2)
    assert lists(result) == {0: [(2, "model"), (3, "model")]}
    assert np.allclose(result.score, [0.5, 0.3])


def test_seen_items_stay_when_asked_for() -> None:
    result = recommend(TableScorer(TABLE), POPULAR, np.array([0]), histories([1]), k=1, filter_seen=False)
    assert lists(result) == {0: [(1, "model")]}


def test_what_is_seen_can_be_less_than_what_is_known() -> None:
    known, seen = histories([1, 2]), histories([2])
    result = recommend(TableScorer(TABLE), POPULAR, np.array([0]), known, k=4, seen=seen)
    assert lists(result) == {0: [(1, "model"), (3, "model"), (0, "model")]}
    filled = recommend(TableScorer(TABLE), POPULAR, np.array([1]), known, k=4, seen=seen)
    assert lists(filled) == {0: [(0, "popular"), (1, "popular"), (3, "popular")]}
    few = recommend(TableScorer(TABLE), POPULAR, np.array([0]), known, k=4, seen=seen, candidates=np.array([1, 2]))
    assert lists(few) == {0: [(1, "model")]}


def test_an_unknown_user_gets_what_is_popular_and_is_told_so() -> None:
    result = recommend(TableScorer(TABLE), POPULAR, np.array([-1, 0]), histories([], []), k=2)
    assert lists(result) == {0: [(0, "popular"), (1, "popular")], 1: [(1, "model"), (2, "model")]}


def test_a_model_with_too_few_items_is_filled_up_with_what_is_popular() -> None:
    result = recommend(TableScorer(TABLE), POPULAR, np.array([1]), histories([0]), k=3)
    assert lists(result) == {0: [(2, "model"), (1, "popular"), (3, "popular")]}


def test_only_candidates_are_recommended() -> None:
    scorer = TableScorer(TABLE)
    result = recommend(scorer, POPULAR, np.array([0, 1]), histories([2], []), k=3, candidates=np.array([3, 2, 0, 2]))
    assert lists(result) == {0: [(3, "model"), (0, "model")], 1: [(2, "model"), (0, "popular"), (3, "popular")]}


def test_no_candidates_give_no_recommendations() -> None:
    nobody = recommend(TableScorer(TABLE), POPULAR, np.zeros(0, np.int64), histories(), k=3)
    nothing = recommend(TableScorer(TABLE), POPULAR, np.array([0]), histories([0, 1, 2, 3]), k=3)
    empty = recommend(TableScorer(TABLE), POPULAR, np.array([0]), histories([]), k=3, candidates=np.zeros(0, np.int64))
    assert len(nobody) == len(nothing) == len(empty) == 0


def test_similar_items_leave_out_the_item_itself() -> None:
    table = np.array([[1, 5, 3], [5, 1, 0], [3, 0, OUT]], np.float32)
    result = similar_items(TableScorer(table), np.array([0, 2]), k=2)
    assert lists(result) == {0: [(1, "model"), (2, "model")], 1: [(0, "model"), (1, "model")]}


def test_similar_items_are_those_that_may_be_shown() -> None:
    table = np.array([[1, 5, 3], [5, 1, 0], [3, 0, OUT]], np.float32)
    shelf = Shelf(available=np.array([np.nan, 0, 1], np.float32), price=np.array([9, 9, 2], np.float32))
    memory = Memory(("purchase",))
    sold_out = Knowledge("table", POPULAR[:3], shelf, Rules(max_per_category=1, exclude_events=("purchase",)), memory)
    result = similar_items(TableScorer(table), np.array([0, 1]), k=2, open_V=sold_out.shown)
    assert lists(result) == {0: [(2, "model")], 1: [(0, "model"), (2, "model")]}  # about 1 can still be asked
    dear = Knowledge("table", POPULAR[:3], shelf, Rules(max_price=5.0), memory)
    assert lists(similar_items(TableScorer(table), np.array([1]), k=2, open_V=dear.shown)) == {0: [(2, "model")]}
    assert Knowledge("table", POPULAR[:3], Shelf(), Rules(), memory).shown is None


@given(st.integers(1, 8), st.integers(0, 99), st.integers(1, 40))
def test_lists_do_not_depend_on_the_blocks_or_on_who_else_is_asked(k: int, seed: int, cells: int) -> None:
    rng = np.random.default_rng(seed)
    table = rng.integers(0, 3, (6, 7)).astype(np.float32)
    table[rng.random((6, 7)) < 0.4] = OUT
    known = histories(*[rng.integers(0, 7, rng.integers(0, 4)).tolist() for _ in range(6)])
    scorer, popular = TableScorer(table, strangers=frozenset({4})), rng.integers(0, 3, 7).astype(np.float32)
    together = lists(recommend(scorer, popular, np.arange(6), known, k=k))
    for user in range(6):
        alone = lists(recommend(scorer, popular, np.array([user]), known.take(np.array([user])), k=k))
        assert together.get(user) == alone.get(0)
    assert lists(recommend(scorer, popular, np.arange(6), known, k=k, block_cells=cells)) == together
