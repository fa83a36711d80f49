"""Golden requests reach every way of asking, survive the disk, and find out who answers otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from aisle.bundle.bundle import Bundle
from aisle.bundle.golden import GoldenRequest, golden_questions, make_golden, read_golden, replay, write_golden
from aisle.bundle.question import Answer, Item, Question, RawEvent
from aisle.errors import AisleError
from aisle.recommend.rules import Rules

USERS, ITEMS = [f"u{number}" for number in range(50)], [f"i{number}" for number in range(200)]


@dataclass(frozen=True)
class Clerk:
    """Answers with the items that end like the user's id; `shift` is added to every score, `swap` turns lists around."""

    shift: float = 0.0
    swap: bool = False

    def recommend(self, questions: Sequence[Question]) -> list[Answer]:
        return [self._answer(question) for question in questions]

    def _answer(self, question: Question) -> Answer:
        names = ITEMS[: question.k][:: -1 if self.swap else 1]
        items = [Item(name, 1.0 / (place + 1) + self.shift, place + 1) for place, name in enumerate(names)]
        return Answer(tuple(items), question.user_id is not None)


def test_the_questions_reach_every_way_of_asking() -> None:
    questions = golden_questions(USERS, ITEMS, ["view", "purchase"], count=64)
    assert len(questions) == 64
    assert {len(question.events) for question in questions if question.whole} >= {1, 2, 5, 10, 20, 50, 100, 200}
    assert any(question.user_id in USERS and not question.events for question in questions)
    assert any(question.user_id in USERS and question.events and not question.whole for question in questions)
    assert any(question.user_id is not None and question.user_id not in USERS for question in questions)
    assert any(question == Question() for question in questions)
    assert any(question.candidates for question in questions)
    assert any(not question.filter_seen for question in questions)
    assert {event.event for question in questions for event in question.events} == {"view", "purchase"}


def test_the_same_ids_and_seed_give_the_same_questions() -> None:
    assert golden_questions(USERS, ITEMS, seed=3) == golden_questions(USERS, ITEMS, seed=3)
    assert golden_questions(USERS, ITEMS, seed=3) != golden_questions(USERS, ITEMS, seed=4)


def test_number_ids_stay_numbers_and_a_shop_without_users_is_asked_too() -> None:
    questions = golden_questions([1, 2, 3], [10, 11, 12])
    assert all(isinstance(question.user_id, int | None) for question in questions)
    assert not any(question.user_id for question in golden_questions([], ITEMS))


def test_requests_survive_the_disk_whatever_they_ask(tmp_path: Path) -> None:
    everything = Question(
        7,
        (RawEvent("ä", "cart", 5), RawEvent(3, "view", 6)),
        whole=True,
        k=3,
        filter_seen=False,
        candidates=("a", 2),
        categories=("shoes",),
        rules=Rules(exclude_events=("purchase",), max_price=4.5),
        context=(("device", "phone"),),
    )
    questions = [everything, Question(), *golden_questions(USERS, ITEMS, count=12)]
    golden = make_golden(Clerk(), questions)
    write_golden(tmp_path / "golden.json", golden)
    assert read_golden(tmp_path / "golden.json") == golden


def test_who_answers_the_same_agrees_and_who_does_not_is_found() -> None:
    golden = make_golden(Clerk(), golden_questions(USERS, ITEMS, count=30))
    assert replay(Clerk(), golden, 1e-6).agrees
    near = replay(Clerk(shift=1e-5), golden, 1e-4)
    assert near.agrees
    assert near.largest_difference == pytest.approx(1e-5)
    far = replay(Clerk(shift=1e-3), golden, 1e-4)
    assert (far.agrees, len(far.wrong)) == (False, 30)
    turned = replay(Clerk(swap=True), golden, 1e-4)
    assert "golden request 0" in turned.wrong[0]


def test_nothing_to_compare_is_no_agreement() -> None:
    assert not replay(Clerk(), [], 1e-4).agrees


@pytest.mark.parametrize("content", ["", "{}", "[]", "[1]", '[{"question": {"k": 0}, "answer": {"known": true, "items": []}}]'])
def test_a_file_that_holds_none_is_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "golden.json").write_text(content)
    with pytest.raises(AisleError) as caught:
        read_golden(tmp_path / "golden.json")
    assert caught.value.code == "E017"


def test_a_real_bundle_answers_its_own_and_one_changed_weight_is_found(exported_bundle: Path) -> None:
    bundle = Bundle.open(exported_bundle)
    golden = read_golden(exported_bundle / "golden.json")
    assert replay(bundle, golden, bundle.manifest.tolerance).agrees
    fallback = bundle.knowledge.fallback.copy()
    fallback[0] = fallback.max() + 1  # the least popular item becomes the most popular one
    other = replace(bundle, knowledge=replace(bundle.knowledge, fallback=fallback), nearest=None)
    assert not replay(other, golden, bundle.manifest.tolerance).agrees


def test_what_is_recorded_is_question_and_answer() -> None:
    question = Question("u1", k=1)
    assert make_golden(Clerk(), [question]) == [GoldenRequest(question, Answer((Item("i0", 1.0, 1),), True))]
