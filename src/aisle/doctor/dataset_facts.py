"""What `aisle doctor --dataset` counts in a prepared dataset: plain numbers, so that the rules about them need no NumPy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class DatasetFacts:
    """Counts of one dataset.

    "The test" is what a split by time with the usual shares asks: positive events from the cut on; where the publisher brought
    a test, it is that. All its numbers are 0 where there is none: in a log that has an order but no time.

    Attributes:
        users, items, events: of the dataset.
        timed: events have times, not only an order.
        by_kind: kind of event -> events.
        duplicates: events that repeat the one before them: same user, item, kind and time.
        future: events later than the clock; before_1990: events before that year, those at 0 included.
        last_moment: the latest time, ISO 8601; "" without times.
        test: where the test begins, in words; "" without one.
        published: the test is the publisher's, whose pairs nobody chose again.
        test_events, test_users, test_items: asked pairs of user and item, and how many different users and items they have.
        asked_again: of the pairs, those that the same user met before.
        new_users, new_items: of the users and items of the test, those without any event before it.
        new_item_events: pairs with such an item.
        catalogue: there is a catalogue; bare_items: items with events that have no value in any of its columns.
        unmet_items: items without an event.
        sessions: of the log; long_sessions: over a day or over 1,000 events; longest_session: in events.
        robots: users with over 0.1% of all events, and at least 1,000; robot_events: theirs.
        same_moment: events at the very time of the same user's event before, with another item.
        single_users: users with one event.
    """

    users: int
    items: int
    events: int
    timed: bool = True
    by_kind: Mapping[str, int] = field(default_factory=dict)
    duplicates: int = 0
    future: int = 0
    before_1990: int = 0
    last_moment: str = ""
    test: str = ""
    published: bool = False
    test_events: int = 0
    test_users: int = 0
    test_items: int = 0
    asked_again: int = 0
    new_users: int = 0
    new_items: int = 0
    new_item_events: int = 0
    catalogue: bool = False
    bare_items: int = 0
    unmet_items: int = 0
    sessions: int = 0
    long_sessions: int = 0
    longest_session: int = 0
    robots: int = 0
    robot_events: int = 0
    same_moment: int = 0
    single_users: int = 0
