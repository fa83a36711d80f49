"""Two stages: recallers and a ranker, fitted so that the ranker learns from candidates as it will meet them.

Recallers look too good on the events that they were fitted on. So the ranker learns from questions inside the training
part, with candidates of recallers that were fitted on what lies before these questions. Then recallers are fitted on the
whole training part, and validation chooses the ranker's epoch with them.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aisle.dataset.cases import Cases, Split
from aisle.dataset.inner import inner_split
from aisle.dataset.reader import Dataset
from aisle.errors import AisleError
from aisle.experiment.job import Fitted, Job, Model, ModelKind, State, counted
from aisle.experiment.kinds.stages_config import CANDIDATE_FM, StageConfig, TwoStageConfig, default_ranker
from aisle.features.buckets import Buckets
from aisle.features.candidate_features import candidate_features
from aisle.features.histories import Histories
from aisle.features.item_facts import ItemFacts
from aisle.features.pairs import contains
from aisle.models.candidate_fm import CandidateFM, CandidateFMConfig
from aisle.models.content import Content, ContentConfig
from aisle.recommend.candidates import Candidates, Recaller
from aisle.recommend.ranker import FeatureRanker, ModelRanker, Ranker
from aisle.recommend.stages import TwoStage
from aisle.schema.events import Event
from aisle.train.config import TrainConfig
from aisle.train.fit import train_model
from aisle.train.question_batches import QuestionBatches, Questions
from aisle.train.watch import EpochRecord

# Q questions   N candidates of a question   F features

Kinds = Mapping[str, ModelKind]


def _fit_content(config: ContentConfig, job: Job) -> Fitted:
    facts = item_facts(job.dataset, job.counted_part)
    if (np.maximum(facts.category, facts.brand) < 0).all():
        raise AisleError(
            f"{job.dataset.folder} has no item with a category or a brand, so content has nothing to compare",
            hint="prepare the log with a catalogue (--items) that has them, or leave the content model out",
            code="E375",
        )
    return counted(lambda: Content(config, facts.category, facts.brand, facts.events))


KINDS: dict[str, ModelKind] = {"content": ModelKind(ContentConfig, _fit_content, Content.from_state, trained=False)}


def two_stage(kinds: Kinds) -> ModelKind:
    """Return the kind that is made of other kinds."""
    return ModelKind(
        TwoStageConfig,
        lambda config, job: _Fit(config, job, kinds).run(),
        lambda config, state: _load(config, state, kinds),
        True,
    )


@dataclass(frozen=True)
class _Part:
    """What models learn from, with the rows of the dataset that it came from."""

    events: Histories
    index: NDArray[np.int64]


@dataclass
class _Fit:
    """Fits the stages one after another."""

    config: TwoStageConfig
    job: Job
    kinds: Kinds

    def run(self) -> Fitted:
        """Fit all parts; the records are the ranker's."""
        if not self.config.recall:
            raise AisleError(
                "two-stage has no recallers",
                hint='name some: recall = [{model = "item-knn"}, {model = "popularity"}] under [parameters]',
                code="E371",
            )
        start_s = time.perf_counter()
        split, ranker = self.job.split, self.config.ranker or default_ranker()
        train = _Part(split.train, split.train_index)
        chosen = [self._fit_part(stage, train, None) for stage in self.config.recall]
        last = _Part(split.refit, split.refit_index) if self.job.train.refit and len(split.validation) else None
        final = chosen if last is None else self._fit_again(last, chosen)
        fallbacks = [self._fit_part(stage, last or train, None) for stage in self.config.fallback]
        made = self._fit_features(ranker, chosen) if ranker.model == CANDIDATE_FM else self._fit_model(ranker, train, last)
        order = made.ranker
        if last is not None and isinstance(order, FeatureRanker):
            order = replace(order, facts=item_facts(self.job.dataset, last.events))
        stages = self._stages([one.model for one in final], order, [one.model for one in fallbacks])
        return Fitted(stages, made.records, made.best_epoch, made.device, time.perf_counter() - start_s)

    def _fit_again(self, part: _Part, chosen: list[Fitted]) -> list[Fitted]:
        """Fit the recallers on another part, for the epochs that validation chose."""
        pairs = zip(self.config.recall, chosen, strict=True)
        return [self._fit_part(stage, part, before.best_epoch) for stage, before in pairs]

    def _fit_part(self, stage: StageConfig, part: _Part, epochs: int | None) -> Fitted:
        """Fit one model on a part: for a given number of epochs, or for as many as validation chooses."""
        train = replace(self.job.train, **stage.train, refit=False)
        watch = replace(self.job.watch, on_epoch=_ignore)
        if epochs is not None:
            train, watch = replace(train, epochs=epochs), replace(watch, validate=None)
        split = replace(self.job.split, train=part.events, train_index=part.index, refit=part.events, refit_index=part.index)
        return self.kinds[stage.model].fit(_parameters(stage, self.kinds), Job(self.job.dataset, split, train, watch, None))

    def _ask_inside(self, share: float, chosen: list[Fitted]) -> tuple[Asked, int]:
        """Put questions about the latest events of the training part to recallers fitted on those before; count them."""
        inner = inner_split(self.job.dataset, self.job.split, share=share, max_cases=self.config.ranker_questions)
        before = _Part(inner.refit, inner.refit_index)
        stages = self._stages([one.model for one in self._fit_again(before, chosen)], _ByVotes())
        return ask(stages, item_facts(self.job.dataset, before.events), inner.test), len(inner.test)

    def _stages(self, models: list[Model], ranker: Ranker, fallbacks: Sequence[Model] = ()) -> TwoStage:
        recallers, others = _sources(self.config.recall, models), _sources(self.config.fallback, fallbacks)
        return TwoStage(recallers, others, ranker, _hidden_events(self.job.split), self.job.dataset.n_items, self.config)

    def _fit_model(self, stage: StageConfig, train: _Part, last: _Part | None) -> _Ranked:
        """Fit an ordinary model as the ranker."""
        done = self._fit_part(stage, train, None)
        final = done if last is None else self._fit_part(stage, last, done.best_epoch)
        return _Ranked(ModelRanker(final.model), done.records, done.best_epoch, done.device)

    def _fit_features(self, ranker: StageConfig, chosen: list[Fitted]) -> _Ranked:
        """Train the ranker over features on questions inside the training part."""
        dataset, split = self.job.dataset, self.job.split
        parameters = ranker.parameters or CandidateFMConfig()
        parts = [self._ask_inside(share, chosen) for share in self.config.ranker_shares]
        questions, buckets = join_questions([asked for asked, _ in parts], parameters.buckets)
        train = replace(self.job.train, **ranker.train)
        facts, models = item_facts(dataset, split.train), [one.model for one in chosen]

        def build(questions: Questions) -> CandidateFM:
            return CandidateFM.untrained(parameters, questions.code.shape[2], buckets.size, seed=train.seed)

        def batches(questions: Questions, how: TrainConfig, device: Any) -> QuestionBatches:
            left_out, most = sum(count for _, count in parts) - len(questions.right), self.config.ranker_candidates
            return QuestionBatches(questions, how.batch_size, most, left_out=left_out, seed=how.seed, device=device)

        def validate(model: Any) -> float:
            assert self.job.watch.validate is not None
            return self.job.watch.validate(self._stages(models, FeatureRanker(facts, buckets, model)))

        watch = replace(self.job.watch, validate=None if self.job.watch.validate is None else validate)
        done = train_model(build, questions, None, train, batches=batches, watch=watch, checkpoints=self.job.checkpoints)
        return _Ranked(FeatureRanker(facts, buckets, done.model), tuple(done.records), done.best_epoch, done.device)


