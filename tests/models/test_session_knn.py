"""VS-kNN by hand: the arithmetic of a few sessions, and which of them are compared."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from aisle.errors import AisleError
from aisle.features.histories import Histories
from aisle.models import session_knn
from aisle.models.session_knn import MINUTE_US, SessionKNN, SessionKNNConfig
from tests.models.communities import histories

ITEMS = 8
NOBODY = np.array([-1])
PLAIN = SessionKNNConfig()
OUT = -np.inf


def at(minutes: list[list[float]], items: list[list[int]]) -> Histories:
    """Histories of items at given minutes."""
    plain = histories(items)
    return replace(plain, time=np.array([minute * MINUTE_US for row in minutes for minute in row], np.int64))


def fit(sessions: list[list[int]], config: SessionKNNConfig = PLAIN) -> SessionKNN:
    """Learn from one user a session, the sessions an hour apart."""
    minutes = [[60.0 * number + place for place in range(len(session))] for number, session in enumerate(sessions)]
    return SessionKNN.fit(config, at(minutes, sessions), ITEMS)


def scores(model: SessionKNN, items: list[int]) -> list[float]:
    scores: list[float] = model.score(NOBODY, histories([items]))[0].tolist()
    return scores


def test_a_score_is_the_similarity_times_the_weight_of_the_last_shared_item() -> None:
    # The session 0, 1 has the weights 1/2 and 1. Session 0, 2 shares 0: similarity 1/2, last shared 1/2: 1/4 for its items.
    # Session 0, 1, 3 shares both: 3/2 times 1. Session 1, 2 shares 1: 1 times 1.
    model = fit([[0, 2], [0, 1, 3], [1, 2]])
    assert scores(model, [0, 1]) == [1 / 4 + 3 / 2, 3 / 2 + 1, 1 / 4 + 1, 3 / 2, OUT, OUT, OUT, OUT]


def test_an_item_that_comes_twice_counts_at_its_last_place() -> None:
    # 0, 1, 0 weighs 1/3, 2/3, 3/3: item 0 weighs 1, item 1 weighs 2/3.
    model = fit([[0, 2], [1, 3]])
    assert scores(model, [0, 1, 0])[2:4] == pytest.approx([1, 4 / 9])


def test_only_the_last_events_are_compared() -> None:
    model = fit([[0, 2], [1, 3]], SessionKNNConfig(length=1))
    assert scores(model, [0, 1])[2:4] == [OUT, 1]


def test_a_pause_ends_a_session_in_training_and_in_asking() -> None:
    # One user: 0 and 1 within the half hour, 2 and 3 an hour later. Asked: 0, a pause, 2.
    model = SessionKNN.fit(PLAIN, at([[0, 30, 90, 91]], [[0, 1, 2, 3]]), ITEMS)
    assert model.score(NOBODY, at([[0, 1]], [[0, 2]]))[0, :4].tolist() == [1 / 4, 1 / 4, 1, 1]
    assert model.score(NOBODY, at([[0, 31]], [[0, 2]]))[0, :4].tolist() == [OUT, OUT, 1, 1]


def test_a_log_without_times_has_one_session_a_shopper() -> None:
    train = at([[0, 100, 200], [0, 1]], [[0, 1, 2], [3, 4]])
    model = SessionKNN.fit(PLAIN, train, ITEMS, time_kind="order")
    assert model.score(NOBODY, at([[0, 100]], [[5, 0]]))[0].tolist() == [1, 1, 1, OUT, OUT, OUT, OUT, OUT]


def test_only_the_latest_sessions_that_share_an_item_are_compared() -> None:
    # The one with 4 is the latest, the one with 3 comes before it, that with 5 shares nothing.
    model = fit([[0, 1, 2], [0, 3], [0, 4], [5, 6]], SessionKNNConfig(sample=2))
    assert scores(model, [1, 0])[2:5] == [OUT, 1, 1]


def test_the_most_similar_sessions_are_listened_to_and_of_equal_ones_the_latest() -> None:
    # To 1, 0 the first session is alike by 1/2 + 1, the others by 1.
    sessions = [[0, 1, 2], [0, 3], [0, 4]]
    assert scores(fit(sessions, SessionKNNConfig(neighbours=1)), [1, 0])[2:5] == [1.5, OUT, OUT]
    assert scores(fit(sessions, SessionKNNConfig(neighbours=2)), [1, 0])[2:5] == [1.5, OUT, 1]


def test_which_session_is_later_is_a_matter_of_time_not_of_users() -> None:
    # User 0's session ends after user 1's.
    model = SessionKNN.fit(SessionKNNConfig(sample=1), at([[50, 51], [0, 1]], [[0, 1], [0, 2]]), ITEMS)
    assert scores(model, [0])[:3] == [1, 1, OUT]


def test_idf_makes_rare_items_worth_more() -> None:
    # Of 4 sessions 1 has item 2 and 2 have item 1: factors 1 + ln 4 and 1 + ln 2.
    model = fit([[0, 1], [0, 2], [1, 3], [3, 4]], SessionKNNConfig(idf=1))
    assert scores(model, [0])[1:3] == pytest.approx([1 + np.log(2), 1 + np.log(4)])


def test_sessions_of_one_item_say_nothing() -> None:
    model = fit([[0], [1, 1], [2, 3]])
    assert model.has_SV.shape == (1, ITEMS)
    assert model.knows(np.array([-1, -1, -1]), histories([[0], [1], [2]])).tolist() == [False, False, True]


def test_who_is_known_is_who_is_in_a_known_session_now() -> None:
    model = fit([[0, 1]])
    known = at([[0, 1], [0, 60], [0]], [[5, 0], [0, 5], [1]])
    assert model.knows(np.array([-1, -1, -1]), known).tolist() == [True, False, True]
    assert np.isneginf(model.score(np.array([-1, -1, -1]), known)[1]).all()


def test_items_are_alike_that_stand_in_the_same_sessions() -> None:
    similar = fit([[0, 1], [0, 1, 2], [3, 4]]).similar(np.array([0, 3]))
    assert similar[0].tolist() == [OUT, 2, 1, OUT, OUT, OUT, OUT, OUT]
    assert similar[1].tolist() == [OUT, OUT, OUT, OUT, 1, OUT, OUT, OUT]


def test_the_scores_are_those_of_a_loop_over_all_sessions() -> None:
    rng = np.random.default_rng(3)
    sessions = [rng.integers(0, ITEMS, rng.integers(2, 6)).tolist() for _ in range(40)]
    sessions = [session for session in sessions if len(set(session)) > 1]
    config = SessionKNNConfig(length=4, sample=20, neighbours=6, idf=0.5)
    model = fit(sessions, config)
    count = np.array([sum(item in session for session in sessions) for item in range(ITEMS)])
    for _ in range(50):
        asked = rng.integers(0, ITEMS, rng.integers(1, 7)).tolist()
        last = asked[-4:]
        weight = {item: (place + 1) / len(last) for place, item in enumerate(last)}
        sharing = [number for number, session in enumerate(sessions) if set(session) & set(last)][-20:]
        similarity = {number: sum(weight.get(item, 0) for item in set(sessions[number])) for number in sharing}
        listened = sorted(sharing, key=lambda number: (round(similarity[number], 5), number))[-6:]
        expected = np.zeros(ITEMS)
        for number in listened:
            shared = max(weight.get(item, 0) for item in sessions[number])
            expected[list(set(sessions[number]))] += similarity[number] * shared
        expected *= 1 + 0.5 * np.log(len(sessions) / np.maximum(count, 1))
        expected[expected == 0] = OUT
        assert model.score(NOBODY, histories([asked]))[0] == pytest.approx(expected, rel=1e-5)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    model = fit([[0, 1], [1, 2, 3], [3, 4]])
    known = histories([[0], [1, 3], [], [4], [2, 2]])
    whole = model.score(np.arange(5), known)
    few = model.score_items(np.arange(5), known, np.tile([1, 4], (5, 1)))
    monkeypatch.setattr(session_knn, "_BLOCK_CELLS", 2 * ITEMS)
    assert np.array_equal(model.score(np.arange(5), known), whole)
    assert np.array_equal(model.score_items(np.arange(5), known, np.tile([1, 4], (5, 1))), few)


@pytest.mark.parametrize("change", [{"session_gap_minutes": 0}, {"idf": -1}, {"length": 0}, {"sample": 0}, {"neighbours": 0}])
def test_settings_that_make_no_sense_are_refused(change: dict[str, float]) -> None:
    with pytest.raises(AisleError) as caught:
        SessionKNNConfig(**change)  # type: ignore[arg-type]
    assert caught.value.code == "E345"
