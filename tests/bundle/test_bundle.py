"""A bundle answers what the run it was exported from answers, by raw ids, for anybody, in any mixture."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from aisle.bundle.bundle import Bundle
from aisle.bundle.question import Answer, Question, RawEvent
from aisle.errors import AisleError
from aisle.experiment.run import Run
from aisle.recommend.rules import Rules

RunOf = Callable[[str], Run]
BundleOf = Callable[[str], Path]
MODELS = ["popularity", "item-knn", "sasrec", "lstm", "ncf", "fm", "two-tower", "two-stage"]


@pytest.fixture(scope="module")
def bundle(exported_bundle: Path) -> Bundle:
    return Bundle.open(exported_bundle)


def ids(answer: Answer) -> list[int | str]:
    return [item.item_id for item in answer.items]


def some_users(bundle: Bundle, count: int) -> list[int | str]:
    return bundle.users.decode(range(0, len(bundle.users), len(bundle.users) // count))[:count]


@pytest.mark.parametrize("name", MODELS)
def test_a_bundle_answers_what_the_run_answers(name: str, run_of: RunOf, bundle_of: BundleOf) -> None:
    bundle, model = Bundle.open(bundle_of(name)), run_of(name).recommender()
    users = [*some_users(bundle, 20), "nobody"]
    answers = bundle.recommend([Question(user_id=user, k=7) for user in users])
    table = model.recommend(users, k=7)
    for user, answer in zip(users, answers, strict=True):
        rows = table.filter(table["user_id"] == str(user)).to_dicts()
        assert [(item.item_id, item.source) for item in answer.items] == [(row["item_id"], row["source"]) for row in rows]
        assert [item.score for item in answer.items] == pytest.approx([row["score"] for row in rows], abs=1e-4)
        assert [item.reason for item in answer.items] == [row["reason"] for row in rows]
        assert [item.because_item_id for item in answer.items] == [row["because_item_id"] for row in rows]


@pytest.mark.parametrize("name", ["sasrec", "two-tower", "fm"])
def test_the_index_gives_the_lists_that_scoring_everything_gives(name: str, bundle_of: BundleOf) -> None:
    bundle = Bundle.open(bundle_of(name))
    assert bundle.nearest is not None
    plain = replace(bundle, nearest=None)
    categories = tuple(str(name) for name in bundle.catalogue.category.names.decode([0, 1])) if bundle.catalogue.category else ()
    candidates = tuple(bundle.items.decode(range(0, len(bundle.items), 3)))
    kinds = [
        Question(k=5),
        Question(k=200),
        Question(filter_seen=False),
        Question(candidates=candidates),
        Question(categories=categories, k=30),
        Question(rules=Rules(max_per_category=1), k=6),
        Question(rules=Rules(min_price=5.0, max_price=40.0, exclude_events=("purchase",))),
    ]
    users = [*some_users(bundle, 6), None]
    questions = [replace(kind, user_id=user) for user in users for kind in kinds]
    for quick, full in zip(bundle.recommend(questions), plain.recommend(questions), strict=True):
        assert ids(quick) == ids(full)
        assert [item.source for item in quick.items] == [item.source for item in full.items]
        assert [item.score for item in quick.items] == pytest.approx([item.score for item in full.items], abs=1e-5)
        assert [item.reason for item in quick.items] == [item.reason for item in full.items]


def test_questions_answered_together_are_answered_as_alone(bundle: Bundle) -> None:
    item = str(bundle.items[3])
    mixed = [
        Question(user_id=bundle.users[1], k=3),
        Question(user_id="nobody", k=5),
        Question(events=(RawEvent(item, "view", 9),), k=2),
        Question(user_id=bundle.users[2], filter_seen=False),
        Question(
            user_id=bundle.users[5], categories=(str(bundle.catalogue.category.names[0]),) if bundle.catalogue.category else None
        ),
    ]
    together = bundle.recommend(mixed)
    alone = [bundle.recommend([question])[0] for question in mixed]
    assert [ids(answer) for answer in together] == [ids(answer) for answer in alone]
    assert [len(answer.items) for answer in together[:3]] == [3, 5, 2]


def test_what_a_shopper_just_did_changes_the_next_answer_and_is_hidden_from_it(bundle: Bundle) -> None:
    user = bundle.users[1]
    before = bundle.recommend([Question(user_id=user)])[0]
    first = before.items[0].item_id
    after = bundle.recommend([Question(user_id=user, events=(RawEvent(first, "purchase", 2**52),))])[0]
    assert first not in ids(after)
    assert [item.score for item in after.items] != [item.score for item in before.items[1:]]


def test_a_whole_history_sent_along_takes_the_place_of_what_is_known(bundle: Bundle) -> None:
    events = (RawEvent(bundle.items[3], "view", 1), RawEvent(bundle.items[4], "view", 2))
    stranger, known = bundle.recommend([Question(events=events), Question(user_id=bundle.users[1], events=events, whole=True)])
    assert ids(stranger) == ids(known)
    assert stranger.known


def test_events_are_read_in_the_order_of_their_times_and_unknown_items_say_nothing(bundle: Bundle) -> None:
    a, b = RawEvent(bundle.items[3], "view", 1), RawEvent(bundle.items[4], "view", 2)
    odd = RawEvent("no such item", "view", 3)
    straight, turned, with_odd = bundle.recommend([Question(events=events) for events in ((a, b), (b, a), (a, b, odd))])
    assert ids(straight) == ids(turned) == ids(with_odd)
    assert not bundle.recommend([Question(events=(odd,))])[0].known


def test_what_cannot_be_asked_is_refused_by_name(bundle: Bundle) -> None:
    with pytest.raises(AisleError, match="E038"):
        bundle.recommend([Question(candidates=("no such item",))])
    with pytest.raises(AisleError, match="E038"):
        bundle.recommend([Question(categories=("no such category",))])
    with pytest.raises(AisleError, match="E312"):
        bundle.recommend([Question(context=(("weather", "rain"),))])
    with pytest.raises(AisleError, match="E306"):
        bundle.similar_items("no such item")
    for k in (0, 501, 10**9):
        with pytest.raises(AisleError, match="E015"):
            Question(k=k)


@pytest.mark.parametrize("name", ["item-knn", "sasrec", "ncf"])
def test_similar_items_are_those_of_the_run(name: str, run_of: RunOf, bundle_of: BundleOf) -> None:
    bundle, model = Bundle.open(bundle_of(name)), run_of(name).recommender()
    some, available_V = bundle.items.decode(range(0, 120, 6)), bundle.catalogue.available
    shown = [like.item_id for item in some for like in bundle.similar_items(item, k=5)]
    assert shown == model.similar_items(some, k=5)["similar_item_id"].to_list()
    assert available_V is not None
    assert set(bundle.items.decode(np.flatnonzero(available_V == 0))).isdisjoint(shown)
    assert (available_V == 0).any()


def test_a_bundle_that_lost_a_part_is_refused(exported_bundle: Path, tmp_path: Path) -> None:
    broken = tmp_path / "bundle"
    shutil.copytree(exported_bundle, broken)
    (broken / "knowledge.json").unlink()
    with pytest.raises(AisleError, match="E005"):
        Bundle.open(broken)
    with pytest.raises(AisleError, match="E014"):
        Bundle.open(broken, check=False)
