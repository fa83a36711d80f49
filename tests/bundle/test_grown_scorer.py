"""A served model offers over a grown catalogue what it offered before: same answers, same bits, same cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aisle.bundle.bundle import Bundle
from aisle.bundle.grown_scorer import GrownScorer
from aisle.bundle.live_bundle import LiveBundle
from aisle.bundle.live_catalogue import ItemChange
from aisle.bundle.question import Question, RawEvent
from aisle.recommend.reasons import Explains, LikensLists, LikensPairs
from aisle.recommend.scorer import SharedScorer

BundleOf = Callable[[str], Path]
MODELS = ["popularity", "item-knn", "sasrec", "ncf", "fm", "two-tower", "two-stage"]
ODD = ItemChange("odd", title="zzz qqq")  # like nothing: in no list


class Spy:
    """Stands before a scorer and writes down what is called."""

    def __init__(self, base: Any) -> None:
        self.base, self.called = base, list[str]()

    def __getattr__(self, name: str) -> Any:
        self.called.append(name)
        return getattr(self.base, name)


def twin(bundle: Bundle, item: int, new_id: str) -> ItemChange:
    facts = bundle.catalogue.facts(item)
    return ItemChange(new_id, title=facts["title"], category=facts["category"], brand=facts["brand"])


def grown(bundle: Bundle, *changes: ItemChange) -> Bundle:
    now = LiveBundle(bundle).change(changes)
    assert isinstance(now.scorer, GrownScorer)
    return now


@pytest.mark.parametrize("name", MODELS)
def test_old_items_are_answered_as_before_to_the_last_bit(name: str, bundle_of: BundleOf) -> None:
    bundle = Bundle.open(bundle_of(name))
    users = [Question(user_id=user, k=30) for user in bundle.users.decode(range(0, 40, 3))]
    questions = [*users, Question(events=(RawEvent(bundle.items[3], "view", 5),)), Question(user_id="nobody")]
    assert grown(bundle, ODD).recommend(questions) == bundle.recommend(questions)  # lists, scores and reasons


@pytest.mark.parametrize("name", MODELS)
def test_a_grown_model_scores_and_likens_old_items_to_the_last_bit(name: str, bundle_of: BundleOf) -> None:
    bundle = Bundle.open(bundle_of(name))
    n, now = len(bundle.items), grown(bundle, twin(bundle, 3, "new"), ODD)
    base, scorer = bundle.scorer, now.scorer
    user_B = np.array([0, 5, 9])
    known = bundle.known.take(user_B)
    item_BN = np.array([[3, 1, 4], [1, 5, 9], [2, 6, 5]])
    assert (scorer.score(user_B, known)[:, :n] == base.score(user_B, known)).all()
    assert (scorer.score_items(user_B, known, item_BN) == base.score_items(user_B, known, item_BN)).all()
    assert (scorer.similar(np.array([3, 8]))[:, :n] == base.similar(np.array([3, 8]))).all()
    assert isinstance(scorer, LikensPairs)
    assert isinstance(scorer, LikensLists)
    assert isinstance(scorer, SharedScorer)
    own, item = np.array([3, 8, 20]), np.array([1, 3, n, 30])  # a new one among them
    pairs, whole = scorer.similar_pairs(own, item), scorer.similar(own)[:, item]
    assert pairs == pytest.approx(whole, abs=1e-6)
    if isinstance(base, LikensPairs):
        assert (pairs[:, [0, 1, 3]] == base.similar_pairs(own, np.array([1, 3, 0, 30]))[:, [0, 1, 3]]).all()
    assert scorer.similar_lists(own[None], item[None])[0] == pytest.approx(whole, abs=1e-6)
    if isinstance(base, LikensLists):
        old = np.array([[1, 3, 30]])
        assert (scorer.similar_lists(own[None], old) == base.similar_lists(own[None], old)).all()
    shared = scorer.score_shared(user_B, known, item)
    assert shared == pytest.approx(scorer.score(user_B, known)[:, item], abs=1e-5)
    assert isinstance(scorer, Explains) == isinstance(base, Explains)


def test_few_pairs_cost_few_pairs_where_they_did_before(bundle_of: BundleOf) -> None:
    bundle = Bundle.open(bundle_of("ncf"))
    spy, now = Spy(bundle.scorer), grown(bundle, twin(bundle, 3, "new"))
    assert isinstance(now.scorer, GrownScorer)
    scorer = replace(now.scorer, base=spy)
    scorer.similar_pairs(np.array([1, 2]), np.array([3, 4, len(bundle.items)]))
    scorer.similar_lists(np.array([[1, 2]]), np.array([[3, 4]]))
    scorer.score_shared(np.array([0]), bundle.known.take(np.array([0])), np.array([1]))
    assert {"similar_pairs", "score_shared"} <= set(spy.called)
    assert not {"similar", "score"} & set(spy.called)


def test_a_reason_names_what_the_shopper_met_and_not_what_stands_in_for_it(bundle_of: BundleOf) -> None:
    bundle = Bundle.open(bundle_of("two-stage"))
    now = grown(bundle, twin(bundle, 3, "new"))
    answer = now.recommend([Question(events=(RawEvent("new", "view", 5),), k=20)])[0]
    named = {item.because_item_id for item in answer.items if item.because_item_id is not None}
    assert named == {"new"}
    assert any(item.reason == "similar to new you viewed" for item in answer.items)


@pytest.mark.parametrize("name", ["sasrec", "fm"])
def test_a_new_item_is_like_what_stands_in_for_it(name: str, bundle_of: BundleOf) -> None:
    now = grown(bundle := Bundle.open(bundle_of(name)), twin(bundle, 3, "new"), ODD)
    assert isinstance(now.scorer, GrownScorer)
    n, stand_in = len(bundle.items), int(now.scorer.stand_ins.item_M[0])
    like_BV = now.scorer.similar(np.array([n, n + 1]))
    assert np.isfinite(like_BV[0, stand_in])
    assert like_BV[0] == pytest.approx(now.scorer.similar_pairs(np.array([n]), np.arange(n + 2))[0], abs=1e-6)
    assert (like_BV[1] == -np.inf).all()  # it is like nothing
    assert now.similar_items("odd") == ()
