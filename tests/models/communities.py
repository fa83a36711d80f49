"""A tiny world with a known right answer: two groups of shoppers who buy from two separate halves of a shop."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from aisle.dataset.cases import Cases
from aisle.experiment.kinds.stages import ask, join_questions
from aisle.experiment.kinds.stages_config import StageConfig, TwoStageConfig
from aisle.experiment.registry import MODELS
from aisle.features.fields import Field, Fields, context_table, join
from aisle.features.histories import Histories
from aisle.features.item_facts import ItemFacts
from aisle.features.text import text_vectors
from aisle.models.candidate_fm import CandidateFM, CandidateFMConfig
from aisle.models.content import Content, ContentConfig
from aisle.models.deepfm import DeepFM, DeepFMConfig
from aisle.models.ease import EASE, EASEConfig
from aisle.models.fm import FM, FMConfig
from aisle.models.ials import IALS, IALSConfig
from aisle.models.item_knn import ItemKNN, ItemKNNConfig
from aisle.models.ligr import LiGRConfig
from aisle.models.lstm import LSTMConfig
from aisle.models.mf import MF, MFConfig
from aisle.models.ncf import NCF, NCFConfig
from aisle.models.next_item import NextItem, NextItemConfig
from aisle.models.popularity import Popularity, PopularityConfig
from aisle.models.recently_viewed import RecentlyViewed, RecentlyViewedConfig
from aisle.models.sasrec import SASRecConfig
from aisle.models.session_knn import SessionKNN, SessionKNNConfig
from aisle.models.two_tower import TwoTower, TwoTowerConfig
from aisle.recommend.candidates import Recaller
from aisle.recommend.ranker import FeatureRanker, ModelRanker, Ranker
from aisle.recommend.stages import TwoStage
from aisle.train.config import TrainConfig
from aisle.train.fit import pair_batches, train_model
from aisle.train.question_batches import QuestionBatches, Questions
from aisle.train.ratings import RatingSampler
from aisle.train.sampler import PairSampler
from aisle.train.tower_batches import TowerBatches
from aisle.train.windows import Windows

USERS = 60  # 0..29 buy items 0..11, 30..59 buy items 12..23
NEW_USER = 60  # in the dataset, without training events
ITEMS = 26  # 24 and 25 are in the catalogue only
COLD = (24, 25)
CATEGORY = np.array([0] * 12 + [1] * 12 + [1, -1], np.int32)  # item 24 is of the second kind, nothing is known about 25


def histories(rows: list[list[int]]) -> Histories:
    """Make histories from lists of items; the place in the list is the time."""
    lengths = [len(row) for row in rows]
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    item = np.array([item for row in rows for item in row], np.int32)
    time = np.array([place for row in rows for place in range(len(row))], np.int64)
    return Histories(offsets, item, np.full(len(item), 6, np.uint8), time)


def train_part() -> Histories:
    """Return 61 histories: six items each, the last user without any."""
    random = np.random.default_rng(5)
    rows = [(random.choice(12, 6, replace=False) + 12 * (user >= USERS // 2)).tolist() for user in range(USERS)]
    return histories([*rows, []])


def item_fields(train: Histories) -> Fields:
    """Return the category of each item."""
    return join([Field("category", 2, CATEGORY[:, None])], np.bincount(train.item, minlength=ITEMS) > 0)


QUICK = TrainConfig(epochs=12, batch_size=64, learning_rate=0.02, seed=3, device="cpu", threads=1)


def _fit_ncf(config: NCFConfig, learning_rate: float = 0.02) -> NCF:
    quick = replace(QUICK, learning_rate=learning_rate)
    return train_model(
        lambda train: NCF.untrained(config, train, ITEMS, seed=3), train_part(), None, quick, batches=pair_batches
    ).model


def _fit_mf(config: MFConfig) -> MF:
    return train_model(
        lambda train: MF.untrained(config, train, ITEMS, seed=3), train_part(), None, QUICK, batches=pair_batches
    ).model


def _fit_fm(*, with_fields: bool) -> FM:
    def build(train: Histories) -> FM:
        fields = item_fields(train) if with_fields else None
        return FM.untrained(FMConfig(factors=8), train, ITEMS, seed=3, item_fields=fields)

    return train_model(build, train_part(), None, QUICK, batches=pair_batches).model


def _fit_fm_in_context(loss: Literal["logistic", "softmax"]) -> FM:
    """Fit on events of one context column that says nothing: which half of the day it was."""
    context = (train_part().item % 2).astype(np.int32)[:, None]

    def build(train: Histories) -> FM:
        return FM.untrained(FMConfig(8, loss=loss), train, ITEMS, seed=3, context=context_table([2], context))

    def batches(train: Histories, how: TrainConfig, device: torch.device) -> PairSampler:
        return PairSampler(train, how.batch_size, how.negatives, seed=how.seed, device=device, context=context)

    return train_model(build, train_part(), None, QUICK, batches=batches).model


def _fit_deepfm(config: DeepFMConfig) -> DeepFM:
    """Fit with item categories and the context that says nothing."""
    context = (train_part().item % 2).astype(np.int32)[:, None]

    def build(train: Histories) -> DeepFM:
        table = context_table([2], context)
        return DeepFM.untrained(config, train, ITEMS, seed=3, item_fields=item_fields(train), context=table)

    def batches(train: Histories, how: TrainConfig, device: torch.device) -> PairSampler:
        return PairSampler(train, how.batch_size, how.negatives, seed=how.seed, device=device, context=context)

    return train_model(build, train_part(), None, QUICK, batches=batches).model


def _fit_fm_of_ratings(*, implicit: bool) -> FM:
    """Fit on ratings: 5 for six items of one's own half, 1 for six of the other."""
    train = train_part()
    other = [[(item + 12) % 24 for item in train.row(user).tolist()] for user in range(USERS + 1)]
    rated = histories([[*train.row(user).tolist(), *other[user]] for user in range(USERS + 1)])
    rating = np.tile(np.repeat(np.array([5, 1], np.float32), 6), USERS)

    def build(part: Histories) -> FM:
        return FM.untrained(FMConfig(8, loss="squared", implicit=implicit), part, ITEMS, seed=3, mean=3.0)

    def batches(part: Histories, how: TrainConfig, device: torch.device) -> RatingSampler:
        return RatingSampler(part, rating, how.batch_size, seed=how.seed, device=device, whole_users=implicit)

    return train_model(build, rated, None, QUICK, batches=batches).model


