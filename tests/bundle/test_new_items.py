"""Items that came after training land among their kind, and reach the shoppers who want that kind."""

# C kinds of items   V items   D width

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from aisle.bundle.catalogue import Catalogue, Named
from aisle.bundle.exact import ExactIndex
from aisle.bundle.live_catalogue import ItemChange, LiveCatalogue
from aisle.bundle.new_items import GrownIndex, Kin, Kinship, NewItems, blend
from aisle.errors import AisleError
from aisle.features.vocabulary import Vocabulary
from aisle.storage.strings import Strings

KINDS, EACH, D, CATEGORIES = 40, 30, 16, 8


@dataclass(frozen=True)
class Clustered:
    """Simulated: items of 40 kinds, whose vectors lie around the kind's and whose titles are drawn from its ten words."""

    centre_CD: NDArray[np.float32]  # noqa: N815
    kind_V: NDArray[np.int64]  # noqa: N815
    item_VD: NDArray[np.float32]  # noqa: N815
    catalogue: Catalogue
    random: np.random.Generator

    def title(self, kind: int) -> str:
        own = [f"word{kind}x{number}" for number in self.random.choice(10, 3, replace=False)]
        common = [f"common{number}" for number in self.random.choice(20, 3, replace=False)]
        return " ".join([*own, *common])


def clustered() -> Clustered:
    random = np.random.default_rng(4)
    centre_CD = random.standard_normal((KINDS, D)).astype(np.float32)
    kind_V = np.repeat(np.arange(KINDS), EACH)
    item_VD = (centre_CD[kind_V] + 0.4 * random.standard_normal((len(kind_V), D))).astype(np.float32)
    made = Clustered(centre_CD, kind_V, item_VD, Catalogue(0), random)
    catalogue = Catalogue(
        len(kind_V),
        title=Strings.pack([made.title(kind) for kind in kind_V.tolist()]),
        category=Named((kind_V % CATEGORIES).astype(np.int32), Vocabulary(Strings.pack([f"c{n}" for n in range(CATEGORIES)]))),
        brand=Named(np.full(len(kind_V), -1, np.int32), Vocabulary(Strings.pack([]))),
    )
    return Clustered(centre_CD, kind_V, item_VD, catalogue, random)


def arrived(shop: Clustered, changes: list[ItemChange]) -> NewItems:
    ids = Vocabulary(np.arange(len(shop.kind_V)))
    live = LiveCatalogue.of(shop.catalogue, ids).with_changes(changes)
    return NewItems(Kinship(shop.catalogue, np.ones(len(shop.kind_V), np.bool_))).follow(live)


def two_of_each_kind(shop: Clustered) -> tuple[NewItems, NDArray[np.int64]]:
    kind_M = np.repeat(np.arange(KINDS), 2)
    changes = [
        ItemChange(9000 + number, title=shop.title(kind), category=f"c{kind % CATEGORIES}")
        for number, kind in enumerate(kind_M.tolist())
    ]
    return arrived(shop, changes), kind_M


def test_new_items_land_among_their_kind() -> None:
    shop = clustered()
    new, kind_M = two_of_each_kind(shop)
    vector_MD = new.vectors(shop.item_VD)
    cosine_MC = vector_MD @ (shop.centre_CD / np.linalg.norm(shop.centre_CD, axis=1, keepdims=True)).T
    assert (cosine_MC.argmax(axis=1) == kind_M).mean() > 0.95  # by chance 1 in 40
    assert (shop.kind_V[new.stand_in] == kind_M).mean() > 0.95
    lengths = np.linalg.norm(shop.item_VD, axis=1).mean(), np.linalg.norm(vector_MD, axis=1).mean()
    assert lengths[1] == pytest.approx(lengths[0], rel=0.1)  # as long as trained ones: they win and lose as often


def test_new_items_reach_the_shoppers_who_want_their_kind() -> None:
    shop = clustered()
    new, kind_M = two_of_each_kind(shop)
    base = ExactIndex(shop.item_VD, np.ones(len(shop.kind_V), np.bool_))
    index = GrownIndex(base, len(shop.kind_V), new.vectors(shop.item_VD), new.has_vector)
    vector_CD = (shop.centre_CD + 0.3 * shop.random.standard_normal(shop.centre_CD.shape)).astype(np.float32)
    item_CK, score_CK = index.search(vector_CD, 10)
    is_new_CK = item_CK >= len(shop.kind_V)
    kind_CK = np.where(is_new_CK, kind_M[np.maximum(item_CK - len(shop.kind_V), 0)], -1)
    reached_C = (kind_CK == np.arange(KINDS)[:, None]).any(axis=1)
    # 2 of 32 items of a kind are new: if they were like any other of them, 1 - C(30, 10) / C(32, 10) = 53% would see one.
    assert reached_C.mean() > 0.4
    assert (kind_CK[is_new_CK] == np.nonzero(is_new_CK)[0]).mean() > 0.8  # and hardly anybody else; by chance 1 in 40
    assert (np.diff(score_CK, axis=1) <= 0).all()


