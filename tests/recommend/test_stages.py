"""Two stages over scorers whose answers are known: who is asked, what is ordered, and what is said about it."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aisle.features.histories import Histories
from aisle.recommend.candidates import Candidates, Recaller
from aisle.recommend.ranker import ModelRanker
from aisle.recommend.reasons import NOBODY, explain, words
from aisle.recommend.stages import TwoStage
from aisle.schema.events import Event
from tests.recommend.scorers import TableScorer, histories

OUT = -np.inf


class Everybody(TableScorer):
    """Tells everybody the same."""

    def knows(self, user_B: NDArray[np.int64], known: Histories) -> NDArray[np.bool_]:
        return np.ones(len(user_B), np.bool_)

    def score(self, user_B: NDArray[np.int64], known: Histories) -> NDArray[np.float32]:
        return np.tile(self.table_UV[0], (len(user_B), 1))


class HighestCode:
    """Orders candidates by their code."""

    def rank(self, user_B: NDArray[np.int64], known: Histories, candidates: Candidates) -> NDArray[np.float32]:
        return candidates.item.astype(np.float32)

    def state(self) -> dict[str, NDArray[Any]]:
        return {"nothing": np.zeros(0)}


# Square tables: TableScorer takes an item's row as its likeness to the others. User 2 is a stranger to the personal one.
PERSONAL = np.array(
    [[0, 5, 1, 2, 0, 0], [5, 0, 0, 3, 0, 0], [1, 0, 0, 4, 0, 0], [0, 0, 0, 0, 0, 0], [0] * 6, [0] * 6], np.float32
)
POPULAR = np.array([[1, 2, 3, 4, 5, 6]], np.float32)
CONTENT = np.tile(np.array([OUT, OUT, 7, 8, OUT, OUT], np.float32), (6, 1))


def stages(hidden: tuple[Event, ...] = (), *, content_knows: bool = True) -> TwoStage:
    personal = Recaller("kin", TableScorer(PERSONAL, frozenset({2, 3})), 2)
    popular = Recaller("popular this week", Everybody(POPULAR), 1)
    content = Recaller("content", TableScorer(CONTENT, frozenset() if content_knows else frozenset({2, 3})), 2)
    return TwoStage((personal, popular), (content,), HighestCode(), np.array(hidden, np.uint8), 6)


def test_candidates_are_scored_by_the_ranker_and_all_else_is_out() -> None:
    # user 0: kin names 1 and 3, popularity names 5
    assert stages().score(np.array([0]), histories([])).tolist() == [[OUT, 1, OUT, 3, OUT, 5]]
    asked = stages().score_items(np.array([0]), histories([]), np.array([[5, 4]]))
    assert asked.tolist() == [[5, OUT]]


def test_items_of_hidden_events_are_no_candidates_and_others_stay() -> None:
    known = histories([1, 5])
    known.event[:] = [Event.purchase, Event.view]
    # without 1 kin names 3 and 2; item 5 was only viewed
    assert stages((Event.purchase,)).score(np.array([0]), known).tolist() == [[OUT, OUT, 2, 3, OUT, 5]]


def test_the_chain_goes_from_both_stages_to_content_to_whoever_answers_strangers() -> None:
    users, known = np.array([0, 2, -1]), histories([], [], [])
    chain = stages()
    assert chain.answered_by(users, known).tolist() == [0, 1, NOBODY]
    assert chain.knows(users, known).tolist() == [True, True, False]
    assert chain.score(users, known)[1].tolist() == CONTENT[0].tolist()
    assert stages(content_knows=False).knows(users, known).tolist() == [True, False, False]


def test_of_two_fallbacks_the_first_that_knows_the_shopper_answers() -> None:
    def table(value: float, *strangers: int) -> Recaller:
        return Recaller(str(value), TableScorer(np.full((6, 6), value, np.float32), frozenset(strangers)), 1)

    chain = dataclasses.replace(stages(), fallbacks=(table(1, 3), table(2)))
    users, known = np.array([2, 3]), histories([], [])
    assert chain.answered_by(users, known).tolist() == [1, 2]
    assert chain.score(users, known)[:, 0].tolist() == [1, 2]


def test_reasons_name_the_personal_source_first_and_the_item_of_ones_own_that_is_most_alike() -> None:
    known = histories([0, 2])
    known.event[:] = [Event.view, Event.cart]
    reasons = stages().reasons(np.array([0]), known, np.array([[1, 3, 5, 4, -1]]))
    assert [reasons.names[source] if source >= 0 else None for source in reasons.source[0]] == [
        "from kin", "from kin", "popular this week", None, None,
    ]  # fmt: skip
    # 1 is like 0 (5 > 0); 3 is like 2 (4) more than like 0 (2); who tells everybody the same has nothing to compare
    assert reasons.because[0].tolist() == [0, 2, -1, -1, -1]
    assert reasons.event[0].tolist() == [Event.view, Event.cart, 0, 0, 0]


def test_one_request_recalls_once_and_another_anew() -> None:
    asked: list[int] = []

    class Counting(TableScorer):
        def score(self, user_B: NDArray[np.int64], known: Histories) -> NDArray[np.float32]:
            asked.append(len(user_B))
            return super().score(user_B, known)

    one = dataclasses.replace(stages(), recallers=(Recaller("kin", Counting(PERSONAL, frozenset({2, 3})), 2),))
    user, known, items = np.array([0]), histories([0, 2]), np.array([[1, 3]])
    request = one.for_request()
    assert request.score(user, known).tolist() == one.score(user, known).tolist()
    reasons = request.reasons(user, known, items)
    assert asked == [1, 1]  # the request's list and the one without notes; its reasons are from its notes
    assert reasons.source.tolist() == one.reasons(user, known, items).source.tolist()
    request.score(user, histories([1]))
    assert asked == [1, 1, 1, 1]  # another history is another question


def test_an_item_of_ones_own_is_its_own_reason() -> None:
    known = histories([5, 1])
    reasons = stages().reasons(np.array([0]), known, np.array([[5, 1]]))
    assert reasons.because.tolist() == [[5, 1]]
    assert words("popular this week", int(Event.purchase), "i5", itself=True) == "you bought it"


def test_a_fallback_answers_in_its_own_name() -> None:
    reasons = stages().reasons(np.array([2]), histories([]), np.array([[3, 2]]))
    assert [reasons.names[source] for source in reasons.source[0]] == ["from content", "from content"]


def test_any_scorer_can_be_explained() -> None:
    reasons = explain(TableScorer(PERSONAL), "from kin", np.array([0]), histories([0]), np.array([[1, 4]]))
    assert reasons.names == ("from kin",)
    assert reasons.because.tolist() == [[0, -1]]


def test_reasons_in_words() -> None:
    assert words("from ncf", int(Event.cart), "i7", itself=False) == "similar to i7 you put in the cart"
    assert words("from ncf", 0, None, itself=False) == "from ncf"
    assert words(None, int(Event.view), "i7", itself=False) == "popular"


def test_a_model_ranker_goes_by_places_where_it_does_not_know_the_shopper() -> None:
    score = np.array([[[3, OUT], [1, 0.5], [2, 0.9]]], np.float32)  # places: first 0, 2, 1; second none, 1, 0
    candidates = Candidates(np.array([[4, 5, 6]]), score, np.ones((1, 3, 2), np.bool_))
    ranker: Any = ModelRanker(TableScorer(np.zeros((1, 7), np.float32), strangers=frozenset({0})))  # type: ignore[arg-type]
    assert ranker.rank(np.array([0]), histories([]), candidates).tolist() == [[0, -1, 0]]
