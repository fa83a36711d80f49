"""Whether an event can be: what is refused here would be rejected tomorrow, when the log is prepared."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from aisle.errors import AisleError, did_you_mean
from aisle.schema.events import Event, event_names
from aisle.serve.events.config import KINDS, EventsConfig
from aisle.serve.events.protocol import StoredEvent

# As `logs.values` reads them back: words that stand for a missing id, the longest id, the earliest time.
MISSING_WORDS = ("", "nan", "null", "none", "<na>", "\\n")
MAX_ID_BYTES = 1024
TIME_MIN_US = 788_918_400_000_000  # 1995-01-01
# A visitor without a name is a shopper of tomorrow's log too; user ids keep clear of theirs.
ANONYMOUS = "session:"

_FLOAT32_MAX = 3.4028234e38
_IDS = ("item_id", "user_id", "session_id", "event_id", "request_id", "variant")
_FIELDS = (*_IDS, "event", "time_us", "position", "quantity", "price")


def read_event(fields: Mapping[str, object], now_us: int) -> StoredEvent:
    """Make an event of a JSON object's fields; one without a time happens now.

    Args:
        fields: the names of `StoredEvent`; the event by any of its names; an id that is a whole number becomes text.
        now_us: the server's time.

    Raises:
        AisleError: E050 for an unknown or missing field or one of another type, E052 for an event that is none.
    """
    if unknown := sorted(set(fields) - set(_FIELDS)):
        raise _bad(f"'{unknown[0]}' is no field of an event", did_you_mean(unknown[0], _FIELDS))
    time_us = now_us if fields.get("time_us") is None else _whole("time_us", fields["time_us"])
    position = None if fields.get("position") is None else _whole("position", fields["position"])
    ids = {name: _id(name, fields.get(name)) for name in _IDS}
    if ids["item_id"] is None:
        raise _bad("item_id is missing", "say which item the event is about")
    return StoredEvent(
        item_id=ids["item_id"],
        event=_kind(fields.get("event")),
        time_us=time_us,
        user_id=ids["user_id"],
        session_id=ids["session_id"],
        event_id=ids["event_id"],
        request_id=ids["request_id"],
        position=position,
        quantity=_number("quantity", fields.get("quantity")),
        price=_number("price", fields.get("price")),
        variant=ids["variant"],
    )


def check_events(events: Sequence[StoredEvent], now_us: int, config: EventsConfig) -> None:
    """Refuse events of which one cannot be.

    Raises:
        AisleError: E050 for an id, number or place that cannot be, E051 for a time that cannot be, E052 for a kind of event that
            a service does not take. The message says which event it is.
    """
    for number, event in enumerate(events):
        try:
            _check(event, now_us, config)
        except AisleError as error:
            where = f"event {number + 1} of {len(events)}: " if len(events) > 1 else ""
            raise AisleError(where + error.message, hint=error.hint, code=error.code) from error


def check_user(user_id: str) -> None:
    """Refuse a user id that cannot be.

    Raises:
        AisleError: E050.
    """
    _check_id("user_id", user_id)
    if user_id.startswith(ANONYMOUS):
        raise _bad(f"user_id {user_id!r} starts with '{ANONYMOUS}'", "leave user_id out for a visitor who is not logged in")


def _check(event: StoredEvent, now_us: int, config: EventsConfig) -> None:
    if event.event not in KINDS:
        raise _no_kind(event.event.name)
    if event.user_id is None and event.session_id is None:
        raise _bad("neither user_id nor session_id is given", "say who did it: a user, a session, or both")
    for name in _IDS:
        value = getattr(event, name)
        if value is not None:
            _check_id(name, value)
    if event.user_id is not None:
        check_user(event.user_id)
    _check_time(event.time_us, now_us, config)
    if event.position is not None and not 0 <= event.position < 2**31:
        raise _bad(f"position is {event.position}; expected the place in the list, from 1", "leave it out where there is none")
    for name in ("quantity", "price"):
        number = getattr(event, name)
        if number is not None and not 0 <= number <= _FLOAT32_MAX:
            raise _bad(f"{name} is {number}; expected a number from 0", "leave it out where there is none")


def _check_id(name: str, value: str) -> None:
    if value.strip().lower() in MISSING_WORDS:
        raise _bad(f"{name} is {value!r}, a word that stands for nothing", "leave out what is not known, or give a real id")
    if "\x00" in value or any("\ud800" <= letter <= "\udfff" for letter in value):
        raise _bad(f"{name} {value!r} is no text in UTF-8", "send text without NUL characters and lone surrogates")
    if len(value) * 4 > MAX_ID_BYTES and len(value.encode()) > MAX_ID_BYTES:
        raise _bad(f"{name} has {len(value.encode()):,} bytes; expected at most {MAX_ID_BYTES:,}", "send the id itself")


def _check_time(time_us: int, now_us: int, config: EventsConfig) -> None:
    ahead_s = (time_us - now_us) / 1e6
    if ahead_s > config.skew_s:
        raise AisleError(
            f"the event is {ahead_s:,.0f} s in the future (time_us {time_us}); expected at most {config.skew_s:g} s",
            hint="send microseconds since 1970 UTC, or leave the time out for the server's; set the client's clock",
            code="E051",
        )
    if time_us < TIME_MIN_US:
        raise AisleError(
            f"time_us {time_us} is before 1995",
            hint="send microseconds since 1970 UTC (not seconds or milliseconds), or leave the time out for the server's",
            code="E051",
        )


def _kind(value: object) -> Event:
    names: dict[str, Event] = event_names()
    event = names.get(value.strip().lower()) if isinstance(value, str) else None
    if event is None or event not in KINDS:
        raise _no_kind(value)
    return event


def _id(name: str, value: object) -> str | None:
    if isinstance(value, bool) or not (value is None or isinstance(value, str | int)):
        raise _bad(f"{name} is {value!r}; expected text", "send ids as text")
    return None if value is None else str(value)


def _whole(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not -(2**63) <= value < 2**63:
        raise _bad(f"{name} is {value!r}; expected a whole number", "send a number without a fraction")
    return value


def _number(name: str, value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > _FLOAT32_MAX or math.isnan(value):
        raise _bad(f"{name} is {value!r}; expected a number", "leave it out where there is none")
    return float(value)


def _no_kind(value: object) -> AisleError:
    names = [event.name for event in KINDS]
    advice = did_you_mean(value, names) if isinstance(value, str) else f"known names: {', '.join(names)}"
    return AisleError(f"{value!r} is no event that a service takes", hint=advice, code="E052")


def _bad(message: str, hint: str) -> AisleError:
    return AisleError(message, hint=hint, code="E050")
