"""How a log is cut and what is asked: the keys of a recipe's [split]."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from aisle.schema.events import POSITIVE


@dataclass(frozen=True)
class SplitConfig:
    """How to cut a log.

    Attributes:
        kind: "time" cuts all users at the same two moments, as a shop lives it. "leave-one-out" asks for each user's last
            event. "files" takes the test that the log's publisher fixed, and leaves one out for validation (where the test
            asks in contexts: one of a user's events in a context, for as many contexts as the test has lines). "folds" asks
            for the ratings of one of the parts that the log's column `fold` cuts it into.
        validation_share: share of the positive events from the validation cut to the test cut, for "time"; of the other
            folds' ratings, drawn at random, for "folds".
        test_share: share of the positive events from the test cut on, for "time".
        cut_times: the two cuts in microseconds since 1970 UTC, instead of the shares.
        positive_events: what models learn from and what counts as known.
        target_events: what is asked; None = the positive events.
        seen_events: events that make an item no news: not asked without `repeats`, not recommended with `filter_seen`; None
            = the positive events.
        ask: "rest" asks each user once for everything after the cut. "next" asks event by event, knowing everything of that
            user before it. "next-in-session" asks only events that go on in the session of the user's last known event.
        known_events: a question knows at most so many of the user's last positive events; None = all.
        min_user_events: k-core, counted on training events only: users with fewer are not learned from (but asked).
        min_item_events: the same for items.
        max_cases: keep a random sample of the questions when there are more; None = all.
        seed: for that sample, for the negatives of validation, and for the cold items.
        repeats: also ask for items that the shopper has already seen. False asks for new items only.
        hide_answers: for "files", where the publisher took the asked pairs out of every kind of behaviour: validation asks for
            each user's last target event, and every earlier event with that item is taken out too.
        fold: which part is asked, for "folds".
        cold_items: share of the catalogue, drawn at random, that nothing is learned from, as if it were added tomorrow; the
            slice "items: new" then says what a model does with such items.
    """

    kind: Literal["time", "leave-one-out", "files", "folds"] = "time"
    validation_share: float = 0.1
    test_share: float = 0.1
    cut_times: tuple[int, int] | None = None
    positive_events: tuple[str, ...] = tuple(event.name for event in POSITIVE)
    target_events: tuple[str, ...] | None = None
    seen_events: tuple[str, ...] | None = None
    ask: Literal["rest", "next", "next-in-session"] = "rest"
    known_events: int | None = None
    min_user_events: int = 1
    min_item_events: int = 1
    max_cases: int | None = None
    seed: int = 0
    repeats: bool = False
    hide_answers: bool = False
    fold: int = 1
    cold_items: float = 0.0
