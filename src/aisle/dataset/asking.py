"""Who is asked for what, and what each question knows: users once for all that follows, or event by event."""

# E events of a log   C questions   U users

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aisle.dataset.cases import Cases
from aisle.dataset.cut import SplitLog, first_time
from aisle.dataset.split_config import SplitConfig
from aisle.features.histories import Histories, last_events
from aisle.features.pairs import contains, distinct, pairs


@dataclass(frozen=True)
class Past:
    """What happened before a cut, one history a user of the dataset.

    Attributes:
        known: positive events.
        seen: events that make an item no news; None = those that are known.
    """

    known: Histories
    seen: Histories | None

    @property
    def no_news(self) -> Histories:
        """U histories of items that the users have met."""
        return self.known if self.seen is None else self.seen


def past(log: SplitLog, before: NDArray[np.bool_], config: SplitConfig) -> Past:
    """Return what may be known and what is seen of the events `before` a cut: (E,) bool."""
    known = log.events.where(log.positive & before)
    return Past(known, log.events.where(log.seen & before) if _tells_apart(log, config) else None)


def ask_users(log: SplitLog, asked: NDArray[np.bool_], before: Past, config: SplitConfig) -> Cases:
    """Ask every user with an asked event, or a sample of them, for the items of these events at once.

    The circumstances of such a question are those of its first event.
    """
    row, item = log.events.rows[asked], log.events.item[asked].astype(np.int64)
    user, first = np.unique(row, return_index=True)
    context = None if log.context is None else log.context[asked][first]
    questions = Asked(user, np.searchsorted(user, row), item, context=context)
    return ask_pairs(questions, before, config, n_items=log.n_items)


def ask_lines(log: SplitLog, asked: NDArray[np.bool_], before: Past, config: SplitConfig) -> Cases:
    """Ask for each asked event, or a sample of them, in its own circumstances, knowing the same past of its user."""
    place = np.flatnonzero(asked)
    context = None if log.context is None else log.context[place]
    item = log.events.item[place].astype(np.int64)
    questions = Asked(log.events.rows[place], np.arange(len(place)), item, context=context)
    return ask_pairs(questions, before, config, n_items=log.n_items)


@dataclass(frozen=True)
class Asked:
    """Q questions with P right answers, before those that a shopper has seen are taken out.

    Attributes:
        user: (Q,) user codes.
        case: (P,) int64 the question of each right answer.
        item: (P,) int64 item codes.
        negatives: (Q, N) fixed wrong answers, if there are some.
        context: (Q, F) codes of the circumstances, if the log has some.
    """

    user: NDArray[np.integer]
    case: NDArray[np.int64]
    item: NDArray[np.int64]
    negatives: NDArray[np.int32] | None = None
    context: NDArray[np.int32] | None = None


def ask_pairs(asked: Asked, before: Past, config: SplitConfig, *, n_items: int) -> Cases:
    """Make cases of distinct (case, item) pairs, without seen items unless repeats are asked, and without empty cases."""
    keys = distinct(asked.case * n_items + asked.item)
    if not config.repeats:
        keys = keys[~contains(pairs(before.no_news.take(asked.user), n_items), keys)]
    kept = sample(distinct(keys // n_items), config)
    keys = keys[contains(kept, keys // n_items)]
    offsets = np.searchsorted(keys // n_items, np.append(kept, len(asked.user))).astype(np.int64)
    user = asked.user[kept].astype(np.int32)
    known = last_events(before.known.take(user), config.known_events)
    known = known.at(None if asked.context is None else asked.context[kept])
    seen = None if before.seen is None else before.seen.take(user)
    negatives = None if asked.negatives is None else asked.negatives[kept]
    return Cases(user, known, offsets, (keys % n_items).astype(np.int32), negatives, seen)


def ask_events(log: SplitLog, asked: NDArray[np.bool_], config: SplitConfig) -> Cases:
    """Ask for each asked event, or a sample of them, knowing everything of its user before it.

    Events of one moment keep the dataset's order, so the later of them knows the earlier. The sample is drawn before the
    histories are built: a user of n events would otherwise need n^2 / 2 of them.
    """
    place = np.flatnonzero(asked & first_time(log)) if not config.repeats else np.flatnonzero(asked)
    if config.ask == "next-in-session":
        place = place[_goes_on(log, place)]
    place = sample(place, config)
    known = _before(log, log.positive, place, config.known_events)
    known = known.at(None if log.context is None else log.context[place])
    seen = _before(log, log.seen, place, None) if _tells_apart(log, config) else None
    user = log.events.rows[place].astype(np.int32)
    return Cases(user, known, np.arange(len(place) + 1, dtype=np.int64), log.events.item[place], None, seen)


def _tells_apart(log: SplitLog, config: SplitConfig) -> bool:
    """Say whether what is seen can differ from what is known."""
    return config.known_events is not None or not np.array_equal(log.seen, log.positive)


def _before(log: SplitLog, kept: NDArray[np.bool_], place: NDArray[np.int64], most: int | None) -> Histories:
    """Return the kept events before each place, of the same user, the last `most` of them: C histories."""
    part = log.events.where(kept)
    stop = np.searchsorted(np.flatnonzero(kept), place)
    start = part.offsets[log.events.rows[place]]
    if most is not None:
        start = np.maximum(start, stop - most)
    offsets = np.concatenate([[0], np.cumsum(stop - start)]).astype(np.int64)
    index = np.repeat(start - offsets[:-1], stop - start) + np.arange(offsets[-1])
    return Histories(offsets, part.item[index], part.event[index], part.time[index])


def _goes_on(log: SplitLog, place: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Say which places are in the session of the last positive event before them, of the same user: (C,) bool."""
    assert log.session is not None
    positive = np.flatnonzero(log.positive)
    before = np.searchsorted(positive, place) - 1
    last = positive[np.maximum(before, 0)]
    same_user = (before >= 0) & (last >= log.events.offsets[log.events.rows[place]])
    goes_on: NDArray[np.bool_] = same_user & (log.session[last] == log.session[place])
    return goes_on


def sample(case: NDArray[np.int64], config: SplitConfig) -> NDArray[np.int64]:
    """Keep a random sample of the questions where there are more than the config wants."""
    if config.max_cases is None or len(case) <= config.max_cases:
        return case
    return np.sort(np.random.default_rng(config.seed).choice(case, config.max_cases, replace=False))
