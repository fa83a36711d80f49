"""What the inference thread does: one batch of questions, each answered from one whole bundle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aisle.bundle.bundle import Bundle
from aisle.bundle.question import Answer, Item, Question
from aisle.errors import AisleError
from aisle.serve.slots import Slot


@dataclass(frozen=True, slots=True)
class Wanted:
    """A list for a shopper, from a model."""

    slot: Slot
    question: Question


@dataclass(frozen=True, slots=True)
class SimilarWanted:
    """The items most like one, from a model."""

    slot: Slot
    item_id: str
    k: int


@dataclass(frozen=True, slots=True)
class Given:
    """An answer and the bundle that it is from."""

    bundle: Bundle
    answer: Answer


Asked = Wanted | SimilarWanted


def answer_all(asked: list[Asked]) -> list[Given | Exception]:
    """Answer a batch; what cannot be answered gets its own error and leaves the others alone."""
    replies: list[Given | Exception | None] = [None] * len(asked)
    for slot in {id(one.slot): one.slot for one in asked}.values():
        rows = [row for row, one in enumerate(asked) if one.slot is slot]
        for row, reply in zip(rows, _of_slot(slot, [asked[row] for row in rows]), strict=True):
            replies[row] = reply
    return [reply for reply in replies if reply is not None]


def _of_slot(slot: Slot, asked: Sequence[Asked]) -> list[Given | Exception]:
    try:
        bundle = slot.now().bundle  # once for the batch: a reload comes before it or after it
    except AisleError as error:
        return [error] * len(asked)
    questions = [one.question for one in asked if isinstance(one, Wanted)]
    answers = iter(_recommend(bundle, questions))
    return [_similar(bundle, one) if isinstance(one, SimilarWanted) else next(answers) for one in asked]


def _recommend(bundle: Bundle, questions: list[Question]) -> list[Given | Exception]:
    if not questions:
        return []
    try:
        return [Given(bundle, answer) for answer in bundle.recommend(questions)]
    except Exception as error:
        if len(questions) == 1:
            return [error]
    # One of them cannot be answered: each by itself, so that it alone is refused.
    return [reply for question in questions for reply in _recommend(bundle, [question])]


def _similar(bundle: Bundle, asked: SimilarWanted) -> Given | Exception:
    try:
        items: tuple[Item, ...] = bundle.similar_items(asked.item_id, asked.k)
    except Exception as error:
        return error
    return Given(bundle, Answer(items, known=True))
