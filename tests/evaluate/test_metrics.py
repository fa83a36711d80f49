from math import log2

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aisle.evaluate import metrics
from aisle.evaluate.metrics import NEVER, RANK_METRICS, Ranks


def ranks_of(*cases: list[int]) -> Ranks:
    offsets = np.concatenate([[0], np.cumsum([len(case) for case in cases])]).astype(np.int64)
    return Ranks(np.array([rank for case in cases for rank in case], np.int64), offsets)


# Case 0: one right answer, third. Case 1: three right answers: first, fourth and sixth. Case 2: one, never recommended.
RANKS = ranks_of([3], [4, 1, 6], [NEVER])


def test_hit_rate_is_one_for_any_hit() -> None:
    assert metrics.hit_rate(RANKS, 5).tolist() == [1, 1, 0]
    assert metrics.hit_rate(RANKS, 2).tolist() == [0, 1, 0]


def test_recall_is_the_share_of_right_answers_found() -> None:
    assert metrics.recall(RANKS, 5).tolist() == [1, 2 / 3, 0]


def test_ndcg_is_normalised_by_the_best_list_there_could_be() -> None:
    # Case 0: 1/log2(4) of the ideal 1. Case 1: hits at 1 and 4 of an ideal with hits at 1, 2 and 3.
    found = 1 / log2(2) + 1 / log2(5)
    ideal = 1 / log2(2) + 1 / log2(3) + 1 / log2(4)
    assert metrics.ndcg(RANKS, 5) == pytest.approx([0.5, found / ideal, 0])
    # At 2 the best list has two hits, whatever the number of right answers.
    assert metrics.ndcg(RANKS, 2) == pytest.approx([0, 1 / (1 + 1 / log2(3)), 0])


def test_reciprocal_rank_is_that_of_the_first_hit() -> None:
    assert metrics.reciprocal_rank(RANKS, 5) == pytest.approx([1 / 3, 1, 0])
    assert metrics.reciprocal_rank(RANKS, 2) == pytest.approx([0, 1, 0])


def test_average_precision_counts_the_hits_so_far() -> None:
    # Case 0: (1/3) / min(5, 1). Case 1: (1/1 + 2/4) / min(5, 3), and with the sixth place: + 3/6.
    assert metrics.average_precision(RANKS, 5) == pytest.approx([1 / 3, 1.5 / 3, 0])
    assert metrics.average_precision(RANKS, 6) == pytest.approx([1 / 3, 2.0 / 3, 0])


def test_revenue_is_the_price_of_what_was_found() -> None:
    price_T = np.array([9.0, 2.0, 3.0, np.nan, 7.0], np.float32)
    assert metrics.revenue(RANKS, 5, price_T).tolist() == [9, 5, 0]
    assert metrics.revenue(RANKS, 6, price_T).tolist() == [9, 5, 0], "no price counts as 0"


def test_diversity_is_the_share_of_pairs_from_two_categories() -> None:
    category = np.array([0, 0, 1, -1], np.int32)
    # 0-0, 0-1, 0-1: two of three pairs differ. One category: none. Without the item that has no category: one pair.
    lists = np.array([[0, 1, 2], [0, 1, -1], [3, 0, 2]], np.int32)
    assert metrics.diversity(lists, 3, category) == pytest.approx([2 / 3, 0, 1])
    assert metrics.diversity(lists, 1, category).tolist() == [0, 0, 0]


def test_coverage_is_the_share_of_the_catalogue_that_somebody_sees() -> None:
    assert metrics.coverage(np.array([[0, 3, -1], [0, 1, 2]]), 2, 8) == 3 / 8


def test_a_perfect_list_is_worth_one_and_an_empty_one_nothing() -> None:
    perfect, nothing = ranks_of([1], [2, 1], list(range(1, 21))), ranks_of([11], [NEVER, 12])
    for name, metric in RANK_METRICS.items():
        expected = [1, 1, 0.5] if name == "Recall" else [1, 1, 1]
        assert metric(perfect, 10) == pytest.approx(expected), name
        assert metric(nothing, 10).tolist() == [0, 0], name


CASES = st.lists(st.lists(st.integers(1, 30), min_size=1, max_size=6, unique=True), min_size=1, max_size=6)


@given(CASES, st.integers(1, 25))
def test_every_metric_is_that_of_the_list_read_from_the_top(cases: list[list[int]], k: int) -> None:
    ranks = ranks_of(*cases)
    for number, case in enumerate(cases):
        hit = [place in case for place in range(1, k + 1)]
        gain = sum(1 / log2(place + 2) for place in range(k) if hit[place])
        ideal = sum(1 / log2(place + 2) for place in range(min(k, len(case))))
        precision = sum(sum(hit[: place + 1]) / (place + 1) for place in range(k) if hit[place])
        expected = {
            "HR": float(any(hit)),
            "Recall": sum(hit) / len(case),
            "NDCG": gain / ideal,
            "MRR": 1 / (hit.index(True) + 1) if any(hit) else 0,
            "MAP": precision / min(k, len(case)),
        }
        assert {name: metric(ranks, k)[number] for name, metric in RANK_METRICS.items()} == pytest.approx(expected)


@given(CASES, st.integers(1, 25), st.randoms())
def test_the_order_of_right_answers_within_a_case_never_matters(cases: list[list[int]], k: int, random: st.DataObject) -> None:
    shuffled = [sorted(case, reverse=True) for case in cases]
    for metric in RANK_METRICS.values():
        assert metric(ranks_of(*cases), k) == pytest.approx(metric(ranks_of(*shuffled), k))


def test_only_drops_cases_that_have_nothing_left() -> None:
    kept, left = RANKS.only(np.array([True, False, True, False, False]))
    assert (kept.rank.tolist(), kept.offsets.tolist(), left.tolist()) == ([3, 1], [0, 1, 2], [0, 1])
