"""How much of what shoppers do is held, for how long, and how much may wait to be written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Self

from aisle.errors import AisleError
from aisle.schema.events import Event

DAY_US = 86_400 * 1_000_000

# What a service takes. A rating needs a number of stars, which no event of a shop window carries.
KINDS = tuple(event for event in Event if event is not Event.rating)


def _lifetimes() -> dict[Event, float]:
    return {event: 90.0 if event is Event.impression else 365.0 for event in KINDS}


@dataclass(frozen=True)
class EventsConfig:
    """Bounds of an event store; every one of them is a promise about memory, disk or time.

    Attributes:
        lifetime_days: kind of event -> days after which it is neither answered from nor kept; kinds left out live 365.
        served_days: days that lists which were served are kept.
        session_days: days after its last event that a session still belongs to its user.
        live_shoppers: shoppers whose latest events are held in memory (SQLite only).
        live_events: latest events of a shopper that a recommendation sees.
        queue_events: events that may wait to be written; more are refused as busy.
        batch_events: events in one transaction, so that the first in the queue never waits for all the others.
        queue_served: served lists that may wait to be written; more are dropped and counted.
        flush_served_s: seconds after which waiting lists are written.
        skew_s: seconds that a client's clock may be ahead of ours.

    Raises:
        AisleError: E059 for a bound that is not above 0, or a lifetime of something that is no event.
    """

    lifetime_days: Mapping[Event, float] = field(default_factory=_lifetimes)
    served_days: float = 90.0
    session_days: float = 30.0
    live_shoppers: int = 100_000
    live_events: int = 200
    queue_events: int = 50_000
    batch_events: int = 5_000
    queue_served: int = 10_000
    flush_served_s: float = 1.0
    skew_s: float = 300.0

    def __post_init__(self) -> None:
        bounds = {name: value for name, value in vars(self).items() if name != "lifetime_days"}
        bounds |= {f"lifetime_days of {event.name}": days for event, days in self.lifetime_days.items()}
        for name, value in bounds.items():
            if not value > 0:
                raise AisleError(f"{name} is {value}; expected more than 0", hint="leave it out for the default", code="E059")

    @classmethod
    def for_days(cls, days: float) -> Self:
        """Return bounds under which everything lives equally long."""
        return cls(dict.fromkeys(KINDS, days), served_days=days, session_days=days)

    def lifetime_us(self, event: Event) -> int:
        """Return how long such an event lives, in microseconds."""
        return int(self.lifetime_days.get(event, 365.0) * DAY_US)

    @cached_property
    def shortest_us(self) -> int:
        """The lifetime below which nothing can have expired, in microseconds."""
        return min(self.lifetime_us(event) for event in KINDS)
