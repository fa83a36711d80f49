"""Every model of the promise gives 1,000 shoppers one list: in torch, from its bundle, from TorchServe, over HTTP."""

from __future__ import annotations

import os
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aisle.bundle.agreement import disagreements
from aisle.bundle.bundle import Bundle
from aisle.bundle.question import Answer, Item, Question, RawEvent
from aisle.dataset.prepare import prepare
from aisle.dataset.reader import Dataset
from aisle.experiment.recipe import load_recipe
from aisle.experiment.recommender import Recommender
from aisle.experiment.run import train_run
from aisle.export.bundle import ExportConfig, export_run
from aisle.export.torchserve import export_torchserve
from aisle.features.histories import Histories
from aisle.recommend.knowledge import Shoppers, tell
from aisle.schema.events import Event
from aisle.simulate.config import ShopConfig
from aisle.simulate.shop import simulate
from benchmarks.serve.torchserve import Running, Settings, missing, running
from tests.bundle.conftest import QUICK, SMALL
from tests.serve.process import serving

MODELS = ("popularity", "item-knn", "fm", "ncf", "mf-ncf-ml-1m", "two-tower", "lstm", "sasrec", "two-stage")
SHOPPERS, GROUPS, LONGEST = 1_000, 5, 200
FIRST_US = 4_000_000_000_000_000  # after everything in the log
BY_HTTP = 64  # questions a call: below the largest body that the service takes

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
needs_torchserve = pytest.mark.skipif(
    missing() is not None and "AISLE_REQUIRE_TORCHSERVE" not in os.environ, reason=f"SKIPPED: {missing()}"
)


@dataclass(frozen=True)
class Exported:
    """A model trained on the simulated shop, as torch has it and as a bundle."""

    name: str
    recommender: Recommender
    folder: Path

    @cached_property
    def questions(self) -> list[Question]:
        """1,000 shoppers with ten places each; every length from 1 to 200 is asked once in each group.

        Group by group: ids that nobody knows, no ids, twice known shoppers, all with a history sent along; then known shoppers by
        their ids alone, with the histories of the log.
        """
        draw = random.Random(4)
        users, items = (ids.decode(np.arange(len(ids))) for ids in (self.recommender.users, self.recommender.items))
        asked = []
        for place in range(SHOPPERS):
            group, length = divmod(place, LONGEST)
            user = (f"a stranger, the {place}th", None, users[place % len(users)])[min(group, 2)]
            events = [] if group == GROUPS - 1 else sorted(_events(draw, items, length + 1), key=lambda event: event.time_us)
            asked.append(Question(user, events, whole=bool(events)))
        return asked

    @cached_property
    def eager(self) -> list[Answer]:
        """What the torch model answers through its recommender; histories sent along go the way of `Recommender.answer`."""
        sent = [question for question in self.questions if question.whole]
        recommender, known = self.recommender, _histories(sent, self.recommender)
        code_B = recommender.users.encode([question.user_id or "" for question in sent])
        shoppers = Shoppers(code_B, recommender.memory.known(known), recommender.memory.seen(known))
        lists = tell(recommender.scorer, recommender.knowledge, shoppers).lists
        ids = recommender.items.decode(lists.item)
        answers = _answers(range(len(sent)), zip(lists.row, ids, lists.score, lists.rank, lists.source, strict=True))
        by_id = [question.user_id for question in self.questions if not question.whole]
        table = recommender.recommend(by_id).select("user_id", "item_id", "score", "rank", "source")
        return answers + _answers(by_id, table.iter_rows())


def _events(draw: random.Random, items: Sequence[int | str], length: int) -> Iterator[RawEvent]:
    for _ in range(length):
        item = items[int(len(items) * draw.random() ** 2)]  # some items are met more often
        kind = draw.choices(("view", "cart", "purchase"), (8, 1, 1))[0]
        yield RawEvent(item, kind, FIRST_US + 1_000_000 * draw.randrange(10**7))


def _histories(questions: Sequence[Question], recommender: Recommender) -> Histories:
    flat = [event for question in questions for event in question.events]
    offsets = np.cumsum([0, *(len(question.events) for question in questions)])
    item = recommender.items.encode([event.item_id for event in flat])
    kind = np.array([Event[event.event] for event in flat], np.uint8)
    return Histories(offsets, item.astype(np.int32), kind, np.array([event.time_us for event in flat]))


