import numpy as np

from aisle.simulate.config import ShopConfig
from aisle.simulate.tastes import INTERESTS, make_activity, make_segments, make_tastes, share_after

CONFIG = ShopConfig(users=5_000, items=600, events=1)
LIKES = make_segments(CONFIG, np.random.default_rng(1))
TASTES = make_tastes(5_000, 60, LIKES, np.random.default_rng(2))


def test_a_shopper_has_two_to_four_interests() -> None:
    count = (TASTES.weight > 0).sum(axis=1)
    assert set(np.unique(count)) == {2, 3, 4}
    np.testing.assert_allclose(TASTES.weight.sum(axis=1), 1, rtol=1e-6)


def test_an_interest_moves_over_fourteen_days() -> None:
    # Half way on day 20; 14 days from all old to all new: day 13 and day 27.
    switch = np.array([20.0], np.float32)
    assert [float(share_after(switch, day)[0]) for day in (0, 13, 16.5, 20, 27, 60)] == [0, 0, 0.25, 0.5, 1, 1]
    assert share_after(np.array([np.inf], np.float32), 60.0)[0] == 0


def test_about_a_third_of_the_interests_drift() -> None:
    assert 0.27 < np.isfinite(TASTES.switch).mean() < 0.33


def test_shoppers_of_a_segment_share_their_likes() -> None:
    niches = 24 * 6
    profile = np.stack([np.bincount(TASTES.before[TASTES.segment == s].ravel() // 6, minlength=24) for s in range(8)]).astype(
        float
    )
    profile /= profile.sum(axis=1, keepdims=True)
    overall = profile.mean(axis=0)
    # Total variation distance between a segment and the average shopper.
    assert (np.abs(profile - overall).sum(axis=1) / 2).mean() > 0.3
    assert TASTES.before.shape == (5_000, INTERESTS)
    assert 0 <= TASTES.before.min() <= TASTES.before.max() < niches


def test_late_arrivals_are_due_fewer_events() -> None:
    activity = make_activity(CONFIG, np.random.default_rng(3))
    assert abs(activity.share.sum() - 1) < 1e-9
    old, late = activity.share[activity.arrival == 0], activity.share[activity.arrival > 30]
    assert late.mean() < 0.5 * old.mean()
    # Shares are relative to the mean shopper, who arrives a little late; nobody is more than about 25 times as busy.
    assert activity.share.max() * 5_000 < 25
