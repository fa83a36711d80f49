import numpy as np
import pytest

from aisle.evaluate import bootstrap
from aisle.evaluate.bootstrap import intervals


def test_the_interval_is_about_two_standard_errors_on_each_side() -> None:
    # 2,500 of 10,000 hits: mean .25, standard error sqrt(.25 * .75 / 10000) = .00433, so about .25 -+ 1.96 * .00433.
    hit = (np.arange(10_000) % 4 == 0).astype(float)[:, None]
    low, high = intervals(hit, resamples=2000, seed=0)[0]
    assert (low, high) == pytest.approx((0.25 - 0.0085, 0.25 + 0.0085), abs=0.0006)


@pytest.mark.parametrize("way", ["cases", "groups"])
def test_means_vary_as_theory_says_however_they_are_drawn(way: str) -> None:
    # The mean of n cases drawn with replacement has the cases' mean, their deviation over sqrt(n), their correlation.
    rng = np.random.default_rng(1)
    first = rng.integers(0, 3, 2000)
    value = np.stack([first, first + rng.integers(0, 3, 2000)], axis=1).astype(float)
    rows, count = np.unique(value, axis=0, return_counts=True)
    draw = np.random.default_rng(2)
    means = bootstrap._draw_cases(value, 3000, draw) if way == "cases" else bootstrap._draw_groups(rows, count, 3000, draw)
    assert means.mean(axis=0) == pytest.approx(value.mean(axis=0), abs=0.003)
    assert means.std(axis=0) == pytest.approx(value.std(axis=0) / 2000**0.5, rel=0.05)
    assert np.corrcoef(means[:, 0], means[:, 1])[0, 1] == pytest.approx(np.corrcoef(value[:, 0], value[:, 1])[0, 1], abs=0.04)


def test_cases_are_drawn_with_all_their_metrics() -> None:
    value = np.random.default_rng(0).random((300, 1))
    both = np.concatenate([value, value], axis=1)
    assert np.array_equal(*intervals(both, resamples=200, seed=5))


def test_the_same_seed_gives_the_same_interval_whatever_the_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    for value in (np.random.default_rng(0).random((500, 2)), np.ones((500, 2)) * (np.arange(500) % 2)[:, None]):
        whole = intervals(value, resamples=300, seed=1)
        with monkeypatch.context() as patch:
            patch.setattr(bootstrap, "_CHUNK_CELLS", 700)
            assert intervals(value, resamples=300, seed=1) == pytest.approx(whole, rel=1e-12)
        assert not np.array_equal(whole, intervals(value, resamples=300, seed=2))


def test_no_resamples_give_no_interval() -> None:
    assert np.isnan(intervals(np.ones((5, 2)), resamples=0, seed=0)).all()


def test_a_value_that_never_varies_has_an_interval_of_no_width() -> None:
    assert intervals(np.full((50, 1), 0.25), resamples=100, seed=0) == pytest.approx(np.array([[0.25, 0.25]]))


def test_asking_the_same_shoppers_more_often_does_not_narrow_the_interval() -> None:
    value = np.random.default_rng(0).random((300, 2))
    once = intervals(value, resamples=200, seed=5, user_C=np.arange(300))
    three_times = intervals(np.repeat(value, 3, axis=0), resamples=200, seed=5, user_C=np.repeat(np.arange(300), 3))
    assert three_times == pytest.approx(once)
    assert np.array_equal(once, intervals(value, resamples=200, seed=5)), "shoppers with one case each change nothing"


def test_shoppers_are_drawn_with_all_of_their_cases() -> None:
    # Shopper 7 has three cases worth 1, shopper 2 one worth 0. Drawn are (7, 7), (7, 2), (2, 7) or (2, 2), with the means
    # 1, 3/4, 3/4 and 0: the quantiles at .025 and .975 of many draws are 0 and 1, and the middle of them is 3/4.
    value, user = np.array([[1.0], [0.0], [1.0], [1.0]]), np.array([7, 2, 7, 7])
    assert intervals(value, resamples=500, seed=1, user_C=user).tolist() == [[0.0, 1.0]]
    means = bootstrap._draw_shoppers(value, np.array([1, 0, 1, 1]), 500, np.random.default_rng(0))
    assert set(means.ravel().tolist()) == {0.0, 0.75, 1.0}