def test_words_alone_and_a_category_alone_say_something() -> None:
    shop = clustered()
    new = arrived(shop, [ItemChange(9000, title="WORD7x1, word7X2!"), ItemChange(9001, category="c3")])
    by_words, by_category = new.kin_M
    assert by_words is not None
    assert by_category is not None
    assert set(shop.kind_V[by_words.item_N]) == {7}
    assert set(shop.kind_V[by_category.item_N] % CATEGORIES) == {3}
    assert len(by_category.item_N) == KINDS // CATEGORIES * EACH  # all are equally alike, so all count
    assert by_category.weight_N.sum() == pytest.approx(1)


@pytest.mark.parametrize(
    "change", [ItemChange(9000), ItemChange(9000, title="quite another thing"), ItemChange(9000, price=3, category="boats")]
)
def test_an_item_with_nothing_in_common_is_refused_a_score(change: ItemChange) -> None:
    shop = clustered()
    new = arrived(shop, [change])
    assert new.has_vector.tolist() == [False]
    assert new.stand_in.tolist() == [-1]
    base = ExactIndex(shop.item_VD, np.ones(len(shop.kind_V), np.bool_))
    index = GrownIndex(base, len(shop.kind_V), new.vectors(shop.item_VD), new.has_vector)
    item, _ = index.search(shop.centre_CD, len(shop.kind_V) + 1)
    assert len(shop.kind_V) not in item
    only_it = np.arange(len(shop.kind_V) + 1) == len(shop.kind_V)
    assert (index.search(shop.centre_CD, 5, only_it)[0] == -1).all()


def test_items_without_a_vector_are_nobodys_kin() -> None:
    shop = clustered()
    scorable_V = shop.kind_V != 7
    kin = Kinship(shop.catalogue, scorable_V).kin("word7x1 common3", -1, -1)
    assert kin is not None
    assert 7 not in shop.kind_V[kin.item_N]
    assert Kinship(shop.catalogue, scorable_V).kin("word7x1", -1, -1) is None
    by_category = Kinship(shop.catalogue, scorable_V).kin("", 7, -1)
    assert by_category is not None
    assert set(shop.kind_V[by_category.item_N]) == {15, 23, 31, 39}  # the kinds of category 7 but for 7 itself


def test_blend_by_hand() -> None:
    matrix_VD = np.array([[3, 0, 1], [0, 4, 0], [9, 9, 9]], np.float32)
    kin = Kin(np.array([0, 1]), np.array([0.5, 0.5], np.float32))
    # The first two columns: mean (1.5, 2), length 2.5, to be the mean length (3 + 4) / 2 = 3.5. The bias: (1 + 0) / 2.
    assert blend(matrix_VD, kin, width=2) == pytest.approx([1.5 * 1.4, 2 * 1.4, 0.5])


def test_filters_hold_for_new_items_too() -> None:
    shop = clustered()
    new, _ = two_of_each_kind(shop)
    n_base, n_new = len(shop.kind_V), len(new.kin_M)
    index = GrownIndex(ExactIndex(shop.item_VD, np.ones(n_base, np.bool_)), n_base, new.vectors(shop.item_VD), new.has_vector)
    allowed_V = np.random.default_rng(0).random(n_base + n_new) < 0.3
    item, _ = index.search(shop.centre_CD, 50, allowed_V)
    assert allowed_V[item].all()
    assert (item >= n_base).any()
    with pytest.raises(AisleError, match="E033"):
        index.search(shop.centre_CD, 50, allowed_V[:-1])


def test_only_what_came_or_changed_is_looked_at_again() -> None:
    shop = clustered()
    live = LiveCatalogue.of(shop.catalogue, Vocabulary(np.arange(len(shop.kind_V))))
    kinship = Kinship(shop.catalogue, np.ones(len(shop.kind_V), np.bool_))
    live = live.with_changes([ItemChange(9000, title="word1x1"), ItemChange(9001, title="word2x2")])
    first = NewItems(kinship).follow(live)
    second = first.follow(live.with_changes([ItemChange(9001, title="word3x3"), ItemChange(9000, price=2), ItemChange(9002)]))
    assert second.kin_M[0] is first.kin_M[0]
    assert shop.kind_V[second.stand_in[:2]].tolist() == [1, 3]
    assert second.has_vector.tolist() == [True, True, False]


def test_reading_the_titles_gives_way_to_other_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("aisle.bundle.new_items.time.sleep", slept.append)
    shop = clustered()
    Kinship(shop.catalogue, np.ones(len(shop.kind_V), np.bool_))
    assert len(slept) == 10  # 1,200 titles, 128 at a time
    assert min(slept) > 0  # with 0 the interpreter would be taken back before anybody else had it
