from __future__ import annotations

import numpy as np
import pytest

from aisle.errors import AisleError
from aisle.features.histories import Histories
from aisle.models.popularity import DAY_US, Popularity, PopularityConfig
from tests.models.communities import histories


def _at_days(*rows: list[tuple[int, float]]) -> Histories:
    """Make histories from (item, day) pairs."""
    plain = histories([[item for item, _ in row] for row in rows])
    time = np.array([int(day * DAY_US) for row in rows for _, day in row], np.int64)
    return Histories(plain.offsets, plain.item, plain.event, time)


def _counts(config: PopularityConfig, train: Histories, **kind: str) -> list[float]:
    model = Popularity.fit(config, train, 4, **kind)  # type: ignore[arg-type]
    return [float(count) for count in model.count_V]


def test_all_counts_every_event() -> None:
    assert _counts(PopularityConfig(), histories([[0, 1, 1], [1, 2]])) == [1, 3, 1, 0]


def test_recent_counts_the_last_days_before_the_last_training_event() -> None:
    train = _at_days([(0, 0.0), (1, 6.0)], [(2, 9.5), (2, 10.0)])
    # The last event is on day 10; 5 days back reaches to day 5, day 0 is out.
    assert _counts(PopularityConfig("recent", days=5), train) == [0, 1, 2, 0]


def test_an_event_exactly_as_old_as_the_window_is_out() -> None:
    assert _counts(PopularityConfig("recent", days=5), _at_days([(0, 5.0), (1, 10.0)])) == [0, 1, 0, 0]


def test_decay_halves_an_event_every_so_many_days() -> None:
    train = _at_days([(0, 0.0), (1, 10.0), (1, 20.0)])
    # Ages 20, 10, 0 days at a half-life of 10: 1/4, 1/2, 1.
    assert _counts(PopularityConfig("decay", days=10), train) == [0.25, 1.5, 0, 0]


def test_without_times_the_latest_share_of_each_history_counts() -> None:
    train = histories([[0, 0, 1, 2], [3]])
    # A share of 0.5 keeps the last two of four events, and the only one of one.
    assert _counts(PopularityConfig("recent", share=0.5), train, time_kind="order") == [0, 1, 1, 1]


def test_without_times_decay_halves_by_share_of_the_own_history() -> None:
    # Two events came after the first of four: 3/4 of the history later, 1, 1/2, 0 half-lives of a half.
    counts = _counts(PopularityConfig("decay", share=0.5), histories([[0, 1, 2, 3]]), time_kind="order")
    assert counts == pytest.approx([0.5**1.5, 0.5**1.0, 0.5**0.5, 1.0])


def test_an_item_without_counted_events_is_never_recommended() -> None:
    model = Popularity.fit(PopularityConfig(), histories([[0]]), 2)
    assert model.score(np.array([0]), Histories.empty(1)).tolist() == [[1.0, -np.inf]]


def test_an_empty_training_part_scores_nothing_and_does_not_crash() -> None:
    for kind in ("all", "recent", "decay"):
        model = Popularity.fit(PopularityConfig(kind), Histories.empty(3), 2)
        assert np.isneginf(model.score(np.array([0]), Histories.empty(1))).all()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"kind": "recnt"}, "did you mean 'recent'"),
        ({"days": 0.0}, "days > 0"),
        ({"share": 1.5}, "share <= 1"),
        ({"days": np.nan}, "nan"),
    ],
)
def test_wrong_settings_are_refused_with_a_hint(settings: dict[str, object], words: str) -> None:
    with pytest.raises(AisleError, match="E301") as error:
        PopularityConfig(**settings)  # type: ignore[arg-type]
    assert words in str(error.value)
