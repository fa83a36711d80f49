"""What the inference thread does: one batch of questions, each answered from the bundle that it was made for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from aisle.bundle.bundle import Bundle
from aisle.bundle.question import Item, Question


@dataclass(slots=True)
class Wanted:
    """A list for a shopper.

    Attributes:
        variant: name of the model.
        bundle: what answers, also where another one takes its place meanwhile: rules and history are put together for this one.
        question: what it is asked.
    """

    variant: str
    bundle: Bundle
    question: Question


@dataclass(slots=True)
class SimilarWanted:
    """The items most like one."""

    bundle: Bundle
    item_id: str
    k: int


@dataclass(slots=True)
class Given:
    """A list, ready to be sent.

    Attributes:
        bundle: that it is from.
        known: whether the model had anything to go by.
        items: its places, best first, as JSON.
    """

    bundle: Bundle
    known: bool
    items: bytes

    @classmethod
    def of(cls, bundle: Bundle, items: Sequence[Item], *, known: bool) -> Given:
        """Write a list as JSON."""
        return cls(bundle, known, orjson.dumps(items, option=orjson.OPT_SERIALIZE_NUMPY))

    @property
    def item_ids(self) -> tuple[str, ...]:
        """What is in the list."""
        return tuple([str(item["item_id"]) for item in orjson.loads(self.items)])


Asked = Wanted | SimilarWanted


def answer_all(asked: list[Asked]) -> list[Given | Exception]:
    """Answer a batch; what cannot be answered gets its own error and leaves the others alone."""
    replies: list[Given | Exception | None] = [None] * len(asked)
    for bundle in {id(one.bundle): one.bundle for one in asked}.values():
        rows = [row for row, one in enumerate(asked) if one.bundle is bundle]
        for row, reply in zip(rows, _of_bundle(bundle, [asked[row] for row in rows]), strict=True):
            replies[row] = reply
    return [reply for reply in replies if reply is not None]


def _of_bundle(bundle: Bundle, asked: Sequence[Asked]) -> list[Given | Exception]:
    questions = [one.question for one in asked if isinstance(one, Wanted)]
    answers = iter(_recommend(bundle, questions))
    return [_similar(bundle, one) if isinstance(one, SimilarWanted) else next(answers) for one in asked]


def _recommend(bundle: Bundle, questions: list[Question]) -> list[Given | Exception]:
    if not questions:
        return []
    try:
        return [Given.of(bundle, answer.items, known=answer.known) for answer in bundle.recommend(questions)]
    except Exception as error:
        if len(questions) == 1:
            return [error]
    # One of them cannot be answered: each by itself, so that it alone is refused.
    return [reply for question in questions for reply in _recommend(bundle, [question])]


def _similar(bundle: Bundle, asked: SimilarWanted) -> Given | Exception:
    try:
        return Given.of(bundle, bundle.similar_items(asked.item_id, asked.k), known=True)
    except Exception as error:
        return error
