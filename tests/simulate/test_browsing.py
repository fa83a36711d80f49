from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from aisle.simulate.browsing import _cut
from tests.simulate.conftest import CONFIG


def by_session(events: pl.DataFrame, kind: str, name: str) -> pl.DataFrame:
    rows = events.filter(pl.col("event") == kind)
    return rows.group_by("session_id", "item_id").agg(pl.col("timestamp").min().alias(name))


def test_every_step_of_the_funnel_follows_the_one_before_in_the_same_session(events: pl.DataFrame) -> None:
    for earlier, later in (("view", "favourite"), ("view", "cart"), ("cart", "purchase")):
        joined = by_session(events, later, "later").join(
            by_session(events, earlier, "earlier"), on=["session_id", "item_id"], how="left"
        )
        assert len(joined) > 100
        assert joined["earlier"].null_count() == 0, f"a {later} without a {earlier}"
        assert (joined["earlier"] < joined["later"]).all()


def test_no_item_is_seen_before_it_exists(events: pl.DataFrame, items: pl.DataFrame) -> None:
    joined = events.join(items, on="item_id")
    assert (joined["timestamp"].dt.date() >= joined["first_seen"]).all()
    new = items.filter(pl.col("first_seen") > datetime.fromisoformat(CONFIG.start).date())
    assert joined.filter(pl.col("item_id").is_in(new["item_id"].implode())).height > 1_000


def test_all_events_lie_within_the_log(events: pl.DataFrame) -> None:
    first = datetime.fromisoformat(CONFIG.start).replace(tzinfo=UTC)
    assert events.select(pl.col("timestamp").is_between(first, first + timedelta(days=CONFIG.days), closed="left").all()).item()
    days = events["timestamp"].dt.date().n_unique()
    assert days == CONFIG.days


def test_prices_are_the_catalogues_unless_promoted(events: pl.DataFrame, items: pl.DataFrame) -> None:
    joined = events.join(items.select("item_id", pl.col("price").alias("usual")), on="item_id")
    off = joined.select(1 - pl.col("price") / pl.col("usual")).to_series()
    allowed = [0.0, 0.1, 0.15, 0.2, 0.3]
    # Cents are rounded: half a cent of the smallest price, 0.99, is 0.5%.
    nearest = np.abs(off.to_numpy()[:, None] - allowed)
    assert nearest.min(axis=1).max() < 0.006
    assert 0.03 < np.mean(off.to_numpy() > 0.05) < 0.3


def test_a_session_sees_one_price_of_an_item(events: pl.DataFrame) -> None:
    assert events.group_by("session_id", "item_id").agg(pl.col("price").n_unique())["price"].max() == 1


def test_the_mix_of_events_is_that_of_a_shop(events: pl.DataFrame) -> None:
    share = dict(events["event"].value_counts(normalize=True).iter_rows())
    assert 0.70 < share["view"] < 0.80
    assert 0.03 < share["purchase"] < 0.08
    assert share["purchase"] < share["cart"] < share["view"]


def test_popularity_and_activity_are_skewed(events: pl.DataFrame) -> None:
    for column in ("item_id", "user_id"):
        count = np.sort(events[column].value_counts()["count"].to_numpy())[::-1]
        tenth = len(count) // 10
        assert count[:tenth].sum() > 0.25 * count.sum(), column


def test_cheaper_and_promoted_items_sell_better(events: pl.DataFrame, items: pl.DataFrame) -> None:
    joined = events.join(items.select("item_id", pl.col("price").alias("usual")), on="item_id")
    counts = joined.group_by(pl.col("price") < 0.95 * pl.col("usual"), "event").len()
    sold = {key: dict(group.select("event", "len").iter_rows()) for key, group in counts.group_by("price")}
    assert sold[(True,)]["cart"] / sold[(True,)]["view"] > 1.2 * sold[(False,)]["cart"] / sold[(False,)]["view"]


def test_a_cut_takes_later_sessions_first_then_what_follows_first_views() -> None:
    # Shopper 0 has sessions 0 (3 events) and 1 (2 events), shopper 1 has session 2 (2 events): 7 events.
    user = np.array([0, 0, 1])
    session = np.array([0, 0, 0, 1, 1, 2, 2])
    offset = np.array([0, 5, 9, 0, 4, 0, 7])
    for surplus in range(7):
        keep = _cut(user, session, offset, surplus, np.random.default_rng(surplus))
        assert keep.sum() == 7 - surplus
        # The first view of each shopper (events 0 and 5) goes only when fewer than two events are left.
        assert keep[[0, 5]].sum() == min(2, 7 - surplus)
        # Session 1 is the only one that is nobody's first: its newest event goes first, then its other one.
        assert keep[3:5].tolist() == [surplus < 2, surplus < 1]


def test_almost_every_shopper_is_in_the_log(events: pl.DataFrame) -> None:
    assert events["user_id"].n_unique() > 0.99 * CONFIG.users
