"""The columns of a behaviour log, the names that other shops give them, and the one canonical row order."""

from __future__ import annotations

from typing import Literal

ColumnKind = Literal["number", "integer", "category", "categories", "group", "text"]

REQUIRED = ("user_id", "item_id")
EVENT = "event"
TIMESTAMP = "timestamp"

# Optional columns with a meaning of their own. Kinds: number -> float32, NaN where missing; integer -> int32, -1 where
# missing; category -> int32 code into a vocabulary, -1 where missing; group -> uint32, which group of this user's events
# (0, 1, 2, ... by first appearance), so that the raw group ids need no map.
OPTIONAL: dict[str, str] = {
    "session_id": "group",
    "quantity": "number",
    "price": "number",
    "weight": "number",
    "request_id": "group",
    "position": "integer",
    "variant": "category",
    "propensity": "number",
    "fold": "integer",
}

COLUMNS = (*REQUIRED, EVENT, TIMESTAMP, *OPTIONAL)

# Names seen in public logs and shop exports, lower case. A mapping given by the user always wins.
ALIASES: dict[str, tuple[str, ...]] = {
    "user_id": (
        "user",
        "userid",
        "uid",
        "u",
        "visitorid",
        "visitor_id",
        "customerid",
        "customer_id",
        "customer id",
        "shopper_id",
        "reviewerid",
    ),
    "item_id": ("item", "itemid", "iid", "i", "movieid", "movie_id", "product_id", "productid", "stockcode", "asin", "sku"),
    "event": ("event_type", "behavior", "behaviour", "behavior_type", "behaviour_type", "action", "type"),
    "timestamp": ("ts", "time", "datetime", "date", "event_time", "created_at", "invoicedate", "unixreviewtime"),
    "session_id": ("session", "sessionid", "user_session"),
    "quantity": ("qty", "amount"),
    "price": ("unitprice", "unit_price", "item_price"),
    "weight": ("rating", "score", "stars", "overall"),
    "request_id": ("impression_id",),
    "position": ("rank", "slot"),
    "variant": ("ab_variant", "bucket"),
    "propensity": ("pscore",),
    "fold": (),
}

# Catalogue columns with a meaning of their own; any other column becomes a feature by its type.
ITEM_COLUMNS: dict[str, str] = {
    "title": "text",
    "description": "text",
    "category": "category",
    "brand": "category",
    "price": "number",
    "available": "number",
}
ITEM_ALIASES: dict[str, tuple[str, ...]] = {
    "item_id": ALIASES["item_id"],
    "title": ("name", "product_name", "words"),
    "category": ("categories", "genres", "category_id", "categoryid"),
    "price": ALIASES["price"],
}

# Rows of one user are ordered by these, the first difference deciding; users are ordered by id (numbers by value, text
# by UTF-8 bytes). Optional columns follow in the order of OPTIONAL, context columns by name. Where a log has an order
# but no time, the order is the time and rows with equal order keep their place in the source.
ROW_ORDER = ("user", "time", "item", "event")