@dataclass(frozen=True)
class _Ranked:
    """A fitted ranker and the story of its training."""

    ranker: Ranker
    records: tuple[EpochRecord, ...]
    best_epoch: int | None
    device: str


class _ByVotes:
    """Orders candidates by how many recallers name them: what stands in a ranker's place until there is one."""

    def rank(self, user_B: NDArray[np.int64], known: Histories, candidates: Candidates) -> NDArray[np.float32]:
        votes_BN: NDArray[np.float32] = candidates.named.sum(axis=2, dtype=np.float32)
        return votes_BN

    def state(self) -> dict[str, NDArray[Any]]:
        return {}


@dataclass(frozen=True)
class Asked:
    """Candidates of some cases, a block at a time, of those cases that have a right answer among them.

    Attributes:
        value: (B, N, F) features.
        right: (B, N) bool, the right answers.
        there: (B, N) bool, False where a case has fewer candidates.
    """

    value: list[NDArray[np.float32]]
    right: list[NDArray[np.bool_]]
    there: list[NDArray[np.bool_]]


def ask(stages: TwoStage, facts: ItemFacts, cases: Cases) -> Asked:
    """Let recallers name candidates for cases and describe them."""
    asked = Asked([], [], [])
    for start in range(0, len(cases), _ROWS):
        part = cases.take(np.arange(start, min(start + _ROWS, len(cases))))
        candidates = stages.candidates(part.user.astype(np.int64), part.known)
        right_BN = _right(part, candidates.item, stages.n_items)
        value_BNF = candidate_features(facts, part.known, candidates.item, candidates.score)
        use_B = right_BN.any(axis=1)
        asked.value.append(value_BNF[use_B])
        asked.right.append(right_BN[use_B])
        asked.there.append(candidates.item[use_B] >= 0)
    return asked


