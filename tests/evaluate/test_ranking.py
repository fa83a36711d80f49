from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aisle.dataset.cases import Cases
from aisle.errors import AisleError
from aisle.evaluate import ranking
from aisle.evaluate.facts import Facts
from aisle.evaluate.metrics import NEVER
from aisle.evaluate.protocol import EvaluateConfig
from aisle.evaluate.ranking import rank
from aisle.recommend.recommender import recommend
from tests.evaluate.questions import OUT, cases_of, facts_of, random_shop
from tests.recommend.scorers import TableScorer, histories

FULL = EvaluateConfig(resamples=0)
SAMPLED = EvaluateConfig(protocol="sampled", resamples=0)


def table(*rows: list[float]) -> TableScorer:
    return TableScorer(np.array(rows, np.float32))


def naive(scorer: TableScorer, cases: Cases, facts: Facts, *, filter_seen: bool = True) -> list[int]:
    """Sort the whole catalogue of every case, model first, then popularity; among equals, wrong answers first."""
    found = []
    for case, user in enumerate(cases.user.tolist()):
        seen = set(cases.no_news.row(case).tolist()) if filter_seen else set()
        right = cases.target_item[cases.target_offsets[case] : cases.target_offsets[case + 1]].tolist()
        score = facts.fallback if user in scorer.strangers else scorer.table_UV[user]

        def key(item: int, score=score, right=right) -> tuple[float, ...]:  # type: ignore[no-untyped-def]
            behind = score[item] == OUT
            wrong_first = right.index(item) + 1 if item in right else 0
            return (behind, -float(facts.fallback[item] if behind else score[item]), wrong_first)

        possible = [item for item in range(facts.n_items) if item not in seen and max(score[item], facts.fallback[item]) > OUT]
        order = sorted(possible, key=key)
        # Equal right answers share their places in any order, so the set of ranks is what is promised.
        found += sorted(order.index(item) + 1 if item in order else NEVER for item in right)
    return found


def sorted_by_case(result: ranking.Ranking) -> list[int]:
    bounds = result.ranks.offsets
    return [rank for start, stop in pairwise(bounds) for rank in sorted(result.ranks.rank[start:stop].tolist())]


def test_the_rank_is_one_more_than_the_better_items_that_were_not_seen() -> None:
    # Better than item 1 (score 5) are items 0 (9), 2 (8) and 4 (7); item 2 was seen.
    scorer = table([9, 5, 8, 1, 7])
    assert rank(scorer, cases_of([0], [[2]], [[1]]), FULL, facts_of(5, 1)).ranks.rank.tolist() == [3]
    unfiltered = replace(FULL, filter_seen=False)
    assert rank(scorer, cases_of([0], [[2]], [[1]]), unfiltered, facts_of(5, 1)).ranks.rank.tolist() == [4]


def test_ties_count_against_the_model() -> None:
    scorer = table([1, 1, 1, 0, 1])
    assert rank(scorer, cases_of([0], [[4]], [[1]]), FULL, facts_of(5, 1)).ranks.rank.tolist() == [3]


def test_several_right_answers_take_the_places_of_one_list() -> None:
    # Scores: item 3 first (right), item 0 second (wrong), items 1 and 2 tie (right) with item 4 (wrong): 3, 0, 4, then 1, 2.
    scorer = table([8, 5, 5, 9, 5])
    assert rank(scorer, cases_of([0], [[]], [[1, 2, 3]]), FULL, facts_of(5, 1)).ranks.rank.tolist() == [4, 5, 1]


def test_a_right_answer_that_was_seen_can_never_be_recommended() -> None:
    cases = cases_of([0], [[1]], [[1, 0]])
    assert rank(table([1, 2, 3]), cases, FULL, facts_of(3, 1)).ranks.rank.tolist() == [NEVER, 2]


