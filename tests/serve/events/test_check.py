"""Events that cannot be are refused by name, and everything else is taken and survives `aisle prepare`."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aisle.errors import AisleError
from aisle.logs.values import MAX_ID_BYTES as LOG_ID_BYTES
from aisle.logs.values import MISSING_WORDS as LOG_WORDS
from aisle.logs.values import TIME_MIN_US as LOG_MIN_US
from aisle.schema.events import Event
from aisle.serve.events import check
from aisle.serve.events.check import check_events
from aisle.serve.events.config import EventsConfig
from aisle.serve.events.protocol import StoredEvent

NOW_US = 1_700_000_000_000_000
GOOD = StoredEvent("i1", Event.view, NOW_US, "u1", "s1", "e1", "r1", 1, 2.0, 9.95, "B")


def refusal(event: StoredEvent) -> AisleError:
    with pytest.raises(AisleError) as error:
        check_events([GOOD, event], NOW_US, EventsConfig())
    assert "event 2 of 2" in error.value.message
    return error.value


def test_a_whole_event_and_a_bare_one_are_taken() -> None:
    check_events([GOOD, StoredEvent("i1", Event.dislike, NOW_US, session_id="s1")], NOW_US, EventsConfig())


def test_the_bounds_are_those_of_the_log_that_is_made_of_the_events() -> None:
    assert (check.MISSING_WORDS, check.MAX_ID_BYTES, check.TIME_MIN_US) == (LOG_WORDS, LOG_ID_BYTES, LOG_MIN_US)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"user_id": None, "session_id": None}, "neither user_id nor session_id"),
        ({"item_id": ""}, "item_id is ''"),
        ({"item_id": " NaN "}, "a word that stands for nothing"),
        ({"user_id": "null"}, "user_id is 'null'"),
        ({"user_id": "session:1"}, "starts with 'session:'"),
        ({"item_id": "a\x00b"}, "no text in UTF-8"),
        ({"item_id": "\ud800"}, "no text in UTF-8"),
        ({"item_id": "x" * 1025}, "item_id has 1,025 bytes; expected at most 1,024"),
        ({"session_id": "ä" * 513}, "session_id has 1,026 bytes"),
        ({"position": -1}, "position is -1"),
        ({"position": 2**31}, "position is 2147483648"),
        ({"quantity": -1.0}, "quantity is -1.0"),
        ({"price": float("nan")}, "price is nan"),
        ({"price": float("inf")}, "price is inf"),
    ],
)
def test_what_cannot_be_is_refused_by_name(change: dict[str, object], words: str) -> None:
    error = refusal(replace(GOOD, **change))  # type: ignore[arg-type]
    assert (error.code, words in error.message) == ("E050", True)


def test_ids_at_the_bound_are_taken() -> None:
    check_events([replace(GOOD, item_id="ä" * 512, user_id="x" * 1024)], NOW_US, EventsConfig())


@pytest.mark.parametrize("time_us", [NOW_US + 300_000_001, 1_700_000_000, -1, 2**62])
def test_a_time_in_the_future_or_in_seconds_is_refused(time_us: int) -> None:
    assert refusal(replace(GOOD, time_us=time_us)).code == "E051"


def test_a_clock_that_is_a_little_ahead_is_let_pass() -> None:
    check_events([replace(GOOD, time_us=NOW_US + 300_000_000)], NOW_US, EventsConfig())
    with pytest.raises(AisleError, match="1 s in the future"):
        check_events([replace(GOOD, time_us=NOW_US + 1_000_001)], NOW_US, EventsConfig(skew_s=1))


def test_a_rating_is_no_event_of_a_service() -> None:
    assert refusal(replace(GOOD, event=Event.rating)).code == "E052"


@pytest.mark.parametrize("bounds", [{"queue_events": 0}, {"served_days": -1.0}, {"lifetime_days": {Event.view: 0.0}}])
def test_a_bound_that_is_not_above_0_is_refused(bounds: dict[str, object]) -> None:
    with pytest.raises(AisleError, match="expected more than 0") as error:
        EventsConfig(**bounds)  # type: ignore[arg-type]
    assert error.value.code == "E059"