def join_questions(parts: Sequence[Asked], buckets: int) -> tuple[Questions, Buckets]:
    """Put questions together and learn how their features become codes."""
    width = max(right_BN.shape[1] for part in parts for right_BN in part.right)
    value_QNF = np.concatenate([_widen(value_BNF, width, np.nan) for part in parts for value_BNF in part.value])
    right_QN = np.concatenate([_widen(right_BN, width, False) for part in parts for right_BN in part.right])
    there_QN = np.concatenate([_widen(there_BN, width, False) for part in parts for there_BN in part.there])
    learned = Buckets.learn(value_QNF[there_QN], buckets)
    return Questions(learned.code(value_QNF), right_QN, there_QN), learned


_ROWS = 256


def _right(cases: Cases, item_BN: NDArray[np.int64], n_items: int) -> NDArray[np.bool_]:
    row_T = np.repeat(np.arange(len(cases)), np.diff(cases.target_offsets))
    key_T = np.sort(row_T * n_items + cases.target_item)
    return contains(key_T, np.arange(len(cases))[:, None] * n_items + item_BN) & (item_BN >= 0)


def _widen(array: NDArray[Any], width: int, filler: object) -> NDArray[Any]:
    shape = (len(array), width - array.shape[1], *array.shape[2:])
    return np.concatenate([array, np.full(shape, filler, array.dtype)], axis=1)


def item_facts(dataset: Dataset, part: Histories) -> ItemFacts:
    """Return what a part of the events and the catalogue say about each item."""
    columns = {}
    for name, kind in (("price", "number"), ("category", "category"), ("brand", "category")):
        if dataset.manifest.item_features.get(name) == kind:
            columns[name] = dataset.item_feature(name).values
    return ItemFacts.of(part, dataset.n_items, time_kind=dataset.manifest.time_kind, **columns)


def _hidden_events(split: Split) -> NDArray[np.uint8]:
    """Return the kinds of event after which an item is not asked for any more."""
    told: Any = split.description
    names = () if told["repeats"] else told.get("seen_events") or told["positive_events"]
    return np.array(sorted(Event[name] for name in names), np.uint8)


def _sources(stages: Sequence[StageConfig], models: Sequence[Model]) -> tuple[Recaller, ...]:
    return tuple(Recaller(stage.title, model, stage.count) for stage, model in zip(stages, models, strict=False))


def _load(config: TwoStageConfig, state: State, kinds: Kinds) -> TwoStage:
    """Rebuild from what `TwoStage.state` returned."""

    def models(kind: str, stages: Sequence[StageConfig]) -> list[Model]:
        return [
            kinds[stage.model].load(_parameters(stage, kinds), _below(f"{kind}.{number}.", state))
            for number, stage in enumerate(stages)
        ]

    recallers = _sources(config.recall, models("recall", config.recall))
    fallbacks = _sources(config.fallback, models("fallback", config.fallback))
    stage, own = config.ranker or default_ranker(), _below("ranker.", state)
    ranker: Ranker
    if stage.model == CANDIDATE_FM:
        facts, buckets, arrays = (_below(f"{part}.", own) for part in ("facts", "buckets", "model"))
        ranker = FeatureRanker(
            ItemFacts.from_state(facts),
            Buckets.from_state(buckets),
            CandidateFM.from_state(stage.parameters or CandidateFMConfig(), arrays),
        )
    else:
        ranker = ModelRanker(kinds[stage.model].load(_parameters(stage, kinds), own))
    return TwoStage(recallers, fallbacks, ranker, state["hidden_events"], int(state["n_items"][0]), config)


def _parameters(stage: StageConfig, kinds: Kinds) -> Any:
    """Return a stage's own config, the model's defaults where a program gave none."""
    return kinds[stage.model].config() if stage.parameters is None else stage.parameters


def _below(prefix: str, state: State) -> dict[str, NDArray[Any]]:
    return {name.removeprefix(prefix): array for name, array in state.items() if name.startswith(prefix)}


def _ignore(_: object) -> None:
    return None
