"""Which array of the dataset folder holds what. Each name is a file `<name>.npy`.

    users.id                 int64 ids sorted, or users.id.offsets + users.id.data (see `storage.strings`)
    items.id                 the same for items
    events.offsets           (users + 1,) int64: user u's events are offsets[u]:offsets[u + 1]
    events.item              (events,) int32 item codes
    events.event             (events,) uint8 event codes
    events.time              (events,) int64 microseconds since 1970 UTC, or the order
    events.<column>          optional and context columns, by kind
    items.<feature>          catalogue, one row an item of `items.id`, by kind
    users.<feature>          users table, one row a user of `users.id`, by kind
    test.user                (cases,) int32 user codes, where the publisher fixed the test: one case a user, or one a line
                             of the test file where it has context columns
    test.offsets             (cases + 1,) int64: case c's right answers are offsets[c]:offsets[c + 1]
    test.item                (answers,) int32 item codes
    test.context.<column>    (cases,) int32 codes into the vocabulary of events.<column>, -1 missing
    test.negatives           (cases, N) int32 fixed wrong answers, -1 padded; absent where the publisher has none

Kinds: number = float32, NaN missing. integer = int32, -1 missing. group = uint32. category = int32 codes, -1 missing,
with its vocabulary as `<name>.vocabulary.offsets` + `.data`. categories = several codes a row: `<name>.offsets`
(rows + 1,) int64 + `<name>.codes` int32 + vocabulary. text = `<name>.offsets` + `<name>.data`, empty where missing.
"""

from __future__ import annotations

USER_ID = "users.id"
ITEM_ID = "items.id"
OFFSETS = "events.offsets"
ITEM = "events.item"
EVENT = "events.event"
TIME = "events.time"

TEST_USER = "test.user"
TEST_OFFSETS = "test.offsets"
TEST_ITEM = "test.item"
TEST_NEGATIVES = "test.negatives"

REJECTS_NAME = "rejects.parquet"


def event_column(name: str) -> str:
    """Return the array name of an optional or context column."""
    return f"events.{name}"


def test_context(name: str) -> str:
    """Return the array name of a context column of the publisher's test."""
    return f"test.context.{name}"


def item_feature(name: str) -> str:
    """Return the array name of a catalogue column."""
    return f"items.{name}"


def user_feature(name: str) -> str:
    """Return the array name of a users-table column."""
    return f"users.{name}"
