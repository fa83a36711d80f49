"""Golden requests: questions with the answers that the trained model gave at export; whatever serves the bundle is held to them.

golden.json is one object a line in a list: {"question": {...}, "answer": {"known": ..., "items": [[id, score, source], ...]}}.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any, Protocol

from aisle.bundle.agreement import disagreements
from aisle.bundle.question import Answer, Item, Question, RawEvent, question_as_json, question_from_json
from aisle.errors import AisleError
from aisle.storage.atomic import write_atomic

HISTORY_LENGTHS = (1, 2, 3, 5, 10, 20, 50, 100, 150, 200)
_MOST_CANDIDATES = 500
_FIRST_US, _STEP_US = 4_070_908_800_000_000, 60_000_000  # from 2099 on, so that they come after everything that is known
_BATCH = 64
_HINT = "export the run again"


class Answers(Protocol):
    """Whatever answers: a bundle, or a service behind HTTP."""

    def recommend(self, questions: Sequence[Question]) -> list[Answer]:
        """Answer some questions."""


@dataclass(frozen=True)
class GoldenRequest:
    """A question and its answer at export; the answer's reasons are not recorded."""

    question: Question
    answer: Answer


@dataclass(frozen=True)
class GoldenReport:
    """How golden requests were answered.

    Attributes:
        asked: how many there were.
        wrong: for each that came out differently, its place and what differs.
        largest_difference: between two scores of one item, relative above 1.
    """

    asked: int
    wrong: tuple[str, ...]
    largest_difference: float

    @property
    def agrees(self) -> bool:
        """Whether everything that was asked came out as at export."""
        return self.asked > 0 and not self.wrong


def golden_questions(
    users: Sequence[int | str], items: Sequence[int | str], events: Sequence[str] = ("view",), *, count: int = 64, seed: int = 0
) -> list[Question]:
    """Choose questions that reach every way of asking: known and unknown shoppers, histories of 1 to 200 events, filters.

    Args:
        users: raw ids of some known users.
        items: raw ids of some items.
        events: kinds of event for the histories, of those that the model was trained on.
        count: how many questions.
        seed: of the draws; the same ids and seed give the same questions.
    """
    draw = random.Random(seed)  # noqa: S311 - not a secret
    ways = _ways(list(users), list(items), list(events), draw)
    return [way() for way in islice(cycle(ways), count)]


def _ways(users: list[int | str], items: list[int | str], events: list[str], draw: random.Random) -> list[Callable[[], Question]]:
    """Return the ways to ask, in an order in which a few reach much."""
    lengths = cycle(HISTORY_LENGTHS)

    def history(length: int) -> tuple[RawEvent, ...]:
        return tuple(RawEvent(draw.choice(items), draw.choice(events), _FIRST_US + place * _STEP_US) for place in range(length))

    def some(share: float) -> tuple[int | str, ...]:
        return tuple(draw.sample(items, min(max(1, round(share * len(items))), _MOST_CANDIDATES)))

    def anonymous() -> Question:
        return Question(events=history(next(lengths)), whole=True)

    def filtered() -> Question:
        return Question(events=history(next(lengths)), whole=True, candidates=some(0.2), k=30)

    if not users:
        return [anonymous, anonymous, filtered, Question]
    stranger: int | str = -(2**62) if isinstance(users[0], int) else "a shopper whom nobody knows"
    return [
        lambda: Question(draw.choice(users)),
        anonymous,
        lambda: Question(draw.choice(users), filter_seen=False, k=20),
        anonymous,
        lambda: Question(draw.choice(users), candidates=some(0.5)),
        anonymous,
        lambda: Question(draw.choice(users), history(draw.randint(1, 5))),
        lambda: Question(draw.choice(users), k=100),
        lambda: Question(stranger),
        filtered,
        Question,
        lambda: Question(draw.choice(users), history(next(lengths)), whole=True, filter_seen=False),
    ]


def make_golden(answers: Answers, questions: Sequence[Question]) -> list[GoldenRequest]:
    """Ask, and record what comes back.

    Args:
        answers: the trained model itself, behind the same code that serves.
        questions: from `golden_questions`.
    """
    return [GoldenRequest(question, answer) for question, answer in zip(questions, _ask(answers, questions), strict=True)]


def replay(answers: Answers, golden: Sequence[GoldenRequest], tolerance: float) -> GoldenReport:
    """Ask golden requests again and compare.

    Args:
        answers: what is to answer as the trained model did.
        golden: what that was.
        tolerance: two items whose scores differ by less may change places; the manifest's.
    """
    wrong, largest = [], 0.0
    seen = _ask(answers, [request.question for request in golden])
    for place, (request, answer) in enumerate(zip(golden, seen, strict=True)):
        found = disagreements(request.answer, answer, tolerance)
        largest = max(largest, found.largest_difference)
        if found.words:
            wrong.append(f"golden request {place} ({_short(request.question)}): {found.words[0]}")
    return GoldenReport(len(golden), tuple(wrong), largest)


def _ask(answers: Answers, questions: Sequence[Question]) -> Iterator[Answer]:
    for start in range(0, len(questions), _BATCH):
        yield from answers.recommend(questions[start : start + _BATCH])


def _short(question: Question) -> str:
    who = "nobody" if question.user_id is None else f"user {question.user_id!r}"
    return f"{who}, {len(question.events)} events, k = {question.k}"


def write_golden(path: Path, golden: Iterable[GoldenRequest]) -> None:
    """Write golden.json.

    Raises:
        AisleError: E601 when the place cannot be written.
    """
    lines = [json.dumps(_as_json(request), ensure_ascii=False, allow_nan=False) for request in golden]
    write_atomic(path, "[\n" + ",\n".join(lines) + "\n]\n")


def read_golden(path: Path) -> list[GoldenRequest]:
    """Read golden.json.

    Raises:
        AisleError: E017 when it is none, or holds no request.
    """
    try:
        golden = [_from_json(row) for row in json.loads(path.read_text())]
    except (OSError, ValueError, KeyError, TypeError, AisleError) as error:
        raise AisleError(f"golden requests cannot be read from {path}: {error!r}", hint=_HINT, code="E017") from error
    if not golden:
        raise AisleError(f"{path} holds no golden request, so that nothing can be compared", hint=_HINT, code="E017")
    return golden


def _as_json(request: GoldenRequest) -> dict[str, Any]:
    items = [[item.item_id, item.score, item.source] for item in request.answer.items]
    return {"question": question_as_json(request.question), "answer": {"known": request.answer.known, "items": items}}


def _from_json(row: dict[str, Any]) -> GoldenRequest:
    answer = row["answer"]
    items = tuple(Item(item, float(score), rank + 1, source) for rank, (item, score, source) in enumerate(answer["items"]))
    return GoldenRequest(question_from_json(row["question"]), Answer(items, bool(answer["known"])))
