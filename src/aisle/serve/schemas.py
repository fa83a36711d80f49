"""What a request may say, checked at the door: unknown keys, NaN, and anything too long or too large are refused.

Lists fail fast: an error for each of 200,000 wrong candidates took 3 s and 900 MB, while everybody else waited.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, field_validator

Id = Annotated[str, Field(min_length=1, max_length=256, strict=True)] | Annotated[int, Field(ge=-(2**63), lt=2**63, strict=True)]
Word = Annotated[str, Field(max_length=256, strict=True)]
Kind = Literal["view", "click", "impression", "favourite", "cart", "purchase", "dislike", "rating"]
ServiceKind = Literal["view", "click", "impression", "favourite", "cart", "purchase", "dislike"]
# Seconds since 1970, up to the year 2200: milliseconds by mistake are beyond it and refused.
Moment = Annotated[float, Field(ge=0, le=7_258_118_400, strict=True)] | Annotated[AwareDatetime, Field(strict=True)]
Price = Annotated[float, Field(ge=0, strict=True)]

MAX_K = 500
MAX_HISTORY = 1000
MAX_CANDIDATES = 10_000
MAX_EVENTS = 1000
MAX_BULK = 256
MAX_BULK_ITEMS = 25_600
MAX_CONTEXT = 32


def _few(context: Any) -> Any:
    """Refuse what is too long before it is looked into: pydantic counts the keys of an object only after checking them all."""
    if isinstance(context, dict) and len(context) > MAX_CONTEXT:
        raise ValueError(f"it has {len(context):,} entries; expected at most {MAX_CONTEXT}")
    return context


def microseconds(moment: float | datetime | None) -> int | None:
    """Return a moment in microseconds since 1970 UTC."""
    if moment is None:
        return None
    return round(1e6 * (moment.timestamp() if isinstance(moment, datetime) else moment))


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class HistoryEvent(_Body):
    """One thing that the shopper did, in a history sent along."""

    item_id: Id
    event: Kind = "view"
    timestamp: Moment | None = Field(None, description="seconds since 1970 or ISO 8601 with an offset; for all or for none")

    @property
    def time_us(self) -> int | None:
        """Microseconds since 1970 UTC."""
        return microseconds(self.timestamp)


class RecommendRequest(_Body):
    """Who asks, for what.

    Without `user_id`, `history` and `session_id` it is a stranger who asks: popular items.
    """

    user_id: Id | None = Field(None, description="a shopper by id; what the bundle and the events know of them is used")
    history: Annotated[tuple[HistoryEvent, ...], Field(max_length=MAX_HISTORY, fail_fast=True)] | None = Field(
        None, description="the whole history, oldest first; nothing else that is known of the shopper is then used"
    )
    session_id: Id | None = Field(None, description="a session by id; its events are used")
    k: Annotated[int, Field(ge=1, le=MAX_K, strict=True)] = Field(10, description="items to answer with")
    filter_seen: bool = Field(True, strict=True, description="leave out what the shopper has seen, as the recipe says")
    candidates: Annotated[tuple[Id, ...], Field(min_length=1, max_length=MAX_CANDIDATES, fail_fast=True)] | None = Field(
        None, description="the only items to choose from"
    )
    categories: Annotated[tuple[Word, ...], Field(min_length=1, max_length=256, fail_fast=True)] | None = Field(
        None, description="the only categories to choose from"
    )
    min_price: Price | None = Field(None, description="leave out what is cheaper or has no price")
    max_price: Price | None = Field(None, description="leave out what is dearer or has no price")
    available_only: StrictBool | None = Field(None, description="leave out what cannot be bought")
    exclude_events: Annotated[tuple[Kind, ...], Field(max_length=8, fail_fast=True)] | None = Field(
        None, description="leave out items with which the shopper did one of these"
    )
    max_per_category: Annotated[int, Field(ge=1, le=MAX_K, strict=True)] | None = Field(
        None, description="most items of one category"
    )
    context: (
        Annotated[dict[Word, Word | StrictBool | int | float], BeforeValidator(_few), Field(max_length=MAX_CONTEXT)] | None
    ) = Field(None, description="circumstances of the moment, for models that read them")
    model: Annotated[str, Field(min_length=1, max_length=64)] | None = Field(
        None, description="which of the loaded models answers; by default the first"
    )

    @field_validator("history")
    @classmethod
    def _times_for_all_or_none(cls, history: tuple[HistoryEvent, ...] | None) -> tuple[HistoryEvent, ...] | None:
        if history and len({event.timestamp is None for event in history}) == 2:
            raise ValueError("some events have a timestamp and some have none; give it for all or for none")
        return history


class BatchRequest(_Body):
    """Many questions in one call; each is answered or refused by itself."""

    requests: Annotated[tuple[RecommendRequest, ...], Field(min_length=1, max_length=MAX_BULK, fail_fast=True)] = Field(
        description=f"their k together at most {MAX_BULK_ITEMS:,}"
    )

    @field_validator("requests")
    @classmethod
    def _items_in_bounds(cls, requests: tuple[RecommendRequest, ...]) -> tuple[RecommendRequest, ...]:
        # Writing the answer holds up everybody else: about 10 ms for so many items.
        items = sum(request.k for request in requests)
        if items > MAX_BULK_ITEMS:
            raise ValueError(f"k adds up to {items:,}; expected at most {MAX_BULK_ITEMS:,} in one call")
        return requests


class ShopperEvent(_Body):
    """Something that a shopper did; `user_id`, `session_id` or both say who."""

    event: ServiceKind
    item_id: Id
    user_id: Id | None = None
    session_id: Id | None = None
    timestamp: Moment | None = Field(None, description="seconds since 1970 or ISO 8601 with an offset; without: now")
    event_id: Annotated[str, Field(min_length=1, max_length=256)] | None = Field(
        None, description="your own name of this event: one that is sent again is stored once"
    )
    request_id: Annotated[str, Field(min_length=1, max_length=160)] | None = Field(
        None, description="the answer that showed the item"
    )
    position: Annotated[int, Field(ge=1, le=MAX_K, strict=True)] | None = Field(None, description="its place in that answer")
    quantity: Price | None = Field(None, description="pieces, of a cart or a purchase")
    price: Price | None = Field(None, description="of one piece")
    variant: Annotated[str, Field(min_length=1, max_length=64)] | None = Field(None, description="of an experiment")

    @property
    def time_us(self) -> int | None:
        """Microseconds since 1970 UTC."""
        return microseconds(self.timestamp)


class EventsRequest(_Body):
    """Events; all are accepted, which means on disk, or none."""

    events: Annotated[tuple[ShopperEvent, ...], Field(min_length=1, max_length=MAX_EVENTS, fail_fast=True)]


class ChangedItem(_Body):
    """What is new about an item; what is not named stays. An item that is not in the bundle becomes a new one."""

    item_id: Id
    price: Price | None = None
    available: StrictBool | None = None
    title: Annotated[str, Field(max_length=2000)] | None = None
    category: Word | None = None
    brand: Word | None = None


class CatalogueRequest(_Body):
    """Changes of the catalogue; all are made, or none."""

    changes: Annotated[tuple[ChangedItem, ...], Field(min_length=1, max_length=MAX_EVENTS, fail_fast=True)]
    model: Annotated[str, Field(min_length=1, max_length=64)] | None = Field(
        None, description="of which loaded model; by default of all"
    )


class ReloadRequest(_Body):
    """Which models to load again; by default all."""

    model: Annotated[str, Field(min_length=1, max_length=64)] | None = None


class SimilarQuery(_Body):
    """What the query of /v1/similar may say."""

    k: Annotated[int, Field(ge=1, le=MAX_K)] = Field(10, description="items to answer with")
    model: Annotated[str, Field(min_length=1, max_length=64)] | None = Field(None, description="which of the loaded models")


class ItemQuery(_Body):
    """What the query of /v1/items may say."""

    model: Annotated[str, Field(min_length=1, max_length=64)] | None = Field(None, description="which of the loaded models")


class RecommendedItem(BaseModel):
    """One place of a list."""

    item_id: str | int
    score: float
    rank: int = Field(ge=1)
    source: str = Field(description="who named the item: a model, or what fills short lists")
    reason: str = Field(description="why, in words")
    because_item_id: str | int | None = Field(description="the shopper's own item that the reason names")


class RecommendAnswer(BaseModel):
    """A list, and what made it."""

    request_id: str
    bundle: str = Field(description="id of the one bundle that the whole answer is from")
    model: str = Field(description="what the bundle is called")
    variant: str = Field(description="which of the loaded models it is")
    known: bool = Field(description="whether the model knows something about this shopper; else the list is popular items")
    items: list[RecommendedItem]


class ErrorBody(BaseModel):
    """What is wrong, and what to do now."""

    code: str
    message: str
    hint: str


class ErrorAnswer(BaseModel):
    """Every answer that is not 2xx."""

    error: ErrorBody


class BatchAnswer(BaseModel):
    """One answer a question, in their order."""

    request_id: str
    answers: list[RecommendAnswer | ErrorAnswer]


class SimilarAnswer(BaseModel):
    """Items like an item."""

    request_id: str
    bundle: str
    model: str
    variant: str
    item_id: str | int
    items: list[RecommendedItem]


class AcceptedAnswer(BaseModel):
    """So many are on disk."""

    request_id: str
    accepted: int = Field(description="events that are on disk")
    repeated: int = Field(description="those of them that had been there before, by event_id")
    too_old_to_matter: int = Field(
        description="those of them from before the end of the log that the bundles were made from: kept, reflected by no list"
    )


class ErasedAnswer(BaseModel):
    """The receipt of an erasure. It names nobody: it can be kept."""

    request_id: str
    receipt_id: str
    erased_at: float = Field(description="seconds since 1970")
    events: int = Field(description="events that were removed")
    served: int = Field(description="served lists that were removed")
    sessions: int = Field(description="visits that were removed")


class ChangedAnswer(BaseModel):
    """So many changes hold for every answer from now on."""

    request_id: str
    changed: int


class ItemAnswer(BaseModel):
    """What the catalogue knows of an item; columns that the shop's catalogue lacks are left out."""

    request_id: str
    item_id: str | int
    title: str | None = None
    category: str | None = None
    brand: str | None = None
    price: float | None = None
    available: bool | None = None


class LoadedModel(BaseModel):
    """One loaded model."""

    variant: str
    bundle: str
    loaded_at: float = Field(description="seconds since 1970")
    changed_items: int = Field(description="items that /v1/catalogue changed or added since the service was started")
    manifest: dict[str, Any] = Field(description="the bundle's manifest without its list of files")


class BundlesAnswer(BaseModel):
    """What is loaded; the first answers unless a request names another."""

    request_id: str
    models: list[LoadedModel]


class ReloadedAnswer(BaseModel):
    """What answers now: variant -> id of its bundle."""

    request_id: str
    bundles: dict[str, str]
