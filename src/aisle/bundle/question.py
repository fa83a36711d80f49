"""What a bundle is asked, and what it answers, in raw ids.

Many of these are made a request. None is a frozen dataclass: that takes five times as long to make.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, NamedTuple

from aisle.errors import AisleError
from aisle.recommend.rules import Rules

MAX_K = 500


class RawEvent(NamedTuple):
    """Something a shopper did.

    Attributes:
        item_id: raw id; an item that the bundle does not know says nothing.
        event: name of a kind of event, such as "view".
        time_us: microseconds since 1970 UTC.
    """

    item_id: int | str
    event: str = "view"
    time_us: int = 0


@dataclass
class Question:
    """One shopper asks.

    Attributes:
        user_id: raw id; None for a shopper without one.
        events: what the shopper did since the bundle was made, in any order.
        whole: the events are the whole history: what the bundle knows of this user is not added.
        k: list length, 1 to 500; fewer where fewer can be recommended.
        filter_seen: leave out what is no news to the shopper.
        candidates: raw ids to choose from; None = the whole catalogue.
        categories: names of categories to choose from; None = all.
        rules: None = the shop's own, from the recipe.
        context: (column, value) pairs: the circumstances of this moment, for models that read them.

    Raises:
        AisleError: E015 for a k that no list has.
    """

    user_id: int | str | None = None
    events: Sequence[RawEvent] = ()
    whole: bool = False
    k: int = 10
    filter_seen: bool = True
    candidates: tuple[int | str, ...] | None = None
    categories: tuple[str, ...] | None = None
    rules: Rules | None = None
    context: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        if not 1 <= self.k <= MAX_K:
            raise AisleError(f"k is {self.k}; expected 1 to {MAX_K}", hint="ask for fewer items, such as 10", code="E015")


@dataclass
class Item:
    """One place of a list.

    Attributes:
        item_id: raw id.
        score: of popular items it is popularity, which cannot be compared with the model's.
        rank: from 1.
        source: "model", or "popular" for what the model did not give.
        reason: in words.
        because_item_id: the shopper's own item that the reason names; None = none.
    """

    item_id: int | str
    score: float
    rank: int
    source: str = "model"
    reason: str = ""
    because_item_id: int | str | None = None


@dataclass
class Answer:
    """A list.

    Attributes:
        items: best first.
        known: whether the model had anything to go by; without, the items are popular ones.
    """

    items: tuple[Item, ...] = field(default=())
    known: bool = False


_DEFAULTS = {one.name: one.default for one in fields(Question)}


def question_as_json(question: Question) -> dict[str, Any]:
    """Return what a question says beyond the defaults, ready for JSON."""
    told = {name: value for name, value in vars(question).items() if value != _DEFAULTS[name]}
    if "events" in told:
        told["events"] = [(event.item_id, event.event, event.time_us) for event in question.events]
    if question.rules is not None:
        told["rules"] = asdict(question.rules)
    return told


def question_from_json(told: Mapping[str, Any]) -> Question:
    """Return what `question_as_json` took apart."""
    values = dict(told)
    if "events" in told:
        values["events"] = tuple([RawEvent(*event) for event in told["events"]])
    if told.get("rules") is not None:
        values["rules"] = Rules(**{**told["rules"], "exclude_events": tuple(told["rules"]["exclude_events"])})
    for name in ("candidates", "categories"):
        if told.get(name) is not None:
            values[name] = tuple(told[name])
    if "context" in told:
        values["context"] = tuple([(name, value) for name, value in told["context"]])
    return Question(**values)