def test_what_the_model_cannot_score_comes_after_what_it_can_by_popularity() -> None:
    popular = np.array([5, 4, 9, 8, OUT], np.float32)
    cases = cases_of([0, 0], [[], [3]], [[1], [1, 4]])
    result = rank(table([1, OUT, OUT, OUT, OUT]), cases, FULL, facts_of(5, 1, popular))
    # One scored item, then popularity 9, 8, 4; in the second case item 3 was seen, and item 4 is not even popular.
    assert result.ranks.rank.tolist() == [4, 3, NEVER]
    assert result.filled.tolist() == [True, True]


def test_shoppers_the_model_does_not_know_are_answered_by_popularity() -> None:
    scorer = TableScorer(np.array([[1, 2, 3]], np.float32), strangers=frozenset({0}))
    result = rank(scorer, cases_of([0], [[]], [[0]]), FULL, facts_of(3, 1, np.array([9, 1, 1], np.float32)))
    assert result.ranks.rank.tolist() == [1]
    assert result.modelled.tolist() == [False]


@given(st.integers(0, 10_000), st.booleans(), st.sampled_from([1, 30, 10_000]), st.integers(0, 20))
def test_ranks_are_those_of_a_naive_sort_in_blocks_of_any_size(seed: int, seen: bool, cells: int, many: int) -> None:
    scorer, cases, facts = random_shop(seed)
    config = replace(FULL, filter_seen=seen, block_cells=cells)
    original, ranking._MANY_TARGETS = ranking._MANY_TARGETS, many % 3 or 12
    try:
        result = rank(scorer, cases, config, facts)
    finally:
        ranking._MANY_TARGETS = original
    assert sorted_by_case(result) == naive(scorer, cases, facts, filter_seen=seen)


@given(st.integers(0, 10_000), st.randoms(use_true_random=False))
def test_the_order_of_the_cases_never_matters(seed: int, random: object) -> None:
    scorer, cases, facts = random_shop(seed)
    order = np.random.default_rng(seed).permutation(len(cases))
    straight, turned = rank(scorer, cases, FULL, facts).ranks, rank(scorer, cases.take(order), FULL, facts).ranks
    for place, case in enumerate(order):
        here = turned.rank[turned.offsets[place] : turned.offsets[place + 1]]
        assert here.tolist() == straight.rank[straight.offsets[case] : straight.offsets[case + 1]].tolist()


@given(st.integers(0, 10_000))
def test_a_monotone_change_of_the_scores_never_changes_a_rank(seed: int) -> None:
    scorer, cases, facts = random_shop(seed)
    changed = TableScorer(np.where(scorer.table_UV == OUT, OUT, scorer.table_UV**3 * 2 - 7).astype(np.float32), scorer.strangers)
    assert np.array_equal(rank(scorer, cases, FULL, facts).ranks.rank, rank(changed, cases, FULL, facts).ranks.rank)


@given(st.integers(0, 10_000), st.integers(1, 6), st.booleans())
def test_what_is_measured_is_what_is_recommended(seed: int, k: int, seen: bool) -> None:
    # Without ties a right answer is in the recommended list exactly when its rank is within k, fallback and filling included.
    scorer, cases, facts = random_shop(seed, ties=False, out_share=0.5)
    facts = replace(facts, fallback=np.random.default_rng(seed).permutation(facts.n_items).astype(np.float32))
    config = replace(FULL, filter_seen=seen, k=(k,))
    result = rank(scorer, cases, config, facts)
    users = cases.user.astype(np.int64)
    shown = recommend(scorer, facts.fallback, users, cases.known, k=k, filter_seen=seen, seen=cases.seen)
    lists = {(int(row), int(item)): int(place) for row, item, place in zip(shown.row, shown.item, shown.rank, strict=True)}
    for case, item, place in zip(result.ranks.case, cases.target_item, result.ranks.rank, strict=True):
        assert lists.get((int(case), int(item))) == (place if place <= k else None)
    assert result.item is not None
    rows, places = np.nonzero(result.item >= 0)
    assert {(int(r), int(result.item[r, p])): int(p) + 1 for r, p in zip(rows, places, strict=True)} == lists