def _fit_two_tower(*, ids: bool = True, features: bool = False) -> TwoTower:
    config = TwoTowerConfig(8, history=4, user_ids=ids and features, item_ids=ids, temperature=0.2, uniform_negatives=16)

    def build(train: Histories) -> TwoTower:
        if not features:
            return TwoTower.untrained(config, train, ITEMS, seed=3)
        words = text_vectors([*["red nail"] * 12, *["beard oil"] * 13, ""], 3)
        groups = join([Field("group", 2, np.array([[0]] * 30 + [[1]] * 30 + [[-1]], np.int32))], train.lengths > 0)
        sides: dict[str, Any] = {"item_fields": item_fields(train), "user_fields": groups if ids else None, "item_text": words}
        return TwoTower.untrained(config, train, ITEMS, seed=3, **sides)

    def batches(train: Histories, how: TrainConfig, device: torch.device) -> TowerBatches:
        return TowerBatches(train, config, how.batch_size, seed=how.seed, device=device)

    return train_model(build, train_part(), None, QUICK, batches=batches).model


def _fit_next_item(config: NextItemConfig, *, content: bool = False, epochs: int = 25) -> NextItem:
    """Fit on the train part; with content, item 24 is known by its words."""
    words = text_vectors([*["red nail"] * 12, *["beard oil"] * 13, ""], 2) if content else None

    def build(train: Histories) -> NextItem:
        trained = np.bincount(train.item, minlength=ITEMS) > 0
        return NextItem.untrained(config, trained, seed=3, content_VC=words)

    def batches(train: Histories, how: TrainConfig, device: torch.device) -> Windows:
        return Windows(train, 16, config.length, seed=how.seed, device=device)

    return train_model(build, train_part(), None, replace(QUICK, epochs=epochs), batches=batches).model


def _facts(train: Histories) -> ItemFacts:
    return ItemFacts.of(train, ITEMS, time_kind="order", category=CATEGORY)


def _stages(ranker: Ranker, train: Histories, by: StageConfig) -> TwoStage:
    """Let item-kNN and popularity name candidates."""
    knn, popularity = ItemKNN.fit(ItemKNNConfig(), train, ITEMS), Popularity.fit(PopularityConfig(), train, ITEMS)
    recallers = (Recaller("item-knn", knn, 20), Recaller("popular", popularity, ITEMS))
    recall = (StageConfig("item-knn", ItemKNNConfig()), StageConfig("popularity", PopularityConfig(), name="popular"))
    return TwoStage(recallers, (), ranker, np.zeros(0, np.uint8), ITEMS, TwoStageConfig(recall, by))


BY_FM = StageConfig("fm", FMConfig(factors=8))


def _fit_two_stage() -> TwoStage:
    """Fit the ranker on each shopper's last item, with candidates of recallers that have seen the others only."""
    whole, by = train_part(), StageConfig("candidate-fm", CandidateFMConfig(8, 4, (8,), dropout=0.1))
    last = whole.offsets[1 : USERS + 1] - 1
    before = whole.where(~np.isin(np.arange(len(whole.item)), last))
    asked = Cases(np.arange(USERS, dtype=np.int32), before.take(np.arange(USERS)), np.arange(USERS + 1), whole.item[last])
    named_by = _stages(ModelRanker(Popularity.fit(PopularityConfig(), before, ITEMS)), before, by)
    questions, buckets = join_questions([ask(named_by, _facts(before), asked)], 8)

    def batches(part: Questions, how: TrainConfig, device: torch.device) -> QuestionBatches:
        return QuestionBatches(part, 16, 20, left_out=0, seed=how.seed, device=device)

    net = train_model(
        lambda part: CandidateFM.untrained(by.parameters, part.code.shape[2], buckets.size, seed=3),
        questions,
        None,
        QUICK,
        batches=batches,
    ).model
    return _stages(FeatureRanker(_facts(whole), buckets, net), whole, by)


