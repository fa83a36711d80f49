"""Simulated shoppers in front of a service: they look at what it recommends, and act on what they truly like.

Nobody real is in here. What a shopper likes is the truth of a simulated shop (`simulate.truth`); how a list is looked at and what
follows a view is a simple model, made up for tests:

- the place p of a list is looked at with chance 1 / log2(p + 1), as NDCG discounts it;
- an item that is looked at is opened with a chance that grows with how much the shopper likes it;
- besides, the shopper finds some items alone, drawn from what he likes;
- of what was opened a part goes into the cart, and of that a part is bought.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from aisle.features.histories import Histories
from aisle.simulate.truth import TrueShop

FOUND_ALONE = 3
CART, PURCHASE = 0.3, 0.4
# How many times better than an item of the catalogue on average an item is that is opened every second time.
_HALF = 4.0

Json = dict[str, Any]
# (path, body) -> answer
Call = Callable[[str, Json], Json]


@dataclass(frozen=True)
class Act:
    """What one shopper was shown, and did.

    Attributes:
        user: raw id.
        bundle: that answered.
        shown: raw ids, best first.
        events: as they were sent.
        opened: how many of the shown were opened.
    """

    user: str
    bundle: str
    shown: tuple[str, ...]
    events: tuple[Json, ...]
    opened: int


class Shoppers:
    """The shoppers of a simulated shop, today.

    Args:
        shop: its folder.
        users, items: raw ids.
        time_us: when they act.
        seed: the same seed and the same lists give the same acts.
    """

    def __init__(self, shop: Path, users: Sequence[str], items: Sequence[str], time_us: int, seed: int) -> None:
        self.users, self._items, self._seed = tuple(users), tuple(items), seed
        truth = TrueShop(shop, users, items, time_us)
        liked_UV = truth.score(np.arange(len(users)), Histories.empty(len(users))).astype(np.float64)
        self._liked_UV = liked_UV / liked_UV.sum(axis=1, keepdims=True)
        self._row = {user: row for row, user in enumerate(users)}
        self._place = {item: place for place, item in enumerate(items)}

    def liking(self, user: str, items: Iterable[str]) -> float:
        """Return the chance that the next item that a shopper likes is one of these."""
        liked_V = self._liked_UV[self._row[user]]
        return float(sum(liked_V[self._place[item]] for item in items))

    def act(self, number: int, call: Call) -> Act:
        """Let one shopper look, act, and tell the service."""
        rng = np.random.default_rng((self._seed, number))
        user, liked_V = self.users[number], self._liked_UV[number]
        answer = call("/v1/recommend", {"user_id": user, "k": 10})
        opened: list[Json] = []
        for item in answer["items"]:
            appeal = liked_V[self._place[item["item_id"]]] * len(liked_V)
            if rng.random() < 1 / math.log2(item["rank"] + 1) * appeal / (appeal + _HALF):
                opened.append({"item_id": item["item_id"], "request_id": answer["request_id"], "position": item["rank"]})
        alone = [{"item_id": self._items[place]} for place in rng.choice(len(liked_V), FOUND_ALONE, p=liked_V)]
        events = []
        for view in (*opened, *alone):
            events.append({"event": "view", **view})
            if rng.random() < CART:
                events.append({"event": "cart", **view})
                if rng.random() < PURCHASE:
                    events.append({"event": "purchase", **view, "quantity": 1})
        events = [{"user_id": user, "session_id": f"today-{user}", **event} for event in events]
        told = call("/v1/events", {"events": events})
        assert told["accepted"] == len(events)
        shown = tuple(item["item_id"] for item in answer["items"])
        return Act(user, answer["bundle"], shown, tuple(events), len(opened))
