"""Small questions to ask, and random ones for properties."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from aisle.dataset.cases import Cases
from aisle.evaluate.facts import Facts
from aisle.features.histories import Histories
from tests.recommend.scorers import TableScorer, histories

OUT = -np.inf


def cases_of(
    user: list[int], known: list[list[int]], targets: list[list[int]], negatives: list[list[int]] | None = None
) -> Cases:
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in targets])]).astype(np.int64)
    return Cases(
        user=np.array(user, np.int32),
        known=histories(*known),
        target_offsets=offsets,
        target_item=np.array([item for row in targets for item in row], np.int32),
        negatives=None if negatives is None else np.array(negatives, np.int32),
    )


def facts_of(n_items: int, n_users: int, fallback: NDArray[np.float32] | None = None) -> Facts:
    """Facts without anything special: every user and item has one training event."""
    popular = np.zeros(n_items, np.float32) if fallback is None else fallback
    return Facts(popular, np.ones(n_items, np.int64), np.ones(n_users, np.int64))


def random_shop(seed: int, *, ties: bool = True, out_share: float = 0.2) -> tuple[TableScorer, Cases, Facts]:
    """Return a scorer with ties, gaps and strangers, and questions with several right answers, some of them known, some seen."""
    rng = np.random.default_rng(seed)
    n_users, n_items = int(rng.integers(1, 8)), int(rng.integers(4, 20))
    distinct = rng.permutation(n_users * n_items).reshape(n_users, n_items)
    table = (distinct % 4 if ties else distinct).astype(np.float32)
    table[rng.random(table.shape) < out_share] = OUT
    known = [rng.integers(0, n_items, rng.integers(0, 4)).tolist() for _ in range(n_users)]
    targets = [rng.permutation(n_items)[: rng.integers(1, 4)].tolist() for _ in range(n_users)]
    fallback = rng.integers(0, 3, n_items).astype(np.float32)
    strangers = frozenset(np.flatnonzero(rng.random(n_users) < 0.2).tolist())
    cases = cases_of(list(range(n_users)), known, targets)
    if seed % 2:  # half of the shops tell what is seen from what is known
        seen = histories(*(rng.integers(0, n_items, rng.integers(0, 4)).tolist() for _ in range(n_users)))
        cases = replace(cases, seen=seen)
    facts = Facts.of(Histories.empty(n_users), n_items)
    return TableScorer(table, strangers), cases, Facts(fallback, facts.item_events, facts.user_events)
