"""May a bundle be asked these questions, or did it learn their answers?"""

# C questions   T events that the bundle remembers of those who ask

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from aisle.dataset.cases import Cases
from aisle.dataset.cut import SplitLog, leave_one_out
from aisle.errors import AisleError
from aisle.features.histories import Histories
from aisle.schema.events import Event


def check_splits(learned: dict[str, Any], asked: dict[str, Any]) -> None:
    """Refuse questions whose answers the bundle may have learned, as far as the two splits tell.

    Args:
        learned: the split that the bundle was trained on, as in metrics.json.
        asked: the split that asks.

    Raises:
        AisleError: E049 unless both cut by time, the bundle no later than the questions, or both leave each shopper's last
            event out, which `check_left_out` then looks at shopper by shopper.
    """
    kinds = learned.get("kind"), asked.get("kind")
    if kinds == ("leave-one-out", "leave-one-out"):
        return
    if kinds != ("time", "time"):
        raise AisleError(
            f"the bundle's data was split by {kinds[0]} and the run's by {kinds[1]}: nobody can say whether the bundle learned "
            "answers that the run asks for",
            hint='use split.kind = "time" for both, or compare models of one dataset',
            code="E049",
        )
    if learned["test_time"] > asked["test_time"]:
        raise AisleError(
            f"the bundle learned from events up to {learned['test_time']}, and the run asks about events from "
            f"{asked['test_time']} on: it would know answers",
            hint="prepare a dataset that reaches further, or set split.cut_times to later moments",
            code="E049",
        )


def check_left_out(
    split: dict[str, Any], remembered: Histories, target_C: NDArray[np.int64], cases: Cases, *, ordered: bool
) -> str:
    """Refuse questions of a leave-one-out whose answers are among the events that the bundle learned from.

    Each shopper's last event of the bundle's log was left out there. In a log that only grew, the last event of today is that
    one or a later one; in one that was cut back, filtered in another way or split by other rules it can be one that was learned.

    Args:
        split: the split that the bundle was trained on, as in metrics.json.
        remembered: of each question's shopper, what the bundle remembers: C rows, empty for a stranger.
        target_C: (C,) the bundle's code of each answer, -1 for an item that it does not know.
        cases: the questions.
        ordered: whether the log has an order but no times; events are then told apart by how often they happened.

    Returns:
        Why that cannot be said of this bundle; "" where it was checked.

    Raises:
        AisleError: E049.
    """
    positive, target = split["positive_events"], split["target_events"]
    if split["known_events"] is not None:
        return f"the bundle remembers only the last {split['known_events']} events of a shopper"
    if set(split["seen_events"]) != set(positive) or not set(target) <= set(positive):
        return "the bundle does not remember all kinds of events that its split went by"
    asked_for = np.isin(remembered.event, [Event[name] for name in target])
    everything = np.ones(len(remembered.item), np.bool_)
    n_items = int(max(remembered.item.max(initial=0), target_C.max(initial=0))) + 1
    log = SplitLog(remembered, np.arange(len(remembered.item)), everything, asked_for, everything, n_items)
    learned = remembered.where(leave_one_out(log, repeats=split["repeats"]).before_test)
    told = learned_answers(learned, target_C, cases, ordered=ordered)
    if told:
        raise AisleError(
            f"the bundle learned answers to {told:,} of the {len(cases):,} questions: its log held later events of those",
            hint='ask with a log that holds everything the bundle learned from, and the same [split], or use split.kind = "time"',
            code="E049",
        )
    return ""


def learned_answers(learned: Histories, target_C: NDArray[np.int64], cases: Cases, *, ordered: bool) -> int:
    """Count the questions whose answer happened in what was learned, and is no event that the question itself tells of.

    What lies before all that a question knows is taken as gone from the log, not as an answer.
    """
    row_T, known = learned.rows, cases.known
    hit_T = (learned.item == target_C[row_T]) & (target_C[row_T] >= 0)
    same = known.item == cases.target_item[known.rows]
    hits, told = row_T[hit_T], known.rows[same]
    if ordered:
        times_C, told_C = (np.bincount(rows, minlength=len(cases)) for rows in (hits, told))
        return int(np.count_nonzero(times_C > told_C))
    first_C = np.full(len(cases), np.iinfo(np.int64).min)
    first_C[known.lengths > 0] = known.time[known.offsets[:-1][known.lengths > 0]]
    pairs = set(zip(told.tolist(), known.time[same].tolist(), strict=True))
    found = zip(hits.tolist(), learned.time[hit_T].tolist(), strict=True)
    return len({row for row, time in found if time >= first_C[row] and (row, time) not in pairs})