FITTED: dict[str, Callable[[], Any]] = {
    "popularity": lambda: Popularity.fit(PopularityConfig(), train_part(), ITEMS),
    "popularity, decaying": lambda: Popularity.fit(PopularityConfig("decay"), train_part(), ITEMS, time_kind="order"),
    "item-kNN": lambda: ItemKNN.fit(ItemKNNConfig(), train_part(), ITEMS),
    "item-kNN, few neighbours": lambda: ItemKNN.fit(ItemKNNConfig(5, 0, "none"), train_part(), ITEMS),
    "VS-kNN": lambda: SessionKNN.fit(SessionKNNConfig(), train_part(), ITEMS),
    "VS-kNN, few neighbours": lambda: SessionKNN.fit(SessionKNNConfig(neighbours=12, idf=0.5), train_part(), ITEMS),
    "recently viewed": lambda: RecentlyViewed(RecentlyViewedConfig(), ITEMS),
    "iALS": lambda: IALS.fit(IALSConfig(4, 16, 1.0, 0.03), train_part(), ITEMS),
    "iALS, event weights": lambda: IALS.fit(IALSConfig(4, 16, event_weights=(("purchase", 3.0),)), train_part(), ITEMS),
    "EASE": lambda: EASE.fit(EASEConfig(20), train_part(), ITEMS),
    "EASE, with dropout": lambda: EASE.fit(EASEConfig(20, 0.3), train_part(), ITEMS),
    "MF": lambda: _fit_mf(MFConfig(8, dropout=0.1)),
    "MF, BPR": lambda: _fit_mf(MFConfig(8, "bpr", regularisation=0.001)),
    "MF, softmax": lambda: _fit_mf(MFConfig(8, "softmax", regularisation=0.001)),
    "FM": lambda: _fit_fm(with_fields=False),
    "FM with side features": lambda: _fit_fm(with_fields=True),
    "FM in context": lambda: _fit_fm_in_context("logistic"),
    "FM in context, softmax": lambda: _fit_fm_in_context("softmax"),
    "FM of ratings": lambda: _fit_fm_of_ratings(implicit=False),
    "FM of ratings and of what is rated": lambda: _fit_fm_of_ratings(implicit=True),
    "DeepFM": lambda: _fit_deepfm(DeepFMConfig("deep", 8, (16, 8), dropout=0.1)),
    "DeepFM, cross": lambda: _fit_deepfm(DeepFMConfig("cross", 8)),
    "NeuMF": lambda: _fit_ncf(NCFConfig("neumf", 8, 8, (16, 8), dropout=0.1)),
    "GMF": lambda: _fit_ncf(NCFConfig("gmf", 8)),
    "MLP": lambda: _fit_ncf(NCFConfig("mlp", 8, 8, (16,)), learning_rate=0.05),  # a slow starter: no product of ids
    "LSTM": lambda: _fit_next_item(LSTMConfig(8, 4, 0.1)),
    "LSTM, output of its own": lambda: _fit_next_item(LSTMConfig(8, 4, 0.1, tied=False, event_types=True, time_gaps=True)),
    "SASRec": lambda: _fit_next_item(SASRecConfig(8, 4, 0.1)),
    "SASRec, gBCE": lambda: _fit_next_item(SASRecConfig(8, 4, 0.0, "gbce", 12, calibration=0.5), epochs=60),
    "SASRec, sampled": lambda: _fit_next_item(SASRecConfig(8, 4, 0.1, "sampled-softmax", 12)),
    "LiGR": lambda: _fit_next_item(LiGRConfig(8, 4, 0.1, temperature=0.2)),
    "LiGR with text": lambda: _fit_next_item(LiGRConfig(8, 4, 0.1, content=2), content=True),
    "two-tower": _fit_two_tower,
    "two-tower with side features": lambda: _fit_two_tower(features=True),
    "two-tower without ids": lambda: _fit_two_tower(ids=False, features=True),
    "content": lambda: Content(ContentConfig(), CATEGORY, np.full(ITEMS, -1, np.int32), _facts(train_part()).events),
    "two-stage": _fit_two_stage,
    "two-stage, ranked by FM": lambda: _stages(ModelRanker(_fit_fm(with_fields=False)), train_part(), BY_FM),
}


@functools.cache
def fitted(name: str) -> Any:
    """Return a fitted model, the same one for every test; it is not to be changed."""
    return FITTED[name]()


def reload(model: Any, state: dict[str, NDArray[Any]]) -> Any:
    """Rebuild a model from its state."""
    if isinstance(model, TwoStage):
        return MODELS["two-stage"].load(model.config, state)
    return type(model).from_state(model.config, state)
