"""What is over early is over: screening changes the work and never a metric."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from aisle.dataset.cases import Cases
from aisle.evaluate import screening
from aisle.evaluate.evaluation import evaluate
from aisle.evaluate.facts import Facts
from aisle.evaluate.protocol import EvaluateConfig
from aisle.features.histories import Histories
from tests.recommend.scorers import TableScorer, histories

QUICK = EvaluateConfig(k=(1, 5, 10), lists=False, resamples=0)
ITEMS, USERS = 700, 160


@dataclass
class SharedTable(TableScorer):
    """A table that can be asked for shared items, with rounding of its own, and remembers how much it was asked."""

    cells: int = 0

    def score_shared(self, user_B: NDArray[np.int64], known: Histories, item_N: NDArray[np.int64]) -> NDArray[np.float32]:
        self.cells += len(user_B) * len(item_N)
        return self.table_UV[np.ix_(user_B, item_N)] * np.float32(1 + 1e-6)

    def score(self, user_B: NDArray[np.int64], known: Histories) -> NDArray[np.float32]:
        self.cells += len(user_B) * self.table_UV.shape[1]
        return super().score(user_B, known)


def shop(seed: int) -> tuple[NDArray[np.float32], Cases, Facts]:
    """Random scores with ties and unscorable items, histories, one to four right answers a case."""
    draw = np.random.default_rng(seed)
    table_UV: NDArray[np.float32] = draw.integers(0, 3000, (USERS, ITEMS)).astype(np.float32) / np.float32(7)
    table_UV[:, draw.choice(ITEMS, 20, replace=False)] = -np.inf
    shuffled = [draw.permutation(ITEMS).tolist() for _ in range(USERS)]
    known = histories(*(row[4 : 4 + int(draw.integers(0, 60))] for row in shuffled))
    right = [sorted(row[: int(draw.integers(1, 5))]) for row in shuffled]
    for user in range(0, USERS, 2):  # half of the shoppers get a good model: their answers stand high
        table_UV[user, right[user]] += np.float32(400)
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in right])]).astype(np.int64)
    answers = np.array([item for row in right for item in row], np.int32)
    return table_UV, Cases(np.arange(USERS, dtype=np.int32), known, offsets, answers), Facts.of(known, ITEMS)


def test_screening_never_changes_a_metric() -> None:
    for seed in range(12):
        table_UV, cases, facts = shop(seed)
        if seed % 2:
            cases = replace(cases, known=cases.known.where(np.arange(len(cases.known.item)) % 3 > 0), seen=cases.known)
        strangers = frozenset({3, 4})
        for config in (QUICK, replace(QUICK, filter_seen=False)):
            plain = evaluate(TableScorer(table_UV, strangers), cases, config, facts)
            screened = evaluate(SharedTable(table_UV, strangers), cases, config, facts)
            for name, value_C in plain.metrics.items():
                np.testing.assert_array_equal(screened.metrics[name], value_C, err_msg=f"{name}, seed {seed}")
            assert screened.counts == plain.counts
            assert [(part.name, part.cases, part.means) for part in screened.slices] == [
                (part.name, part.cases, part.means) for part in plain.slices
            ]


def test_screening_saves_most_of_the_work() -> None:
    table_UV, cases, facts = shop(1)
    scorer = SharedTable(table_UV)
    evaluate(scorer, cases, QUICK, facts)
    assert scorer.cells < 0.8 * USERS * ITEMS


def test_lists_need_the_whole_catalogue() -> None:
    table_UV, _, facts = shop(1)
    assert screening.make_screen(SharedTable(table_UV), facts, replace(QUICK, lists=True)) is None
    assert screening.make_screen(TableScorer(table_UV), facts, QUICK) is None


def test_an_answer_that_is_only_just_beaten_is_looked_at_again() -> None:
    # 12 popular items stand above the answer by less than rounding could explain: nothing is proven by them.
    table_UV = np.zeros((1, ITEMS), np.float32)
    table_UV[0, :12] = 100.0005
    table_UV[0, 600] = 100.0
    cases = Cases(np.zeros(1, np.int32), histories([]), np.array([0, 1]), np.array([600], np.int32))
    facts = Facts.of(histories(list(range(100))), ITEMS)
    screen = screening.make_screen(SharedTable(table_UV), facts, QUICK)
    assert screen is not None
    assert screen(cases).tolist() == [True]
    table_UV[0, :12] = 101
    assert screen(cases).tolist() == [False]


def test_items_that_were_seen_prove_nothing() -> None:
    # 12 popular items stand far above the answer, and the shopper has seen them all: the answer is recommended first.
    table_UV = np.zeros((1, ITEMS), np.float32)
    table_UV[0, :12], table_UV[0, 600] = 200, 100
    cases = Cases(np.zeros(1, np.int32), histories([0]), np.array([0, 1]), np.array([600], np.int32))
    screen = screening.make_screen(SharedTable(table_UV), Facts.of(histories(list(range(100))), ITEMS), QUICK)
    assert screen is not None
    assert screen(cases).tolist() == [False]
    assert screen(replace(cases, seen=histories(list(range(12))))).tolist() == [True]
