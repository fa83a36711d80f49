"""Prices, availability and new items change what a bundle answers at once; whoever holds the old state keeps it whole."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from aisle.bundle.bundle import Bundle
from aisle.bundle.live_bundle import LiveBundle
from aisle.bundle.live_catalogue import ItemChange
from aisle.bundle.nearest import Nearest
from aisle.bundle.new_items import blend
from aisle.bundle.question import Answer, Question, RawEvent
from aisle.recommend.rules import Rules

BundleOf = Callable[[str], Path]


@pytest.fixture
def live(bundle_of: BundleOf) -> LiveBundle:
    return LiveBundle(Bundle.open(bundle_of("sasrec")))


def ids(answer: Answer) -> list[int | str]:
    return [item.item_id for item in answer.items]


def twin(bundle: Bundle, item_id: int | str, new_id: str) -> ItemChange:
    """Return a new item with title, category and brand of a known one."""
    facts = bundle.catalogue.facts(int(bundle.items.encode([item_id])[0]))
    return ItemChange(new_id, price=9.5, available=True, title=facts["title"], category=facts["category"], brand=facts["brand"])


def test_a_new_price_counts_for_the_next_question_and_not_for_who_holds_the_old_state(live: LiveBundle) -> None:
    cheap = Question(user_id=live.base.users[1], rules=Rules(max_price=1_000_000.0))
    before = live.now
    first = ids(before.recommend([cheap])[0])[0]
    live.change([ItemChange(first, price=2_000_000.0)])
    assert first not in ids(live.now.recommend([cheap])[0])
    assert first in ids(before.recommend([cheap])[0])


def test_an_item_that_is_sold_out_is_left_out_where_only_available_ones_are_wanted(live: LiveBundle) -> None:
    question = Question(user_id=live.base.users[1], rules=Rules(available_only=True))
    live.change([ItemChange(item, available=True) for item in live.base.items.decode(range(len(live.base.items)))])
    first = ids(live.now.recommend([question])[0])[0]
    live.change([ItemChange(first, available=False)])
    assert first not in ids(live.now.recommend([question])[0])


@pytest.mark.parametrize("name", ["sasrec", "item-knn", "two-stage"])
def test_an_item_that_is_sold_out_is_shown_as_similar_to_none(name: str, bundle_of: BundleOf) -> None:
    live = LiveBundle(Bundle.open(bundle_of(name)))
    item = live.base.items[3]
    before = [like.item_id for like in live.now.similar_items(item, 3)]
    live.change([ItemChange(before[0], available=False)])
    assert [like.item_id for like in live.now.similar_items(item, 2)] == before[1:]
    live.change([ItemChange(before[0], available=True)])
    assert [like.item_id for like in live.now.similar_items(item, 3)] == before


@pytest.mark.parametrize("name", ["sasrec", "two-tower", "fm"])
def test_a_new_item_is_scored_by_models_of_vectors(name: str, bundle_of: BundleOf) -> None:
    live = LiveBundle(Bundle.open(bundle_of(name)))
    live.change([twin(live.base, live.base.items[3], "new")])
    lists = live.now.recommend([Question(user_id=user, k=121, filter_seen=False) for user in live.base.users.decode(range(20))])
    sources = {item.source for answer in lists for item in answer.items if item.item_id == "new" and answer.known}
    assert sources == {"model"}
    assert len(live.now.similar_items("new", 10)) == 10


def test_new_items_are_found_through_the_index_as_by_scoring_everything(live: LiveBundle) -> None:
    some = live.base.items.decode(range(0, 12, 3))
    live.change([twin(live.base, item, f"new {item}") for item in some])
    questions = [Question(user_id=user, k=30) for user in live.base.users.decode(range(8))]
    questions += [Question(events=(RawEvent(f"new {some[0]}", "view", 5),), k=30)]
    quick, full = live.now.recommend(questions), replace(live.now, nearest=None).recommend(questions)
    assert live.now.nearest is not None
    assert [ids(answer) for answer in quick] == [ids(answer) for answer in full]
    assert [[item.reason for item in answer.items] for answer in quick] == [
        [item.reason for item in answer.items] for answer in full
    ]


def test_what_a_shopper_did_to_a_new_item_is_read_and_the_item_is_no_news(live: LiveBundle) -> None:
    live.change([twin(live.base, live.base.items[3], "new")])
    answer = live.now.recommend([Question(events=(RawEvent("new", "view", 5),), k=100)])[0]
    assert answer.known
    assert "new" not in ids(answer)
    assert [like.item_id for like in live.now.similar_items("new", 3)]


def test_an_item_that_nothing_is_like_is_never_scored_and_can_be_found_by_its_category(live: LiveBundle) -> None:
    live.change([ItemChange("odd", title="zzz qqq", category="a category of its own", price=1.0)])
    everything = live.now.recommend([Question(user_id=live.base.users[1], k=500)])[0]
    assert {item.item_id: item.source for item in everything.items}["odd"] == "popular"
    assert ids(live.now.recommend([Question(categories=("a category of its own",))])[0]) == ["odd"]


@pytest.mark.parametrize("name", ["popularity", "item-knn", "ncf", "two-stage"])
def test_models_without_vectors_know_a_new_item_by_what_it_is_like_and_do_not_score_it(name: str, bundle_of: BundleOf) -> None:
    live = LiveBundle(Bundle.open(bundle_of(name)))
    live.change([twin(live.base, live.base.items[3], "new")])
    answer, lists = live.now.recommend(
        [Question(events=(RawEvent("new", "view", 5),)), Question(user_id=live.base.users[1], k=500)]
    )
    assert "new" not in ids(answer)
    assert {item.item_id: item.source for item in lists.items}["new"] == "popular"


def test_a_change_costs_what_it_changes(live: LiveBundle, monkeypatch: pytest.MonkeyPatch) -> None:
    blended: list[Any] = []

    def counted(*told: Any) -> Any:
        blended.append(told)
        return blend(*told)

    monkeypatch.setattr("aisle.bundle.new_items.blend", counted)
    some = live.base.items.decode(range(10))
    before = live.change([twin(live.base, item, f"new {item}") for item in some])
    assert len(blended) == 10
    after = live.change([ItemChange(f"new {some[0]}", price=2.0), ItemChange(some[1], price=3.0)])
    assert after.scorer is before.scorer  # prices leave the model and the order of popular items alone
    assert after.nearest is before.nearest
    live.change([twin(live.base, some[3], "one more"), ItemChange(f"new {some[2]}", title="another title")])
    assert len(blended) == 12
    assert live.now.live.facts(int(live.now.live.items.encode([f"new {some[0]}"])[0]))["price"] == 2.0


@pytest.mark.parametrize("name", ["sasrec", "two-stage"])
def test_step_by_step_gives_what_all_changes_at_once_give(name: str, bundle_of: BundleOf) -> None:
    base = Bundle.open(bundle_of(name))
    some = base.items.decode(range(0, 40, 4))
    changes = [twin(base, item, f"new {item}") for item in some]
    changes += [ItemChange(f"new {some[2]}", title="quite another"), ItemChange(some[1], price=1.0), ItemChange("odd")]
    step, whole = LiveBundle(base), LiveBundle(base)
    for change in changes:
        step.change([change])
    whole.change(changes)
    questions = [Question(user_id=user, k=100) for user in [*base.users.decode(range(5)), "nobody"]]
    assert step.now.recommend(questions) == whole.now.recommend(questions)
    if whole.now.nearest is not None and step.now.nearest is not None:
        nearest = Nearest.of(whole.now.nearest.scorer, whole.now.nearest.index, whole.now.knowledge.fallback)
        for one in (step.now.nearest, whole.now.nearest):
            assert one.popular_P.tolist() == nearest.popular_P.tolist()
            assert one.rank_V.tolist() == nearest.rank_V.tolist()


def test_a_state_without_the_new_items_can_be_gone_back_to(live: LiveBundle) -> None:
    empty = live.now
    live.change([twin(live.base, live.base.items[3], "new")])
    live.go_back(empty)
    assert live.now.scorer is live.base.scorer
    live.change([twin(live.base, live.base.items[8], "other")])
    assert [like.item_id for like in live.now.similar_items("other", 1)] != []
    assert live.now.live.n_items == len(live.base.items) + 1


def test_answers_go_on_while_the_index_of_titles_is_made(live: LiveBundle, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def give_way(_seconds: float) -> None:
        begun.set()
        assert go_on.wait(60)

    monkeypatch.setattr("aisle.bundle.new_items.time.sleep", give_way)
    question = Question(user_id=live.base.users[1])
    before = live.base.recommend([question])
    change = threading.Thread(target=live.change, args=([twin(live.base, live.base.items[3], "new")],))
    change.start()
    assert begun.wait(60)
    assert live.now.recommend([question]) == before
    go_on.set()
    change.join(60)
    assert live.now.live.n_items == len(live.base.items) + 1
