from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from aisle.errors import AisleError
from aisle.recommend.scorer import Scorer
from aisle.simulate.catalogue import numbered
from aisle.simulate.config import ShopConfig
from aisle.simulate.shop import simulate
from aisle.simulate.truth import TrueShop
from tests.simulate.conftest import CONFIG

USERS = numbered("u", 0, CONFIG.users).to_list()
ITEMS = numbered("i", 0, CONFIG.items).to_list()
DAY_US = 86_400_000_000
NOTHING_KNOWN = None


def scorer(shop: Path, day: float, users: list[str] = USERS, items: list[str] = ITEMS) -> TrueShop:
    return TrueShop(shop, users, items, CONFIG.start_us + int(day * DAY_US))


def everybody(truth: TrueShop) -> NDArray[np.float32]:
    return truth.score(np.arange(CONFIG.users), NOTHING_KNOWN)


def test_it_is_a_scorer(shop: Path) -> None:
    as_scorer: Scorer = scorer(shop, 0)
    assert as_scorer is not None


@pytest.mark.parametrize("day", [0, 17.5, 59])
def test_scores_are_probabilities(shop: Path, day: float) -> None:
    score = everybody(scorer(shop, day))
    assert score.min() >= 0
    np.testing.assert_allclose(score.sum(axis=1), 1, rtol=1e-5)


def test_candidates_score_as_in_the_whole_catalogue(shop: Path) -> None:
    truth = scorer(shop, 30, users=[*USERS, "stranger"], items=[*ITEMS, "stranger"])
    user = np.array([3, 77, CONFIG.users, -1])
    item = np.random.default_rng(0).integers(0, len(ITEMS) + 1, (4, 50))
    item[:, 0] = len(ITEMS)
    whole = truth.score(user, NOTHING_KNOWN)
    np.testing.assert_array_equal(truth.score_items(user, NOTHING_KNOWN, item), np.take_along_axis(whole, item, axis=1))


def test_codes_follow_the_ids_given_not_the_shops_numbers(shop: Path) -> None:
    whole = everybody(scorer(shop, 30))
    part = scorer(shop, 30, users=[USERS[9], USERS[4]], items=[ITEMS[8], ITEMS[2], ITEMS[5]])
    np.testing.assert_array_equal(part.score(np.array([1, 0]), NOTHING_KNOWN), whole[[4, 9]][:, [8, 2, 5]])


def test_strangers_are_not_known_and_foreign_items_cannot_be_scored(shop: Path) -> None:
    truth = scorer(shop, 30, users=[USERS[0], "somebody", "u9999999", "u1"], items=[ITEMS[0], "i0000600", "thing"])
    assert truth.knows(np.array([0, 1, 2, 3, -1]), NOTHING_KNOWN).tolist() == [True, False, False, False, False]
    score = truth.score(np.array([0, 1]), NOTHING_KNOWN)
    assert np.isfinite(score).tolist() == [[True, False, False]] * 2


def test_what_is_not_in_the_shop_that_day_scores_zero(shop: Path, items: pl.DataFrame) -> None:
    start = datetime.fromisoformat(CONFIG.start).date()
    for day in (0, 20, 59):
        missing = (items["first_seen"] > start + timedelta(days=day)).to_numpy()
        score = everybody(scorer(shop, day))
        assert (score[:, missing] == 0).all()


def test_tastes_drift(shop: Path) -> None:
    first, last = everybody(scorer(shop, 0)), everybody(scorer(shop, 59))
    shift = np.abs(first - last).sum(axis=1) / 2
    assert 0.1 < np.mean(shift > 0.4) < 0.7


