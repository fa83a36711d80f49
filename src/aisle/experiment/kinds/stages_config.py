"""What a two-stage recipe says: who names candidates, who orders them, what that one learns from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from aisle.errors import AisleError
from aisle.models.candidate_fm import CandidateFMConfig

CANDIDATE_FM = "candidate-fm"


@dataclass(frozen=True)
class StageConfig:
    """A model inside a model.

    Attributes:
        model: a model's name.
        parameters: its own config, as under `[parameters]`.
        train: what differs from the recipe's `[train]`.
        count: how many items it names for a shopper; not used by the ranker.
        name: what it is called in reasons; None = the model's name.
    """

    model: str
    parameters: Any = None
    train: dict[str, Any] = field(default_factory=dict)
    count: int = 100
    name: str | None = None

    def __post_init__(self) -> None:
        if self.count < 1:
            raise AisleError(f"{self.model} recalls {self.count} items", hint="set count to 1 or more", code="E371")

    @property
    def title(self) -> str:
        """What a person calls it."""
        return self.name or self.model


def default_ranker() -> StageConfig:
    """Return the ranker over candidate features, with steps of a size that suits whole questions."""
    return StageConfig(CANDIDATE_FM, CandidateFMConfig(), {"batch_size": 64, "learning_rate": 0.003, "epochs": 20})


@dataclass(frozen=True)
class TwoStageConfig:
    """Recall, then rank.

    Attributes:
        recall: who names candidates, such as `[{model = "item-knn", count = 200}, {model = "popularity", count = 50}]`; each
            with its own `parameters`, what differs from `[train]` as `train`, and a `name` for reasons.
        ranker: who orders them, such as `{model = "ncf"}`; None = "candidate-fm", which learns from features of the candidates.
        fallback: who answers, alone and in this order, shoppers whom no recaller knows, such as `[{model = "content"}]`; then
            popularity does.
        ranker_shares: the ranker learns from so large a share of the training events, the latest, and from candidates of
            recallers that have not seen these; each share makes questions, and one more fit of every recaller.
        ranker_questions: at most so many questions of each share.
        ranker_candidates: at most so many candidates of a question: the right ones and, each epoch anew, a draw of the others.
            Validation and recommending rank them all.
    """

    recall: tuple[StageConfig, ...] = ()
    ranker: StageConfig | None = None
    fallback: tuple[StageConfig, ...] = ()
    ranker_shares: tuple[float, ...] = (0.1, 0.2)
    ranker_questions: int = 10_000
    ranker_candidates: int = 50

    def __post_init__(self) -> None:
        shares_fit = self.ranker_shares and all(0 < share < 1 for share in self.ranker_shares)
        if not shares_fit or self.ranker_questions < 1 or self.ranker_candidates < 2:
            raise AisleError(
                "two-stage needs ranker_shares between 0 and 1, ranker_questions >= 1 and ranker_candidates >= 2; seen "
                f"{self.ranker_shares}, {self.ranker_questions} and {self.ranker_candidates}",
                hint="start from ranker_shares = [0.1, 0.2], ranker_questions = 10000, ranker_candidates = 50",
                code="E371",
            )
        names = [stage.title for stage in (*self.recall, *self.fallback)]
        if len(set(names)) < len(names):
            raise AisleError(
                f"two recallers have one name: {', '.join(names)}",
                hint='give one of them a name of its own, such as name = "popular lately"',
                code="E371",
            )