def _answers(asked: Iterable[Any], rows: Iterable[Sequence[Any]]) -> list[Answer]:
    """Return lists of (who, item id, score, rank, source), shopper by shopper as they were asked."""
    items: dict[Any, list[Item]] = {who: [] for who in asked}
    for who, item_id, score, rank, source in rows:
        items[who].append(Item(item_id, float(score), int(rank), str(source)))
    return [Answer(tuple(some), any(item.source == "model" for item in some)) for some in items.values()]


def _body(question: Question) -> dict[str, Any]:
    body: dict[str, Any] = {} if question.user_id is None else {"user_id": question.user_id}
    if question.whole:
        events = question.events
        body["history"] = [{"item_id": one.item_id, "event": one.event, "timestamp": one.time_us / 1e6} for one in events]
    return body


def _answer(told: Mapping[str, Any]) -> Answer:
    assert "items" in told, told
    return Answer(tuple(Item(**item) for item in told["items"]), told["known"])


@pytest.fixture(scope="module")
def shop_of_a_thousand(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """A simulated shop of 1,000 shoppers and 600 items."""
    folder = tmp_path_factory.mktemp("thousand")
    simulate(ShopConfig(users=SHOPPERS, items=600, events=20_000, seed=9), folder / "shop")
    prepare([folder / "shop" / "events.parquet"], folder / "dataset", items=folder / "shop" / "items.parquet")
    return Dataset(folder / "dataset")


@pytest.fixture(scope="module")
def exported(shop_of_a_thousand: Dataset, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Exported]:
    """Every model, trained for an epoch and exported."""
    place = tmp_path_factory.mktemp("four-ways")
    done = {}
    for name in MODELS:
        run = train_run(shop_of_a_thousand, load_recipe(name, SMALL.get(name, QUICK)), place / f"{name}-run")
        export_run(run, place / name, ExportConfig(golden=4))
        done[name] = Exported(name, run.recommender(), place / name)
    return done


def by_onnx(one: Exported) -> list[Answer]:
    """Answer in this process from the bundle: NumPy and ONNX Runtime."""
    return Bundle.open(one.folder).recommend(one.questions)


@pytest.fixture(scope="module")
def torchserve(exported: dict[str, Exported], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    place = tmp_path_factory.mktemp("torchserve")
    archives = [export_torchserve(one.folder, place / "store", name) for name, one in exported.items()]
    with running(archives, place / "server", Settings(batch_size=16, max_batch_delay_ms=5)) as server:
        yield server


def by_torchserve(one: Exported, server: Running) -> list[Answer]:
    """Ask TorchServe, sixteen at a time, so that it makes batches."""
    with ThreadPoolExecutor(16) as pool:
        replies = list(pool.map(lambda question: server.ask(_body(question), model=one.name), one.questions))
    assert {status for status, _ in replies} == {200}
    return [_answer(told) for _, told in replies]


@pytest.fixture(scope="module")
def service(exported: dict[str, Exported], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    words = [word for one in exported.values() for word in ("--model", f"{one.name}={one.folder}")]
    with serving(tmp_path_factory.mktemp("service"), *words, latency_budget_ms=60_000) as served:
        with served.client() as client:
            yield client
        assert served.end() == 0


def by_http(one: Exported, client: Any) -> list[Answer]:
    """Ask `aisle serve`, some in a call."""
    bodies = [_body(question) | {"model": one.name} for question in one.questions]
    answers = []
    for start in range(0, len(bodies), BY_HTTP):
        reply = client.post("/v1/recommend/batch", json={"requests": bodies[start : start + BY_HTTP]})
        assert reply.status_code == 200, reply.text
        answers += [_answer(told) for told in reply.json()["answers"]]
    return answers


@pytest.mark.parametrize("way", ["onnx", pytest.param("torchserve", marks=needs_torchserve), "http"])
@pytest.mark.parametrize("name", MODELS)
def test_a_thousand_shoppers_get_the_lists_of_the_eager_model(
    name: str, way: str, exported: dict[str, Exported], request: pytest.FixtureRequest
) -> None:
    one = exported[name]
    if way == "onnx":
        seen = by_onnx(one)
    elif way == "torchserve":
        seen = by_torchserve(one, request.getfixturevalue("torchserve"))
    else:
        seen = by_http(one, request.getfixturevalue("service"))
    tolerance = Bundle.open(one.folder).manifest.tolerance
    wrong = [
        (place, found.words)
        for place, (right, answer) in enumerate(zip(one.eager, seen, strict=True))
        if (found := disagreements(right, answer, tolerance)).words
    ]
    assert not wrong, f"{len(wrong)} of {SHOPPERS} lists differ by more than {tolerance:g}: {wrong[:3]}"
    assert sum(answer.known for answer in one.eager) > 300