def test_its_probabilities_are_what_happens(tmp_path: Path) -> None:
    """Of all events of one day, the share on some items is the mean probability given to them: the likeliest, the promoted."""
    config = ShopConfig(users=3_000, items=600, events=150_000, seed=4, days=10)
    folder = simulate(config, tmp_path / "shop").folder
    users, items = numbered("u", 0, 3_000).to_list(), numbered("i", 0, 600).to_list()
    day = 5
    truth = TrueShop(folder, users, items, config.start_us + day * DAY_US + DAY_US // 2)
    log = pl.read_parquet(folder / "events.parquet").filter(pl.col("timestamp").dt.date() == datetime(2026, 1, 1 + day).date())
    user, item = (log[name].str.slice(1).cast(pl.Int64).to_numpy() for name in ("user_id", "item_id"))
    score = truth.score(np.arange(3_000), NOTHING_KNOWN)
    top = np.argsort(-score, axis=1)[:, :10]
    expected = np.take_along_axis(score, top, axis=1).sum(axis=1)[user].mean()
    observed = (top[user] == item[:, None]).any(axis=1).mean()
    # About 2,300 sessions; events of one session are on one niche, so the error is at most 0.5 / sqrt(2,300) = 0.01.
    assert len(log) > 10_000
    assert abs(observed - expected) < 0.03
    # The same for the day's promoted items, of all 600 some 3%.
    promoted = np.zeros(600, np.bool_)
    offsets, shelf = (np.load(folder / "truth" / f"promotions.{name}.npy") for name in ("offsets", "item"))
    promoted[shelf[offsets[day * 24] : offsets[(day + 1) * 24]]] = True
    assert abs(promoted[item].mean() - score[:, promoted].sum(axis=1)[user].mean()) < 0.015
    # And for the tenth of the items that convert best: more events a view.
    eager = np.load(folder / "truth" / "items.conversion.npy") > 1.5
    assert abs(eager[item].mean() - score[:, eager].sum(axis=1)[user].mean()) < 0.015
    # The test can tell a wrong model: other shoppers' likeliest items.
    assert observed > 1.5 * (top[np.roll(user, 1_000)] == item[:, None]).any(axis=1).mean()


def test_it_ranks_far_better_than_popularity(shop: Path, events: pl.DataFrame) -> None:
    cut = CONFIG.start_us + 54 * DAY_US
    row = events.select(
        user=pl.col("user_id").str.slice(1).cast(pl.Int64),
        item=pl.col("item_id").str.slice(1).cast(pl.Int64),
        later=pl.col("timestamp").dt.epoch("us") >= cut,
    )
    past, future = (row.filter(pl.col("later") == flag) for flag in (False, True))
    seen, wanted = np.zeros((2, CONFIG.users, CONFIG.items), np.bool_)
    seen[past["user"], past["item"]] = True
    wanted[future["user"], future["item"]] = True
    wanted &= ~seen
    asked = np.flatnonzero(wanted.any(axis=1))

    def hit_rate(score: NDArray[np.float32]) -> float:
        top = np.argsort(-np.where(seen, -np.inf, score)[asked], axis=1)[:, :10]
        return float(np.take_along_axis(wanted[asked], top, axis=1).any(axis=1).mean())

    popularity = np.bincount(past["item"], minlength=CONFIG.items).astype(np.float32)
    popular = hit_rate(np.broadcast_to(popularity, seen.shape))
    assert hit_rate(everybody(scorer(shop, 54))) > 1.8 * popular > 0.1


def test_similar_items_are_of_one_category_and_style(shop: Path, items: pl.DataFrame) -> None:
    truth = scorer(shop, 30)
    similar = truth.similar(np.array([0, 5]))
    category = items["category"].to_numpy()
    for row, item in zip(similar, (0, 5), strict=True):
        assert row[item] == -np.inf
        best = np.argsort(-row)[:5]
        assert (category[best] == category[item]).all()


def test_a_folder_that_is_no_shop_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AisleError, match="no simulated shop") as caught:
        scorer(tmp_path, 0)
    assert caught.value.code == "E804"
    (tmp_path / "shop.json").write_text('{"format_version": 2}')
    with pytest.raises(AisleError, match="format is 2"):
        scorer(tmp_path, 0)
    (tmp_path / "shop.json").write_text("[]")
    with pytest.raises(AisleError, match="cannot be read"):
        scorer(tmp_path, 0)
