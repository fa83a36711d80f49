"""Whether an event can be: what is refused here would be rejected tomorrow, when the log is prepared."""

from __future__ import annotations

from collections.abc import Sequence

from aisle.errors import AisleError
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
        names = ", ".join(kind.name for kind in KINDS)
        raise AisleError(f"'{event.event.name}' is no event that a service takes", hint=f"send one of {names}", code="E052")
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


def _bad(message: str, hint: str) -> AisleError:
    return AisleError(message, hint=hint, code="E050")