def test_no_block_holds_more_scores_than_asked_for() -> None:
    scorer = TableScorer(np.random.default_rng(0).random((100, 50), np.float32))
    cases = cases_of(list(range(100)), [[]] * 100, [[1]] * 100)
    rank(scorer, cases, replace(FULL, block_cells=1000), facts_of(50, 100))
    assert max(scorer.rows_asked) * 50 <= 1000
    assert sum(scorer.rows_asked) == 100


def test_a_model_that_gives_nan_is_refused_and_never_gets_rank_one() -> None:
    with pytest.raises(AisleError) as caught:
        rank(table([np.nan, 1, 2]), cases_of([0], [[]], [[0]]), FULL, facts_of(3, 1))
    assert caught.value.code == "E350"


# --- sampled ---------------------------------------------------------------------------------------------------------


def test_a_sampled_protocol_ranks_among_the_given_negatives_only() -> None:
    # Item 1 (score 5) against items 3 (1) and 4 (7); items 0 and 2 are not asked.
    cases = cases_of([0], [[]], [[1]], [[3, 4]])
    assert rank(table([9, 5, 8, 1, 7]), cases, SAMPLED, facts_of(5, 1)).ranks.rank.tolist() == [2]


def test_a_right_answer_among_its_negatives_and_a_twin_compete_once() -> None:
    # As in 156 rows of NCF's MovieLens: the right answer is one of its own negatives.
    cases = cases_of([0], [[]], [[1]], [[1, 4, 4, -1]])
    assert rank(table([9, 5, 8, 1, 5]), cases, SAMPLED, facts_of(5, 1)).ranks.rank.tolist() == [2]


def test_seen_negatives_do_not_compete_unless_asked() -> None:
    cases = cases_of([0], [[4]], [[1]], [[3, 4]])
    scorer = table([9, 5, 8, 1, 7])
    assert rank(scorer, cases, SAMPLED, facts_of(5, 1)).ranks.rank.tolist() == [1]
    assert rank(scorer, cases, replace(SAMPLED, filter_seen=False), facts_of(5, 1)).ranks.rank.tolist() == [2]


def test_random_negatives_are_drawn_among_what_was_not_seen() -> None:
    # Of items 0..3 the shopper knows 2 and has seen 3, and 0 is right: what is left to be wrong is 1 and 2.
    cases = replace(cases_of([0], [[2]], [[0]]), seen=histories([3]))
    assert rank(table([5, 6, 7, 8]), cases, replace(SAMPLED, negatives=2), facts_of(4, 1)).ranks.rank.tolist() == [3]


def test_the_same_score_for_everything_is_worth_nothing() -> None:
    cases = cases_of([0, 0], [[], [2]], [[1], [3, 0]])
    for config in (FULL, replace(SAMPLED, negatives=2)):
        result = rank(table([0, 0, 0, 0, 0, 0]), cases, config, facts_of(6, 1))
        assert result.ranks.rank.min() > 2


@given(st.integers(0, 10_000), st.booleans())
def test_sampling_everything_is_full_ranking(seed: int, by_seed: bool) -> None:
    scorer, cases, facts = random_shop(seed)
    everything = np.tile(np.arange(facts.n_items, dtype=np.int32), (len(cases), 1))
    asked = cases if by_seed else replace(cases, negatives=everything)
    sampled = rank(scorer, asked, replace(SAMPLED, negatives=facts.n_items, block_cells=50), facts)
    assert sorted_by_case(sampled) == sorted_by_case(rank(scorer, cases, FULL, facts))


def test_random_negatives_are_the_same_for_the_same_seed() -> None:
    scorer = TableScorer(np.random.default_rng(0).random((30, 200), np.float32))
    cases = cases_of(list(range(30)), [[]] * 30, [[7]] * 30)
    one, again, other = (
        rank(scorer, cases, replace(SAMPLED, negatives=20, seed=seed), facts_of(200, 30)).ranks.rank.tolist()
        for seed in (1, 1, 2)
    )
    assert one == again != other
